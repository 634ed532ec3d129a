// SPDX-License-Identifier: BSL-1.0
#include <charconv>
#include <limits>
#include <map>
#include <stdexcept>
#include <type_traits>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "options.hpp"

namespace fanout {

namespace {

/// Stricter than CLI11's own check: the whole text must be a number of that type, within the range. "nan" never passes.
template <class Number>
CLI::Validator between(Number low, Number high) {
    const auto check = [low, high](const std::string& text) -> std::string {
        Number value{};
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc{} && end == text.data() + text.size() && value >= low && value <= high) return {};
        return fmt::format(
            "{} is not a{} number from {} to {}", text, std::is_integral_v<Number> ? " whole" : "", low, high);
    };
    return {check, ""};
}

/// Turns 500ms into 0.5.
CLI::Validator seconds() {
    const std::map<std::string, double> units{{"us", 1e-6}, {"ms", 1e-3}, {"s", 1}, {"m", 60}};
    const auto convert = [unit = CLI::AsNumberWithUnit(units)](std::string& text) -> std::string {
        const std::string given = text;
        try {
            return unit(text);
        } catch (const CLI::ValidationError&) {
            return given + " is not a time such as 500ms, 2s or 1m";
        }
    };
    return {convert, ""};
}

std::string check_address(const std::string& text) {
    try {
        split_address(text);
        return {};
    } catch (const std::invalid_argument& error) {
        return error.what();
    }
}

}  // namespace

std::pair<std::string, std::string> split_address(const std::string& text) {
    const std::size_t colon = text.rfind(':');
    std::string host = text.substr(0, colon);
    const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    else if (host.find(':') != std::string::npos) host.clear();

    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (host.empty() || error != std::errc{} || end != port.data() + port.size() || number == 0)
        throw std::invalid_argument{fmt::format("{} is not host:port with a port from 1 to 65535", text)};
    return {host, port};
}

std::variant<options, int> parse_options(int argc, const char* const* argv) {
    options chosen;
    double expiration = std::chrono::duration<double>(chosen.expiration).count();
    double plot_time = std::chrono::duration<double>(chosen.plot_time).count();

    CLI::App app{"Sends the same requests to a few TCP servers twice, and compares. First it dials for every\n"
                 "request, then it uses a connection pool. It checks every reply. In both phases, a dial is a plain\n"
                 "TCP connect: no greeting, no TLS, no artificial delay. The servers are embedded, on loopback,\n"
                 "unless --connect names some.\n\n"
                 "With --plot it then draws a bounded pool over time, for which it needs gnuplot. Four times as many\n"
                 "callers share half as many connections to each server, and each dial has a login of 10 ms. At a\n"
                 "third of the time a server goes away, at half of it the server comes back, and at three quarters\n"
                 "the pool is invalidated. Servers of --connect stay.\n\n"
                 "Exit code: 0, 1 if a request failed while its server was there, a reply was wrong, or the picture\n"
                 "could not be made, 2 for a bad option.\n"};
    app.get_formatter()->column_width(36);
    const auto add = [&app]<class Number>(const char* name, Number& value, std::type_identity_t<Number> low,
                         std::type_identity_t<Number> high, const char* help) {
        return app.add_option(name, value, help)->capture_default_str()->check(between(low, high));
    };
    auto* servers =
        add("--servers", chosen.servers, 1, 1000, "embedded servers; every second one closes idle connections");
    add("--requests", chosen.requests, 1, 100'000'000, "requests to send in each phase");
    add("--threads", chosen.threads, 1, 1000, "client threads, each with one request at a time");
    add("--keys-skew", chosen.keys_skew, 0, 10, "Zipf exponent of the choice of a server; 0 is an even choice");
    add("--cancel", chosen.cancel, 0, 1, "share of requests that are cancelled before the reply");
    add("--capacity", chosen.capacity, -1, 1'000'000, "idle connections kept; 0 is unlimited, negative keeps none");
    add("--key-capacity", chosen.key_capacity, -1, 1'000'000, "the same for each server");
    add("--expiration", expiration, 0, 86'400, "seconds a connection may be idle, or 500ms, 2s, 1m; 0 is for ever")
        ->transform(seconds());
    add("--seed", chosen.seed, 0, std::numeric_limits<std::uint64_t>::max(), "the same seed gives the same requests");
    auto* connect = app.add_option("--connect", chosen.connect, "use this server, which must already run; repeatable");
    connect->type_name("HOST:PORT")->allow_extra_args(false)->check(check_address);
    auto* serve =
        app.add_flag("--serve", chosen.serve, "only run the servers, print their addresses, end on SIGINT or SIGTERM");
    app.add_flag("--json", chosen.json, "print one JSON object instead of the table");
    auto* plot = app.add_option("--plot", chosen.plot, "then draw a pool over time, as an SVG");
    plot->type_name("FILE");
    add("--plot-time", plot_time, 0.1, 3600, "seconds that the picture shows, or 500ms, 2s, 1m")->transform(seconds());
    connect->excludes(servers)->excludes(serve);
    plot->excludes(serve);

    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        if (error.get_exit_code() == 0) return app.exit(error);
        fmt::print(stderr, "fanout: {}\n", error.what());
        return 2;
    }
    const auto rounded = [](double time) {
        return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(time));
    };
    chosen.expiration = rounded(expiration);
    chosen.plot_time = rounded(plot_time);
    if (!chosen.connect.empty()) chosen.servers = chosen.connect.size();
    return chosen;
}

}  // namespace fanout
