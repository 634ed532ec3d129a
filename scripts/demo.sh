#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Installs missing packages, builds a demo and runs it, with the arguments that are left: scripts/demo.sh --help
#   scripts/demo.sh [<option>...]                                   its own TCP servers
#   scripts/demo.sh postgres|redis|http [<option>...]               a server that it starts and ends: scripts/demo.sh redis --help
#   scripts/demo.sh postgres|redis|http --url <URL> [<option>...]   a server of yours
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

client=
case ${1-} in
postgres) client=$1 server=postgres packages=(libpq-dev) ;;
redis) client=$1 server=redis packages=(libhiredis-dev) ;;
http) client=$1 server=nginx packages=() ;;
'' | -*) ;;
*) die "no demo '$1': there are postgres, redis and http, and one without a name" ;;
esac
if [[ -n $client ]]; then
    shift
    target=demo_$client
    build_packages+=("${packages[@]}")
else
    target=fanout
    if [[ " $* " =~ " --plot"[\ =] ]]; then
        build_tools+=("${plot_tools[@]}")
        build_packages+=("${plot_packages[@]}")
    fi
    [[ $# -gt 0 ]] || set -- --servers 8 --requests 200000
fi

require "${build_tools[@]}" -- "${build_packages[@]}"
(
    cd "$root"
    # Another compiler may warn where ours does not. The demo should run all the same.
    cmake --preset gcc-release --compile-no-warning-as-error >/dev/null
    cmake --build --preset gcc-release --parallel "$jobs" --target "$target"
) >&2
program=$root/build/gcc-release/examples/$target

if [[ -z $client || " $* " =~ " "(--url[\ =]|--help |-h ) ]]; then exec "$program" "$@"; fi
"$root/scripts/server.sh" install "$server"
exec "$root/scripts/server.sh" with "$server" "$program" "$@"
