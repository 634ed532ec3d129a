#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Installs missing packages, then builds and runs the tests, in every configuration or in the named ones:
# scripts/test.sh gcc-debug tsan
# With --full first, tests that have a longer form run that, and each file is compiled by itself. It takes hours.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Each is a preset, but for the last, which is all those of its name.
all=(gcc-rest asan-ubsan tsan bench consumers clients docs portability)
portability=(portability-gcc-11 portability-clang-14 portability-libc++ portability-aarch64 portability-mingw)
# The last four run only by name. The sanitizers have the suites and the examples, and gcc-rest has the rest: together that is
# gcc-debug, but that clang++ compiles what the sanitizers have, in half to three quarters of the time.
known=("${all[@]}" "${portability[@]}" gcc-debug clang-debug gcc-boost-1.81 clang-boost-1.81)

if [[ ${1-} == --full ]]; then
    export POOL_TESTS_FULL=1
    shift
fi
wanted=("$@")
[[ $# -gt 0 ]] || wanted=("${all[@]}")
chosen=()
for configuration in "${wanted[@]}"; do
    [[ " ${known[*]} " == *" $configuration "* ]] || {
        echo "${0##*/}: no configuration '$configuration'; there are: ${known[*]}" >&2
        exit 2
    }
    if [[ $configuration == portability ]]; then chosen+=("${portability[@]}"); else chosen+=("$configuration"); fi
done

if [[ ${chosen[*]} =~ clang|san ]]; then
    build_tools+=(clang++)
    build_packages+=(clang)
fi
if [[ ${chosen[*]} == *bench* ]]; then
    build_tools+=("${bench_tools[@]}")
    build_packages+=("${bench_packages[@]}")
fi
if [[ ${chosen[*]} =~ -debug|-rest|-boost- ]]; then build_packages+=(relacy-dev); fi
if [[ ${chosen[*]} =~ -debug|san|-boost- ]]; then
    build_packages+=(libpq-dev libhiredis-dev libssl-dev prometheus-cpp-dev "${plot_packages[@]}")
fi
if [[ " ${chosen[*]} " == *" clients "* ]]; then build_packages+=(libpq-dev libhiredis-dev libssl-dev 'pkg-config|pkgconf'); fi
if [[ ${chosen[*]} =~ gcc-(debug|rest) ]]; then build_packages+=(catch2 libgtest-dev); fi
if [[ " ${chosen[*]} " == *" consumers "* ]]; then
    build_tools+=(pkg-config python3)
    build_packages+=('pkg-config|pkgconf' python3)
fi
require "${build_tools[@]}" -- "${build_packages[@]}"
cd "$root"

# What only one configuration needs, and not every system has: a row of its own in the table says so then.
require_for() {
    case $1 in
    clients)
        for server in redis postgres nginx haproxy pgbouncer; do
            scripts/server.sh install "$server" || say "there is no $server"
        done
        ;;
    docs) require doxygen dot mkdocs python3 -- "${docs_packages[@]}" ;;
    asan-ubsan | tsan) require clang++ ld.lld -- libclang-rt-dev lld llvm ;; # LLVM's symbolizer adds the lines to the reports
    portability-gcc-11) require g++-11 -- g++-11 ;;
    portability-libc++) require clang++-19 -- clang-19 libc++-19-dev libc++abi-19-dev ;;
    portability-aarch64) require aarch64-linux-gnu-g++ qemu-aarch64 -- g++-aarch64-linux-gnu qemu-user ;;
    portability-mingw) require x86_64-w64-mingw32-g++-posix ld.lld -- g++-mingw-w64-x86-64-posix lld wine64 ;;
    esac
}

needs_boost_package() {
    case $1 in
    *-boost-1.81 | bench | portability-libc++ | portability-aarch64 | portability-mingw) ;;
    *) return 1 ;;
    esac
}

build() {
    # The sanitizers use Boost 1.81 if it can be had, because older versions lack a part of Asio. Otherwise they use the
    # system's Boost.
    if needs_boost_package "$1" || { [[ $1 == *san* ]] && has_boost_package; }; then unpack_boost || return; fi
    if [[ $1 == portability-aarch64 || $1 == portability-mingw ]]; then unpack_test_headers || return; fi
    # Without it, CMake leaves its tests out.
    if [[ $1 =~ -debug|san|-boost- ]] && can_install; then unpack_promtool || say 'there is no promtool'; fi
    local -a also=()
    [[ -z ${POOL_TESTS_FULL-} ]] || also+=(-D CMAKE_UNITY_BUILD=OFF)
    # Here the benchmarks only have to run. What scripts/bench.sh measures is optimised further, which takes half as long again.
    [[ $1 != bench ]] || also+=(-D 'CMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG')
    cmake --preset "$1" "${also[@]}" >/dev/null || return
    # The tests of the consumers build them.
    [[ $1 == consumers ]] || cmake --build --preset "$1" --parallel "$jobs"
}

# Reads CTest's log and prints "<cases> <assertions> <other tests> <passed> <failed>". A doctest program counts with its
# cases. If it fails although none of its cases did, that is one more failure.
count() {
    awk '
        function number(field) { split($0, fields, "|"); gsub(/[^0-9]/, "", fields[field]); return fields[field] + 0 }
        function finish() {
            if (!open) return
            if (doctest) { passed += good; failed += bad; if (!ok && !bad) ++failed }
            else { ++others; if (ok) ++passed; else ++failed }
            open = 0
        }
        /^[0-9]+\/[0-9]+ Testing: / { finish(); open = 1; ok = doctest = good = bad = 0 }
        /^Command: ""$/ { open = 0 }  # a test that is disabled, which the log says to have passed
        /^\[doctest\] test cases:/ { doctest = 1; cases += number(1); good = number(2); bad = number(3) }
        /^\[doctest\] assertions:/ { assertions += number(1) }
        /^Test Pass(ed\.| Reason:)$/ { ok = 1 }  # "Reason:" for a PASS_REGULAR_EXPRESSION
        END { finish(); print cases + 0, assertions + 0, others + 0, passed + 0, failed + 0 }
    ' "$1"
}

passed=0
failed=0
left_out=
table=$(printf '%-20s %8s %12s %8s %8s %8s' configuration cases assertions others failed seconds)
for configuration in "${chosen[@]}"; do
    if needs_boost_package "$configuration" && ! has_boost_package; then
        table+=$(printf '\n%-20s skipped: only Debian 12 has the package libboost1.81-dev' "$configuration")
        continue
    fi

    say "$configuration"
    if ! (require_for "$configuration"); then
        table+=$(printf '\n%-20s skipped: its compiler, or what runs its programs, cannot be had here' "$configuration")
        continue
    fi
    start=$SECONDS
    if ! build "$configuration" >&2; then
        table+=$(printf '\n%-20s does not build' "$configuration")
        failed=$((failed + 1))
        continue
    fi

    log=build/$configuration/Testing/Temporary/LastTest.log
    rm -f "$log"
    status=0
    ctest --preset "$configuration" --parallel "$jobs" >&2 || status=$?
    read -r cases assertions others good bad < <(count "$log")
    # A test that CTest could not start is not in its log.
    [[ $status -eq 0 || $bad -gt 0 ]] || bad=1
    passed=$((passed + good))
    failed=$((failed + bad))
    table+=$(printf '\n%-20s %8d %12d %8d %8d %8d' \
        "$configuration" "$cases" "$assertions" "$others" "$bad" $((SECONDS - start)))
    while IFS= read -r line; do left_out+=$(printf '\n%s: without %s' "$configuration" "$line"); done \
        < <(cat "build/$configuration/test/left_out.txt" 2>/dev/null)
done

printf '\n%s\n%s\n%d passed, %d failed\n' "$table" "${left_out:+$left_out$'\n'}" "$passed" "$failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
