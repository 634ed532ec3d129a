#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Installs what is missing, builds the demo and runs it. The arguments are the demo's: scripts/demo.sh --help
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

require "${build_tools[@]}" -- "${build_packages[@]}"
(
    cd "$root"
    # Another compiler may warn of what ours does not: no reason not to run.
    cmake --preset gcc-release --compile-no-warning-as-error >/dev/null
    cmake --build --preset gcc-release --parallel "$jobs" --target fanout
) >&2

[[ $# -gt 0 ]] || set -- --servers 8 --requests 200000
exec "$root/build/gcc-release/examples/fanout" "$@"
