#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# The first hour of a newcomer, as docs/tutorial.md has it: the library is installed, the programs of the chapter are built in a
# folder that has nothing else, and each of them survives that its server is stopped, and that it is restarted.
#   first_hour.sh <project> <compiler> <server>...: postgres, redis, nginx
set -euo pipefail
project=$1 compiler=$2
shift 2
server=$project/scripts/server.sh
work=$(mktemp -d /tmp/pool-first-hour.XXXXXX)
chmod 755 "$work" # a server may run as another user
cleanup() {
    for directory in "$work"/server-*; do [[ ! -d $directory ]] || "$server" remove "$directory" || true; done
    rm -rf "$work"
}
trap cleanup EXIT

fail() { printf 'first_hour.sh: %s\n' "$*" >&2; exit 1; }

cmake -S "$project" -B "$work/pool" -DCMAKE_CXX_COMPILER="$compiler" -DBUILD_TESTING=OFF >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
cmake --install "$work/pool" --prefix "$work/prefix" >/dev/null
mkdir "$work/folder"
cp "$project"/examples/tutorial/6_servers/* "$work/folder"
cmake -S "$work/folder" -B "$work/folder/build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$work/prefix"
cmake --build "$work/folder/build" --parallel 2

# ask <words> <pattern>: says a line to the program, and checks what it answers.
ask() {
    local answer
    printf '%s\n' "$1" >&"$to"
    # A message of libpq has a second line.
    while IFS= read -r -t 60 answer <&"$from" || fail "$client: no answer to '$1'"; do
        [[ $answer == $'\t'* ]] || break
    done
    echo "$client: $1: $answer"
    [[ $answer =~ $2 ]] || fail "$client: expected $2"
}

for client; do
    url=$("$server" start "$client" "$work/server-$client")
    url=${url%%$'\n'*} # nginx has a second one, for TLS
    case $client in
    postgres) name=orders answers=(7 '^49$' 8 '^64$' 9 '^81$' 10 '^100$') ;;
    nginx) name=fetch answers=(/echo?nonce=1234 '^200, 4 bytes$' /nowhere '^404, ' /echo '^200, 0 bytes$' / '^404, ') ;;
    redis) name=visits answers=(start '^1$' start '^2$' start '^1$' start '^1$') ;; # it stores nothing
    esac
    coproc program { exec "$work/folder/build/$name" "$url"; }
    # Copies: bash forgets its own as soon as the program has ended.
    pid=$program_PID
    exec {from}<&"${program[0]}" {to}>&"${program[1]}"
    exec {program[0]}<&- {program[1]}>&-
    ask "${answers[0]}" "${answers[1]}"
    ask "${answers[2]}" "${answers[3]}"
    "$server" stop "$work/server-$client"
    ask "${answers[0]}" '^failed: '
    "$server" start "$client" "$work/server-$client" >/dev/null
    ask "${answers[4]}" "${answers[5]}"
    "$server" stop "$work/server-$client"
    "$server" start "$client" "$work/server-$client" >/dev/null
    ask "${answers[6]}" "${answers[7]}" # the connection that is idle has died, and nobody sees that
    exec {to}>&-
    IFS= read -r -t 60 summary <&"$from" || fail "$client: no summary"
    echo "$client: $summary"
    [[ $summary == '5 calls, 3 dials' ]] || fail "$client: expected 5 calls, 3 dials"
    wait "$pid" || fail "$client: the program has failed"
    exec {from}<&-
    "$server" remove "$work/server-$client"
done
