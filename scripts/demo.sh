#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Installs missing packages, builds the demo and runs it. It passes its arguments to the demo: scripts/demo.sh --help
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if [[ " $* " =~ " --plot"[\ =] ]]; then
    build_tools+=("${plot_tools[@]}")
    build_packages+=("${plot_packages[@]}")
fi
require "${build_tools[@]}" -- "${build_packages[@]}"
(
    cd "$root"
    # Another compiler may warn where ours does not. The demo should run all the same.
    cmake --preset gcc-release --compile-no-warning-as-error >/dev/null
    cmake --build --preset gcc-release --parallel "$jobs" --target fanout
) >&2

[[ $# -gt 0 ]] || set -- --servers 8 --requests 200000
exec "$root/build/gcc-release/examples/fanout" "$@"
