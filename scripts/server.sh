#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# A server of its own for a test or a demonstration: it listens on loopback, keeps its data in a directory of its own, and is
# ended by its process id. The packages are those of Debian.
#   scripts/server.sh install postgres|redis
#   scripts/server.sh start postgres|redis <directory> [<option>...]    makes the directory if need be, and prints the URL
#   scripts/server.sh stop <directory> [<signal>]                       ends the server, and leaves its data
#   scripts/server.sh remove <directory>                                ends the server, and removes all
#   scripts/server.sh with postgres|redis <command>...                  runs a command with the URL of a new server as its
#                                                                       last argument, and then removes the server
# A server that was stopped is started again on the same port, with the same data. Options are those of the server, as
# max_connections=20 for PostgreSQL, or --maxclients 20 for Redis.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# The servers come with units that would start them: a policy says no while they are installed.
install() {
    local policy=/usr/sbin/policy-rc.d made=
    if [[ $EUID -eq 0 && ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=yes
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    case $1 in
    postgres) require -- postgresql ;;
    redis) require redis-server -- redis-server ;;
    *) die "no server '$1': there are postgres and redis" ;;
    esac
    [[ -z $made ]] || { rm -f "$policy" && trap - EXIT; }
}

# A port that nobody listens on now.
free_port() {
    perl -MIO::Socket::INET -e '
        my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die "no port: $!\n";
        print $socket->sockport, "\n"'
}

# Runs a command that must not run as root.
as_postgres=()
[[ $EUID -ne 0 ]] || as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)  # becomes the command
unprivileged() { "${as_postgres[@]}" "$@"; }

# Runs a command in the background, which keeps nothing of this script but its environment.
begin() {
    (cd "$directory" && exec "$@" </dev/null >>"$directory/log" 2>&1) &
    echo $! >"$directory/pid" # at once: a server whose start fails can be stopped
}

# wait_until <what> <command>...: for half a minute.
wait_until() {
    local what=$1 attempt
    shift
    for ((attempt = 0; attempt < 600; ++attempt)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    tail -n 20 "$directory/log" >&2 || true
    die "$what: not within 30 seconds"
}

# The programs of the newest version; Debian has them in no directory of the path.
postgres_programs() {
    local -a all=(/usr/lib/postgresql/*/bin)
    [[ -x ${all[-1]}/postgres ]] || die 'there is no PostgreSQL: scripts/server.sh install postgres'
    printf '%s\n' "${all[-1]}"
}

start_postgres() {
    local programs option
    programs=$(postgres_programs)
    if [[ ! -e $directory/data/PG_VERSION ]]; then
        [[ $EUID -ne 0 ]] || chown postgres "$directory"
        unprivileged test -x "$directory" || die "the user postgres cannot enter $directory"
        unprivileged "$programs/initdb" --pgdata="$directory/data" --username=test --auth=trust --encoding=UTF8 --locale=C \
            --no-sync >"$directory/initdb.log" 2>&1 || { cat "$directory/initdb.log" >&2; die 'initdb failed'; }
    fi
    local -a options=(-c listen_addresses=127.0.0.1 -c "port=$port" -c "unix_socket_directories=$directory" -c fsync=off)
    for option; do options+=(-c "$option"); done
    begin "${as_postgres[@]}" "$programs/postgres" -D "$directory/data" "${options[@]}"
    wait_until 'the start of PostgreSQL' unprivileged "$programs/pg_isready" --quiet --host=127.0.0.1 --port="$port"
    echo "postgresql://test@127.0.0.1:$port/postgres"
}

start_redis() {
    begin redis-server --bind 127.0.0.1 --port "$port" --dir "$directory" --save '' --appendonly no --daemonize no "$@"
    wait_until 'the start of Redis' redis-cli -h 127.0.0.1 -p "$port" ping
    echo "redis://127.0.0.1:$port"
}

# A process that has ended, and that nobody has waited for, does not run.
is_running() {
    local pid
    [[ -e $directory/pid ]] || return 1
    pid=$(cat "$directory/pid")
    kill -0 "$pid" 2>/dev/null && ! grep -qs '^State:[[:space:]]*Z' "/proc/$pid/status"
}
has_ended() { ! is_running; }

stop() {
    is_running || return 0
    kill -s "${1:-INT}" "$(cat "$directory/pid")" 2>/dev/null || true
    wait_until 'the end of the server' has_ended
    rm -f "$directory/pid"
}

[[ $# -ge 2 ]] || die 'say what to do: install, start, stop, remove or with; the head of this file says how'
action=$1
shift
case $action in
install) install "$1" ;;
start)
    kind=$1 directory=${2:?a directory}
    shift 2
    [[ $kind == postgres || $kind == redis ]] || die "no server '$kind': there are postgres and redis"
    mkdir -p "$directory"
    directory=$(cd "$directory" && pwd)
    ! is_running || die "a server runs in $directory already"
    [[ -e $directory/port ]] || free_port >"$directory/port"
    port=$(cat "$directory/port")
    trap 'stop KILL' EXIT # if it does not start
    "start_$kind" "$@"
    trap - EXIT
    ;;
stop | remove)
    directory=$1
    shift
    [[ -d $directory ]] || die "no directory '$directory'"
    stop "$@"
    [[ $action == stop ]] || rm -rf "$directory"
    ;;
with)
    kind=$1
    shift
    parent=$(mktemp -d /tmp/pool-server.XXXXXX)
    chmod 755 "$parent" # a server may run as another user
    trap '"$0" remove "$parent/server" || true; rm -rf "$parent"' EXIT
    url=$("$0" start "$kind" "$parent/server")
    status=0
    "$@" "$url" || status=$?
    exit "$status"
    ;;
*) die "no action '$action': there are install, start, stop, remove and with" ;;
esac
