#!/usr/bin/env bash
# SPDX-License-Identifier: BSL-1.0
#
# Installs missing packages, builds the benchmarks, runs them, and prints the tables of docs/benchmarks.md. It leaves
# two files in build/bench/results: results.md, and the plot growth.svg.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

[[ $# -eq 0 ]] || die "takes no arguments, but got: $*"
require "${build_tools[@]}" "${bench_tools[@]}" -- "${build_packages[@]}" "${bench_packages[@]}"
cd "$root"
if has_boost_package; then unpack_boost >&2; fi

say 'building'
cmake --preset bench >/dev/null
cmake --build --preset bench --parallel "$jobs" >&2

programs=$root/build/bench/bench
results=$root/build/bench/results
rm -rf "$results"
mkdir -p "$results"/{instructions,steps,costs}
cd "$results"

say 'counting instructions and allocations'
count=(valgrind -q --tool=callgrind --instr-atstart=no)
"${count[@]}" --callgrind-out-file=instructions/dump "$programs/instructions" >allocations.tsv
"${count[@]}" --callgrind-out-file=steps/dump "$programs/queue_steps" --count
"${count[@]}" --callgrind-out-file=costs/dump "$programs/costs" --keys 1 >/dev/null
"$programs/costs" >costs.tsv

say 'measuring times: for about five minutes the machine should do nothing else'
"$programs/throughput" --benchmark_enable_random_interleaving=true --benchmark_report_aggregates_only=true \
    --benchmark_format=json >times.json

"$programs/report" --times times.json --instructions instructions --allocations allocations.tsv --growth growth |
    tee results.md
for each in memory pauses wait_queue queue_steps flooding; do "$programs/$each" | tee -a results.md; done
"$programs/report" --steps steps | tee -a results.md
"$programs/report" --parts costs.tsv --parts-instructions costs | tee -a results.md
"$programs/compile" | tee -a results.md
gnuplot -e "data='growth'; plot_file='growth.svg'" "$root/bench/growth.gp"
say "the plot: $results/growth.svg"
