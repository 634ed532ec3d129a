# SPDX-License-Identifier: BSL-1.0
# gnuplot -c pool_over_time.gp DIRECTORY FILE.svg TITLE SECONDS
# DIRECTORY has slices.tsv and marks.tsv, which plot.cpp writes. The picture has three panels over one time axis.
slices = ARG1.'/slices.tsv'
marks = ARG1.'/marks.tsv'

set terminal svg size 1000,760 font 'sans-serif,13' background 'white' noenhanced
set output ARG2
set datafile separator "\t"
array when[16]
array what[16]
stats marks using (when[int($0) + 1] = $1, what[int($0) + 1] = strcol(2), $1) nooutput
marked = STATS_records

set multiplot title ARG3
set ylabel offset 0.5
set lmargin at screen 0.09
set rmargin at screen 0.86
set key at graph 1.015,1 left top Left reverse samplen 1.5
set xrange [0:ARG4 + 0]
set grid
set style data lines
do for [i = 1:marked] {
    set arrow i from first when[i], graph 0 to first when[i], graph 1 nohead linewidth 1.5 dashtype 2 linecolor 'black'
}

set tmargin at screen 0.90
set bmargin at screen 0.60
set format x ''
set ylabel 'connections, callers'
set yrange [0:*]
do for [i = 1:marked] { set label i what[i] at first when[i], graph 1.05 center }
plot slices using 1:2 linewidth 2 linecolor '#555555' title 'open', \
     slices using 1:3 linewidth 2 linecolor '#0072b2' title 'lent', \
     slices using 1:4 linewidth 2 linecolor '#009e73' title 'idle', \
     slices using 1:5 linewidth 2 linecolor '#d55e00' title 'waiting'
unset label

set tmargin at screen 0.57
set bmargin at screen 0.37
set ylabel 'connections per second'
plot slices using 1:6 linewidth 2 linecolor '#0072b2' title 'dialled', \
     slices using 1:7 linewidth 2 linecolor '#d55e00' title 'retired'

set tmargin at screen 0.34
set bmargin at screen 0.08
set format x '%g'
set xlabel 'seconds'
set ylabel 'wait for a connection, ms'
set logscale y
set yrange [*:*]
plot slices using 1:9 linewidth 2 linecolor '#d55e00' title 'p99', \
     slices using 1:8 linewidth 2 linecolor '#0072b2' title 'p50'
unset multiplot
