#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# A server of its own for a test or a demonstration: it listens on loopback, keeps its data in a directory of its own, and is
# ended by its process id. The packages are those of Debian.
#   scripts/server.sh install <kind>                                    postgres, redis, nginx, pgbouncer, haproxy
#   scripts/server.sh start <kind> <directory> [<option>...]            makes the directory if need be, and prints the URL
#   scripts/server.sh start pgbouncer|haproxy <directory> <URL> [<option>...]   in front of another server
#   scripts/server.sh stop <directory> [<signal>]                       ends the server, and leaves its data
#   scripts/server.sh remove <directory>                                ends the server, and removes all
#   scripts/server.sh with <kind> <command>...                          runs a command with the URL of a new server as its
#                                                                       last argument, and then removes the server
# A server that was stopped is started again on the same port, with the same data.
# With POOL_SERVER_OWNER=<process id> in the environment, the server is removed as soon as that process has ended.
#
# What each of them has, and its options:
# - postgres: a superuser `test` without a password. Options are settings, as max_connections=20.
# - redis: nothing is stored. Options are those of redis-server, as --maxclients 20.
# - nginx: HTTP and HTTPS, with a URL in a line each, and the certificate of its authority in <directory>/ca.pem. Each reply has
#   the argument `nonce` of its request in the header `Nonce` and in its body. /echo has nothing else; /large has it many times
#   and a length, /chunked has it many times and no length; /close ends the connection as it says, /few after five requests;
#   /brief ends an idle one after 10 ms, without a word. /status is stub_status. No options.
# - haproxy: passes on TCP to the server of a URL, and prints the URL to use instead. No options.
# - pgbouncer: the same for PostgreSQL, in session mode: a client has one session of the server until it goes, and then
#   PgBouncer cleans it. Its console is the database `pgbouncer`, of the user `test`. Options are settings, as
#   server_lifetime=0. In the mode `transaction`, a client may have another session after each transaction. So whatever a session
#   keeps (settings, temporary tables, prepared statements, LISTEN, advisory locks) reaches others there, and nobody's DISCARD ALL
#   helps: it cleans some session, and PgBouncer itself leaves out its `server_reset_query` in that mode. Clients then have
#   to do without, and a pool of them should only roll back. So the tests here use session mode.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

kinds=(postgres redis nginx pgbouncer haproxy)
check_kind() { [[ " ${kinds[*]} " == *" $1 "* ]] || die "no server '$1': there are ${kinds[*]}"; }

# The servers come with units that would start them: a policy says no while they are installed.
install() {
    local policy=/usr/sbin/policy-rc.d made=
    check_kind "$1"
    if [[ $EUID -eq 0 && ! -e $policy ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy" && made=yes
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    case $1 in
    postgres) require -- postgresql ;;
    redis) require redis-server -- redis-server ;;
    nginx) require nginx openssl -- nginx-core openssl ;;
    *) require "$1" -- "$1" ;;
    esac
    [[ -z $made ]] || { rm -f "$policy" && trap - EXIT; }
}

# A port that nobody listens on now.
free_port() {
    perl -MIO::Socket::INET -e '
        my $socket = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1") or die "no port: $!\n";
        print $socket->sockport, "\n"'
}

# keep_port <file>: the port of that file, which is chosen once.
keep_port() {
    [[ -e $1 ]] || free_port >"$1"
    cat "$1"
}
port_of() {
    [[ $1 =~ ^[a-z]+://[^/]*:([0-9]+)(/|$) ]] || die "no port in '$1'"
    echo "${BASH_REMATCH[1]}"
}
is_listening() { (: <"/dev/tcp/127.0.0.1/$1"); }

# Runs a command that must not run as root.
as_postgres=()
[[ $EUID -ne 0 ]] || as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups)  # becomes the command
unprivileged() { "${as_postgres[@]}" "$@"; }

# When a process has begun, in ticks since the boot; nothing if it does not run. One that has ended, and that nobody has waited
# for, does not run.
start_of() {
    local fields
    { read -r fields <"/proc/$1/stat"; } 2>/dev/null || return 0
    read -ra fields <<<"${fields##*) }" # the first is the state, which is the third of all
    [[ ${fields[0]} == [ZX] ]] || echo "${fields[19]}"
}

# note_process <file>: the process that was begun last. Its number alone may be that of another one some day.
note_process() { echo "$! $(start_of $!)" >"$1"; }

# noted_process <file>: its number, if it still runs.
noted_process() {
    local pid start
    read -r pid start 2>/dev/null <"$1" || return 1
    [[ -n $start && $(start_of "$pid") == "$start" ]] && echo "$pid"
}

# Runs a command in the background, which keeps nothing of this script but its environment. It leads a group of its own.
begin() {
    (cd "$directory" && exec setsid "$@" </dev/null >>"$directory/log" 2>&1) &
    note_process "$directory/pid" # at once: a server whose start fails can be stopped
}

# Removes the server when its owner has ended, whatever has ended it.
begin_watch() {
    [[ -n ${POOL_SERVER_OWNER-} ]] || return 0
    # shellcheck disable=SC2016  # it is the other shell that expands these
    setsid bash -c 'tail --pid="$1" --sleep-interval=0.2 -f /dev/null; exec "$2" remove "$3"' \
        - "$POOL_SERVER_OWNER" "$self" "$directory" </dev/null >/dev/null 2>&1 &
    note_process "$directory/watch"
}
end_watch() {
    local pid
    pid=$(noted_process "$directory/watch") || return 0
    # The watch itself comes here, too. It has a process group of its own, or will have one.
    [[ $pid == "$$" ]] || kill -- "-$pid" 2>/dev/null || kill "$pid" 2>/dev/null || true
}

# wait_until <what> <command>...: for half a minute.
wait_until() {
    local what=$1 attempt
    shift
    for ((attempt = 0; attempt < 600; ++attempt)); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        if [[ $what != *' end of '* ]] && has_ended; then
            tail -n 20 "$directory/log" >&2 || true
            die "$what: it has ended"
        fi
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

# An authority of our own, and a certificate for 127.0.0.1 and localhost, which it has signed.
make_certificates() {
    [[ ! -e $directory/server.pem ]] || return 0
    (
        cd "$directory"
        new_key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
        openssl req -x509 "${new_key[@]}" -days 3650 -subj '/CN=a test authority' -keyout ca.key -out ca.pem
        openssl req "${new_key[@]}" -subj /CN=localhost -keyout server.key -out server.csr
        openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -set_serial 1 -days 3650 \
            -extfile <(echo 'subjectAltName = DNS:localhost, IP:127.0.0.1') -out server.part
        mv server.part server.pem
    ) >"$directory/openssl.log" 2>&1 || { cat "$directory/openssl.log" >&2; die 'no certificate'; }
}

start_nginx() {
    local tls_port user=
    tls_port=$(keep_port "$directory/tls_port")
    make_certificates
    [[ $EUID -ne 0 ]] || user='user www-data;'
    mkdir -p "$directory/files"
    # A length is known of what is as long as its file: what replaces a part of it has none.
    printf 'NONCE of a body that has no length%.0s\n' {1..1000} >"$directory/files/chunked"
    cat >"$directory/nginx.conf" <<-END
	$user
	daemon off;
	worker_processes 1;
	pid nginx.pid;
	error_log stderr warn;
	events { worker_connections 1024; }
	http {
	    access_log off;
	    default_type text/plain;
	    client_body_temp_path body;
	    proxy_temp_path proxy;
	    fastcgi_temp_path fastcgi;
	    uwsgi_temp_path uwsgi;
	    scgi_temp_path scgi;
	    keepalive_timeout 1h;
	    keepalive_requests 1000000000;
	    lingering_timeout 100ms;
	    add_header Nonce \$arg_nonce always;
	    add_header Connection-Number \$connection always;
	    server {
	        listen 127.0.0.1:$port;
	        listen 127.0.0.1:$tls_port ssl;
	        ssl_certificate server.pem;
	        ssl_certificate_key server.key;
	        set \$line "\$arg_nonce of a body that has a length\n";
	        set \$ten "\$line\$line\$line\$line\$line\$line\$line\$line\$line\$line";
	        set \$hundred "\$ten\$ten\$ten\$ten\$ten\$ten\$ten\$ten\$ten\$ten";
	        location = /echo { return 200 "\$arg_nonce"; }
	        location = /large {
	            return 200 "\$hundred\$hundred\$hundred\$hundred\$hundred\$hundred\$hundred\$hundred\$hundred\$hundred";
	        }
	        location = /chunked { root files; sub_filter_types *; sub_filter_once off; sub_filter NONCE \$arg_nonce; }
	        location = /close { keepalive_timeout 0; return 200 "\$arg_nonce"; }
	        location = /few { keepalive_requests 5; return 200 "\$arg_nonce"; }
	        location = /brief { keepalive_timeout 10ms; return 200 "\$arg_nonce"; }
	        location = /missing { return 404 "\$arg_nonce"; }
	        location = /status { stub_status; }
	    }
	}
	END
    begin nginx -p "$directory" -e stderr -c "$directory/nginx.conf"
    wait_until 'the start of nginx' is_listening "$tls_port"
    echo "http://127.0.0.1:$port"
    echo "https://127.0.0.1:$tls_port"
}

start_haproxy() {
    local url=${1:?a URL} peer user=
    peer=$(port_of "$url")
    [[ $EUID -ne 0 ]] || user='group haproxy'$'\n''    user haproxy'
    cat >"$directory/haproxy.cfg" <<-END
	global
	    maxconn 1000
	    $user
	defaults
	    mode tcp
	    timeout connect 5s
	    timeout client 1h
	    timeout server 1h
	listen all
	    bind 127.0.0.1:$port
	    server peer 127.0.0.1:$peer
	END
    begin haproxy -db -f "$directory/haproxy.cfg"
    wait_until 'the start of HAProxy' is_listening "$port"
    echo "${url/:$peer/:$port}"
}

start_pgbouncer() {
    local url=${1:?a URL} peer
    shift
    peer=$(port_of "$url")
    printf '"%s" ""\n' test other >"$directory/users.txt"
    {
        printf '%s\n' '[databases]' "* = host=127.0.0.1 port=$peer" '[pgbouncer]' 'listen_addr = 127.0.0.1' "listen_port = $port" \
            'unix_socket_dir =' 'auth_type = trust' "auth_file = $directory/users.txt" 'admin_users = test' \
            'max_client_conn = 1000' 'default_pool_size = 50' 'server_reset_query = DISCARD ALL' 'pool_mode = session' \
            'log_connections = 0' 'log_disconnections = 0'
        [[ $# -eq 0 ]] || printf '%s\n' "$@" # a later setting counts
    } >"$directory/pgbouncer.ini"
    begin "${as_postgres[@]}" pgbouncer "$directory/pgbouncer.ini"
    wait_until 'the start of PgBouncer' is_listening "$port"
    echo "${url/:$peer/:$port}"
}

has_ended() { ! noted_process "$directory/pid" >/dev/null; }

stop() {
    local pid signal=${1:-$(cat "$directory/signal")} whom
    end_watch
    pid=$(noted_process "$directory/pid") || return 0
    whom=$pid
    [[ $signal != KILL ]] || whom=-$pid # it cannot end its workers then
    kill -s "$signal" -- "$whom" 2>/dev/null || kill -s "$signal" "$pid" 2>/dev/null || true
    wait_until 'the end of the server' has_ended
    rm -f "$directory/pid"
}

[[ $# -ge 2 ]] || die 'say what to do: install, start, stop, remove or with; the head of this file says how'
self=$(realpath "${BASH_SOURCE[0]}")
action=$1
shift
case $action in
install) install "$1" ;;
start)
    kind=$1 directory=${2:?a directory}
    shift 2
    check_kind "$kind"
    mkdir -p "$directory"
    directory=$(cd "$directory" && pwd)
    ! noted_process "$directory/pid" >/dev/null || die "a server runs in $directory already"
    port=$(keep_port "$directory/port")
    # What ends it at once: an INT, but PgBouncer would wait for its clients.
    if [[ $kind == pgbouncer ]]; then echo TERM; else echo INT; fi >"$directory/signal"
    trap 'stop KILL' EXIT # if it does not start
    begin_watch
    "start_$kind" "$@"
    trap - EXIT
    ;;
stop | remove)
    directory=$1
    shift
    [[ -d $directory ]] || die "no directory '$directory'"
    directory=$(cd "$directory" && pwd)
    stop "$@"
    [[ $action == stop ]] || rm -rf "$directory"
    ;;
with)
    kind=$1
    shift
    parent=$(mktemp -d /tmp/pool-server.XXXXXX)
    chmod 755 "$parent" # a server may run as another user
    trap '"$0" remove "$parent/server" || true; rm -rf "$parent"' EXIT
    url=$(POOL_SERVER_OWNER=$$ "$0" start "$kind" "$parent/server")
    status=0
    "$@" "${url%%$'\n'*}" || status=$?
    exit "$status"
    ;;
*) die "no action '$action': there are install, start, stop, remove and with" ;;
esac
