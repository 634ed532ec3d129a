#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Runs a program with the URL of a server that is there only for it:
#   with_server.sh <scripts/server.sh> postgres|redis <program>
set -euo pipefail

directory=$(mktemp -d)
chmod 755 "$directory"  # the server of PostgreSQL may be another user
script=$1
trap 'bash "$script" remove "$directory/server"; rm -rf "$directory"' EXIT
"$3" "$(bash "$script" start "$2" "$directory/server")"
