#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# What scripts/server.sh promises about processes: server_script.sh <path of it>
set -euo pipefail
script=$1
parent=$(mktemp -d /tmp/pool-server-script.XXXXXX)
chmod 755 "$parent"
others=()
finish() {
    if [[ -d $parent/server ]]; then "$script" remove "$parent/server"; fi
    for other in "${others[@]}"; do kill "$other" 2>/dev/null || true; done
    rm -rf "$parent"
}
trap finish EXIT
fail() { echo "$1" >&2; exit 1; }
# Some process that goes on until it is killed. Its number is the last of `others`.
begin_other() {
    sleep 1000 &
    others+=($!)
    disown # so that the shell does not say how it has ended
}
# The test's own limit is CTest's.
await() { until "$@"; do sleep 0.05; done; }
is_gone() { [[ ! -e $1 ]]; }
is_refused() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

url=$("$script" start redis "$parent/server")
read -r server _ <"$parent/server/pid"
if "$script" start redis "$parent/server" 2>/dev/null; then fail 'a second server runs in the directory'; fi
"$script" stop "$parent/server"
if redis-cli -u "$url" ping >/dev/null 2>&1; then fail 'a server that was stopped answers'; fi
[[ $("$script" start redis "$parent/server") == "$url" ]] || fail 'it is not where it was'
read -r again _ <"$parent/server/pid"
[[ $again != "$server" && $(redis-cli -u "$url" ping) == PONG ]] || fail 'it was not started again'

# The number of a process that has ended may belong to another one.
cp "$parent/server/pid" "$parent/pid"
begin_other
echo "${others[-1]} 1" >"$parent/server/pid"
"$script" stop "$parent/server"
kill -0 "${others[-1]}" || fail 'a process that is no server was ended'
cp "$parent/pid" "$parent/server/pid"
"$script" remove "$parent/server"
if redis-cli -u "$url" ping >/dev/null 2>&1; then fail 'a server that was removed answers'; fi

# Whoever has started it is killed.
begin_other
url=$(POOL_SERVER_OWNER=${others[-1]} "$script" start redis "$parent/server")
"$script" stop "$parent/server"
POOL_SERVER_OWNER=${others[-1]} "$script" start redis "$parent/server" >/dev/null
[[ $(redis-cli -u "$url" ping) == PONG ]] || fail 'it does not answer'
kill -KILL "${others[-1]}"
await is_gone "$parent/server"
if redis-cli -u "$url" ping >/dev/null 2>&1; then fail 'the server of a process that was killed answers'; fi

# A server that is killed cannot end its workers, which would go on listening.
if [[ -n $(PATH=$PATH:/usr/sbin type -P nginx) ]]; then
    url=$("$script" start nginx "$parent/server")
    port=$(<"$parent/server/port")
    if is_refused "$port"; then fail 'nginx does not listen'; fi
    "$script" stop "$parent/server" KILL
    await is_refused "$port" # the workers end when the system gets to them
    "$script" remove "$parent/server"
fi
echo 'as promised'
