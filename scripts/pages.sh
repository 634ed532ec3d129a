#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Writes the blocks of README.md and docs/*.md that name a file as their source, from these files. The test `pages` checks
# that they agree: see examples/pages.cmake.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

require cmake -- cmake
exec cmake -D "ROOT=$root" -D UPDATE=ON -P "$root/examples/pages.cmake"
