// SPDX-License-Identifier: BSL-1.0
#include <cstddef>
#include <cstdio>
#include <memory>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include <pool/pool.hpp>

/// @file
/// The code of docs/connections.md. Each region is quoted there.

// [traits]
struct line {  // of a library: it has no members
    int number = -1;
};
void hang_up(line& l) { l.number = -1; }
bool is_dead(const line& l) noexcept { return l.number < 0; }

template <>
struct pool::connection_traits<line> {
    static void close(line& l) { hang_up(l); }                               // once, dead or not
    static bool closed(const line& l) noexcept { return is_dead(l); }        // may never be lent again
    static bool unblocked(const line&) noexcept { return true; }             // can take a call now
    static bool released(const line& l) noexcept { return l.number == -1; }  // optional: nothing is left to close
};
// [/traits]

// [pointer]
struct closes_file {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using file = std::unique_ptr<std::FILE, closes_file>;  // only a null pointer is dead

template <>
struct pool::connection_traits<std::FILE> {  // with this, one with an error is dead, too
    static bool closed(const std::FILE& f) noexcept { return std::ferror(const_cast<std::FILE*>(&f)) != 0; }
};
// [/pointer]

namespace {

// [plain]
using buffer = pool::plain<std::vector<char>>;
using pattern = pool::plain<std::regex>;

struct model {  // or a type of your own
    std::vector<double> weights;
};
// [/plain]

}  // namespace

// [is_plain]
template <>
inline constexpr bool pool::is_plain<model> = true;
// [/is_plain]

namespace {

// [kept]
using line_pool = pool::connection_pool<int, line>;

bool transfer(line_pool& lines, bool succeeds) {
    auto lent = lines.acquire(7, pool::discard_unless_kept);
    if (!succeeds) return false;  // the call has failed: the connection is closed
    lent.keep();                  // it went well: the connection is given back
    return true;
}

bool transfer_by_call(line_pool& lines, bool succeeds) {
    return lines.invoke(7, [&](line_pool::lease_type& lent) {
        if (succeeds) lent.keep();
        return succeeds;
    });
}
// [/kept]

// [weight]
struct bytes {
    std::vector<char> all;

    std::size_t weight() const noexcept { return all.capacity(); }  // asked once, when it is given back
};

using buffers_by_bytes = pool::basic_pool<pool::no_key, bytes, pool::weighed<pool::bounded>>;
// [/weight]

}  // namespace

template <>
inline constexpr bool pool::is_plain<bytes> = true;

namespace {

// [weight_use]
std::size_t use_weight() {
    buffers_by_bytes buffers{{{.max_idle = 1000}, 100'000'000}};  // at most 1000 idle buffers, and at most 100 MB
    const auto make = [] { return bytes{}; };
    buffers.get(make).invoke([](bytes& b) { b.all.resize(4096); });
    return buffers.stats().idle_weight;
}
// [/weight_use]

// [plain_use]
bool use_plain() {
    pool::connection_pool<std::string, pattern> patterns{
        {.capacity = 100}, [](const std::string& text) { return std::regex{text}; }};
    return patterns.invoke("[0-9]+", [](const pattern& compiled) { return std::regex_match("123", *compiled); });
}
// [/plain_use]

}  // namespace

int main() {
    pool::connection_pool<int, line> lines{{}, [](int number) { return line{number}; }};
    const bool is_kept = transfer(lines, true) && lines.stats().idle == 1;
    const bool is_discarded = !transfer(lines, false) && lines.stats().idle == 0;
    const bool is_called = transfer_by_call(lines, true) && lines.stats().idle == 1;

    pool::connection_pool<int, file> files{{}, [](int) { return file{std::fopen("/dev/null", "r")}; }};
    files.invoke(1, [](file& f) { (void)std::fgetc(f.get()); });

    pool::connection_pool<int, model> models{
        {}, [](int size) { return model{std::vector<double>(static_cast<std::size_t>(size))}; }};
    const bool is_model = models.acquire(3)->weights.size() == 3;
    pool::connection_pool<int, buffer> buffers{
        {}, [](int size) { return std::vector<char>(static_cast<std::size_t>(size)); }};
    const bool is_buffer = (**buffers.acquire(3)).size() == 3;
    return is_kept && is_discarded && is_called && files.stats().idle == 1 && is_model && is_buffer &&
                   use_weight() == 4096 && use_plain()
               ? 0
               : 1;
}
