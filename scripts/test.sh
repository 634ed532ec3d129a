#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Installs missing packages, then builds and runs the tests, in every configuration or in the named ones:
# scripts/test.sh gcc-debug tsan
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# Each is a preset.
all=(gcc-debug clang-debug asan-ubsan tsan gcc-boost-1.81 clang-boost-1.81 bench consumers)

chosen=("$@")
[[ $# -gt 0 ]] || chosen=("${all[@]}")
for configuration in "${chosen[@]}"; do
    [[ " ${all[*]} " == *" $configuration "* ]] || {
        echo "${0##*/}: no configuration '$configuration'; there are: ${all[*]}" >&2
        exit 2
    }
done

if [[ ${chosen[*]} == *clang* ]]; then
    build_tools+=(clang++)
    build_packages+=(clang)
fi
if [[ ${chosen[*]} == *bench* ]]; then
    build_tools+=("${bench_tools[@]}")
    build_packages+=("${bench_packages[@]}")
fi
if [[ " ${chosen[*]} " == *" consumers "* ]]; then
    build_tools+=(pkg-config python3)
    build_packages+=('pkg-config|pkgconf' python3)
fi
require "${build_tools[@]}" -- "${build_packages[@]}"
cd "$root"

build() {
    # The sanitizers use Boost 1.81 if it can be had, because older versions lack a part of Asio. Otherwise they use the
    # system's Boost.
    if [[ $1 == *-boost-1.81 || $1 == bench ]] || { [[ $1 == *san* ]] && has_boost_package; }; then unpack_boost || return; fi
    cmake --preset "$1" >/dev/null || return
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
        /^\[doctest\] test cases:/ { doctest = 1; cases += number(1); good = number(2); bad = number(3) }
        /^\[doctest\] assertions:/ { assertions += number(1) }
        /^Test Pass(ed\.| Reason:)$/ { ok = 1 }  # "Reason:" for a PASS_REGULAR_EXPRESSION
        END { finish(); print cases + 0, assertions + 0, others + 0, passed + 0, failed + 0 }
    ' "$1"
}

passed=0
failed=0
table=$(printf '%-18s %8s %12s %8s %8s %8s' configuration cases assertions others failed seconds)
for configuration in "${chosen[@]}"; do
    if [[ $configuration == *-boost-1.81 || $configuration == bench ]] && ! has_boost_package; then
        table+=$(printf '\n%-18s skipped: only Debian 12 has the package libboost1.81-dev' "$configuration")
        continue
    fi

    say "$configuration"
    start=$SECONDS
    if ! build "$configuration" >&2; then
        table+=$(printf '\n%-18s does not build' "$configuration")
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
    table+=$(printf '\n%-18s %8d %12d %8d %8d %8d' \
        "$configuration" "$cases" "$assertions" "$others" "$bad" $((SECONDS - start)))
done

printf '\n%s\n\n%d passed, %d failed\n' "$table" "$passed" "$failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
