// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <benchmark/benchmark.h>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <dead.hpp>
#include <table.hpp>
#include <threads.hpp>

/// @file
/// How long an operation takes. The repetitions of all benchmarks run in random order. So a machine that becomes slower
/// is slower for all of them.

namespace {

constexpr double seconds = 0.01;  // of one repetition
int repetitions = 15;
int repetitions_of_rows = 45;  // more, because the differences between these are small

/// Makes a workload when it first runs. All repetitions use the same one.
struct one_thread {
    int repetitions;

    template <class Workload>
    void operator()(const std::string& name, std::size_t n) const {
        const auto work = std::make_shared<std::unique_ptr<Workload>>();
        benchmark::RegisterBenchmark(name.c_str(), [work, n](benchmark::State& state) {
            bench::pin(0);
            if (!*work) *work = std::make_unique<Workload>(n);
            for (auto _ : state) (**work)();
            state.SetItemsProcessed(state.iterations());
        })->MinTime(seconds)->Repetitions(repetitions);
    }
};

/// Two threads lease connections of random keys and give them back. Each key has three connections: one for each
/// thread, and one more.
template <class Pool>
void two_threads(const std::string& name, std::size_t n) {
    struct shared {
        explicit shared(std::size_t count) : keys{bench::keys(count)}, conns{bench::make<Pool>({})} {
            for (int i = 0; i < 3; ++i) {
                for (const std::string& each : keys) conns.put(each, bench::connection{1});
            }
        }
        const std::vector<std::string> keys;
        Pool conns;
    };
    const auto work = std::make_shared<shared>(n);
    benchmark::RegisterBenchmark(name.c_str(), [work](benchmark::State& state) {
        bench::pin(state.thread_index());
        bench::sequence chosen{work->keys.size(), static_cast<std::uint64_t>(state.thread_index() + 1)};
        for (auto _ : state) bench::expect(bool{work->conns.try_acquire(work->keys[chosen.next()])});
        state.SetItemsProcessed(state.iterations());
    })->MinTime(5 * seconds)->Repetitions(repetitions)->Threads(2)->UseRealTime();
}

/// One look-up drops `n` closed connections. They are put in anew each time, and only the look-up is timed.
template <class Pool>
void dead_key(const std::string& name, std::size_t n) {
    const auto look_ups = static_cast<benchmark::IterationCount>(std::max<std::size_t>(100'000 / n, 1));
    benchmark::RegisterBenchmark(name.c_str(), [n](benchmark::State& state) {
        bench::pin(0);
        for (auto _ : state) state.SetIterationTime(bench::drop_dead<Pool>(n).count());
        state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(n));
    })->Iterations(look_ups)->Repetitions(repetitions)->UseManualTime();
}

/// The least that a lease saves: opening and closing a connection to the same machine, without TLS and without a login.
void tcp_connect() {
    namespace ip = boost::asio::ip;
    benchmark::RegisterBenchmark("open a TCP connection/loopback", [](benchmark::State& state) {
        bench::pin(0);
        boost::asio::io_context context;
        ip::tcp::acceptor server{context, {ip::address_v4::loopback(), 0}};
        for (auto _ : state) {
            ip::tcp::socket near{context};
            near.connect(server.local_endpoint());
            const ip::tcp::socket far = server.accept();
            near.set_option(boost::asio::socket_base::linger{true, 0});  // otherwise the ports would run out
        }
        state.SetItemsProcessed(state.iterations());
    })->MinTime(seconds)->Repetitions(repetitions);
}

void each_contended_row() {
    using pool::never;
    using clock = std::chrono::steady_clock;
    for (const std::size_t n : {1, 1'000}) {
        const std::string row = n == 1 ? "W6 two threads, one key" : "W6 two threads, 1,000 keys";
        two_threads<bench::our_pool<never, std::mutex, clock>>(row + "/pool", n);
        two_threads<bench::our_pool<never, pool::adaptive_mutex, clock>>(row + "/adaptive", n);
        two_threads<bench::our_shards<never, std::mutex, clock>>(row + "/sharded", n);
        two_threads<bench::our_shards<never, pool::adaptive_mutex, clock>>(row + "/sharded, adaptive", n);
        two_threads<baselines::hand_written<bench::connection, never, std::mutex, clock>>(row + "/H", n);
        two_threads<baselines::naive<bench::connection, never, std::mutex, clock>>(row + "/N", n);
    }
}

void each_dead_row() {
    using pool::never;
    using conn = bench::mortal_connection;
    using clock = std::chrono::steady_clock;
    std::size_t n = 1'000;
    for (int power = 3; power <= 6; ++power, n *= 10) {
        const std::string row = fmt::format("W7 10^{} closed", power);
        dead_key<pool::basic_pool<std::string, conn, pool::bounded, never, std::mutex, clock>>(row + "/pool", n);
        dead_key<baselines::hand_written<conn, never, std::mutex, clock>>(row + "/H", n);
        dead_key<baselines::naive<conn, never, std::mutex, clock>>(row + "/N", n);
    }
}

}  // namespace

/// With `--once` first, each benchmark runs once: to see that it works.
int main(int argc, char** argv) {
    if (argc > 1 && std::string_view{argv[1]} == "--once") {
        repetitions = repetitions_of_rows = 1;
        --argc;
        std::rotate(argv + 1, argv + 2, argv + argc + 1);
    }
    const bench::parked_thread another;
    one_thread rows{repetitions_of_rows};
    bench::each_row(rows);
    one_thread sizes{repetitions};
    bench::each_size(sizes);
    each_contended_row();
    each_dead_row();
    tcp_connect();
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    benchmark::RunSpecifiedBenchmarks();
}
