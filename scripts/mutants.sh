#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Mutation testing: puts each mistake of test/mutants into a copy of the headers, or only the named ones, and checks that
# the test that it names then fails: scripts/mutants.sh drain_not_woken
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
require "${build_tools[@]}" patch -- "${build_packages[@]}" patch relacy-dev prometheus-cpp-dev
cd "$root"
if has_boost_package; then unpack_boost; fi  # older versions have no cancellation in Asio

compile() { g++ -std=c++20 -O1 -w -pthread "-I$1/include" -Itest -isystem build/boost-1.81/usr/include "${@:2}"; }

say 'what the tests have in common'
mkdir -p build/mutants/common
common=(support/allocations support/histories support/in_child main)
objects=()
for each in "${common[@]}"; do
    objects+=("build/mutants/common/${each##*/}.o")
    compile . -c "test/$each.cpp" -o "${objects[-1]}"
done

# Prints a line about one mistake. Fails unless its test has noticed it.
try() {
    local name=$1 patch=test/mutants/$1.patch here=build/mutants/$1 test status=0
    [[ -f $patch ]] || die "no mistake '$name' in test/mutants"
    test=$(sed -n 's/^# test: //p' "$patch")
    local -a sources=("test/$test.cpp")
    [[ $test != histories/* ]] || sources+=(test/histories/pools_*.cpp)
    [[ $test != policies/lock_schedules ]] || sources+=(test/support/contest.cpp)
    local -a linked=("${objects[@]}")
    if grep -q '^int main' "test/$test.cpp"; then linked=(); fi
    rm -rf "$here" && mkdir -p "$here" && cp -r include "$here"
    result() { printf '%-34s %-28s %s\n' "$name" "$test" "$1"; }

    patch --directory="$here" --strip=1 --fuzz=0 --silent <"$patch" >"$here/log" || { result 'DOES NOT APPLY'; return 1; }
    compile "$here" "${sources[@]}" "${linked[@]}" -o "$here/test" 2>"$here/log" ||
        { result 'DOES NOT COMPILE'; return 1; }
    { timeout 600 "$here/test" >"$here/log" 2>&1 || status=$?; } 2>/dev/null
    case $status in
    0) result 'NOT NOTICED'; return 1 ;;
    1) result "noticed, by $(grep -acE 'ERROR: |race' "$here/log") lines" ;;
    124) result 'noticed: it never ends' ;;
    *) result "noticed: it ends the program, status $status" ;;
    esac
}

if [[ $# -eq 0 ]]; then
    mapfile -t names < <(basename --suffix=.patch test/mutants/*.patch)
    set -- "${names[@]}"
fi
failed=0
for name; do
    try "$name" || failed=$((failed + 1))
done
say "$# mistakes, $failed not noticed"
[[ $failed -eq 0 ]]
