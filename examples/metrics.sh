#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# The test of the example `metrics`: metrics.sh PROGRAM PROMTOOL
# Starts it, scrapes it twice, and ends it. The second scrape is one that has seen more calls; the counters may only have grown
# then. In each scrape, what came back is idle, was lent again, or has left for a reason. PROMTOOL may be empty.
set -euo pipefail

program=$1
promtool=$2
directory=$(mktemp -d)
coproc example { exec "$program" --seconds 60; }  # should this script be killed, it ends by itself
# shellcheck disable=SC2154  # coproc sets it
pid=$example_PID
trap 'kill "$pid" 2>/dev/null || true; rm -rf "$directory"' EXIT
exec {output}<&"${example[0]}"

fail() { printf '%s\n' "$*" >&2; exit 1; }

read -r -u "$output" url
[[ $url =~ ^http://127.0.0.1:([0-9]+)/metrics$ ]] || fail "it serves nothing: $url"
port=${BASH_REMATCH[1]}

# scrape <file>
scrape() {
    local connection line
    exec {connection}<>"/dev/tcp/127.0.0.1/$port"
    printf 'GET /metrics HTTP/1.0\r\n\r\n' >&"$connection"
    read -r -u "$connection" line
    [[ $line == *' 200 '* ]] || fail "the answer is: $line"
    while read -r -u "$connection" line && [[ $line != $'\r' ]]; do :; done
    cat <&"$connection" >"$1"
    exec {connection}>&-
}

# value <file> <name>: the sum of all series of that name
value() { awk -v name="$2" 'substr($0, 1, length(name)) == name && substr($0, length(name) + 1, 1) == "{" { sum += $NF; ++n }
    END { if (!n) exit 1; printf "%d\n", sum }' "$1" || fail "there is no $2"; }

check() {
    local file=$1 idle puts hits checking retired discarded reset errors
    idle=$(grep '^db_client_connection_count{.*="idle"' "$file" | awk '{ print $NF }')
    puts=$(value "$file" pool_puts_total)
    hits=$(value "$file" pool_hits_total)
    checking=$(value "$file" pool_checking)
    retired=$(value "$file" pool_retired_total)
    discarded=$(grep '^pool_retired_total{.*"discarded"' "$file" | awk '{ print $NF }')
    reset=$(grep '^pool_retired_total{.*"failed_reset"' "$file" | awk '{ print $NF }')
    [[ $puts -eq $((idle + hits + checking + retired - discarded - reset)) ]] ||
        fail "it does not add up: $puts puts, $idle idle, $hits hits, $checking checked, $retired retired, $discarded discarded"
    errors=$(value "$file" pool_collect_errors_total)
    [[ $errors -eq 0 ]] || fail 'a collection has failed'
}

# An assignment ends the script if there is no such metric. A scrape fails when the program has ended.
hits=0
until [[ $hits -gt 0 ]] && grep -q '^pool_key_connections{.*key="db-' "$directory/first"; do
    scrape "$directory/first"
    hits=$(value "$directory/first" pool_hits_total)
done
check "$directory/first"
before=$hits
until [[ $hits -gt $before ]]; do
    scrape "$directory/second"
    hits=$(value "$directory/second" pool_hits_total)
done
check "$directory/second"

# Each counter of the first scrape is in the second, and has not become less.
awk '/^#/ { next } { series = $0; sub(/ [^ ]*$/, "", series) }
    series !~ /_total/ { next }
    NR == FNR { before[series] = $NF; ++count; next }
    series in before { if ($NF + 0 < before[series] + 0) { print series " has become less"; bad = 1 } --count }
    END { if (count != 0) print count " counters are gone"; exit bad || count != 0 || NR == 0 }
' "$directory/first" "$directory/second" || fail 'counters'

# The exposer has metrics of its own, and the first name of ours is one that Prometheus keeps for histograms.
if [[ -n $promtool ]]; then
    said=$("$promtool" check metrics <"$directory/second" 2>&1 || true)
    said=$(grep -v -e '^exposer_' -e '^db_client_connection_count non-histogram' <<<"$said" || true)
    [[ -z $said ]] || fail "promtool says: $said"
fi

kill -INT "$pid"
read -r -u "$output" last
wait "$pid" || fail "it ended with $?"
[[ $last =~ ^[0-9]+\ requests,\ [0-9]+\ look-ups,\ 0\ lent$ ]] || fail "its last line is: $last"
echo "scraped twice; $last"
