# SPDX-License-Identifier: BSL-1.0
# shellcheck shell=bash disable=SC2034  # the scripts that source this file use its variables

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
jobs=$(getconf _NPROCESSORS_ONLN)

# Messages and the build's output go to standard error, so standard output has only what the program prints.
say() { printf '\n== %s\n' "$*" >&2; }
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

is_installed() { [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed* ]]; }

can_install() {
    command -v apt-get >/dev/null && { [[ $EUID -eq 0 ]] || command -v sudo >/dev/null; }
}

apt_get() {
    local -a as_root=()
    [[ $EUID -eq 0 ]] || as_root=(sudo)
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 "$@" >&2
}

# require <tool>... -- <package>...
# Installs the Debian packages that are missing. For a|b either package will do; if both are missing, it installs a.
# If it cannot install packages, it prints their names. It goes on if the tools exist: CMake looks for the libraries.
require() {
    local -a tools=() missing=()
    local tool package name
    while [[ $1 != -- ]]; do tools+=("$1"); shift; done
    shift
    for package; do
        if command -v dpkg-query >/dev/null; then
            for name in ${package//|/ }; do is_installed "$name" && continue 2; done
        fi
        missing+=("${package%%|*}")
    done
    [[ ${#missing[@]} -gt 0 ]] || return 0

    if can_install; then
        say "installing ${missing[*]}"
        { apt_get update && apt_get install --yes --no-install-recommends "${missing[@]}"; } || die 'cannot install'
        return 0
    fi
    say "cannot install packages here. The Debian packages needed are: ${missing[*]}"
    missing=()
    for tool in "${tools[@]}"; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    [[ ${#missing[@]} -eq 0 ]] || die "not found: ${missing[*]}"
}

build_tools=(g++ cmake ninja)
build_packages=(
    g++ cmake ninja-build 'libboost-dev|libboost1.74-dev|libboost1.81-dev' librange-v3-dev
    doctest-dev libcli11-dev libfmt-dev nlohmann-json3-dev
)
plot_tools=(gnuplot)
plot_packages=('gnuplot-nox|gnuplot-qt|gnuplot-x11')
docs_packages=(doxygen graphviz mkdocs mkdocs-material python3)
bench_tools=(valgrind "${plot_tools[@]}")
bench_packages=(libbenchmark-dev valgrind "${plot_packages[@]}")

# unpack <directory> <package>...
# Unpacks packages that are not to be installed into build/<directory>.
unpack() {
    [[ ! -d build/$1 ]] || return 0
    local directory=build/$1 package
    local parts=$directory.part
    shift
    rm -rf "$parts"
    mkdir -p "$parts"
    local -a download=(apt-get -q -o APT::Sandbox::User=root download "$@")
    (cd "$parts" && { "${download[@]}" || { apt_get update && "${download[@]}"; }; }) || return
    for package in "$parts"/*.deb; do dpkg-deb -x "$package" "$parts/root" || return; done
    mv "$parts/root" "$directory" && rm -rf "$parts"
}

# The package of Boost 1.81 excludes that of 1.74.
unpack_boost() { unpack boost-1.81 libboost1.81-dev; }

# Its package also has a server, which would start.
unpack_promtool() { unpack promtool prometheus; }

# A compiler for another system must not see the headers of this one, so it gets a directory with nothing else in it.
unpack_test_headers() {
    unpack test-headers doctest-dev librange-v3-dev &&
        sed -i 's|"/usr"|"${CMAKE_CURRENT_LIST_DIR}/../../.."|' build/test-headers/usr/lib/cmake/doctest/doctestTargets.cmake
}

has_boost_package() { [[ -d build/boost-1.81 ]] || { can_install && grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; }; }
