# SPDX-License-Identifier: BSL-1.0
# gnuplot -e "data='directory'; plot_file='growth.svg'" growth.gp
set terminal svg size 1000,620 font 'sans-serif,13' background 'white'
set output plot_file
set logscale xy
set format x '10^{%T}'
set xlabel 'entries'
set ylabel 'ns per operation'
set yrange [20:10000]
set grid
set key top left
set multiplot layout 2,3
do for [w in 'W1 W2 W3 W4 W5'] {
    set title w
    file = sprintf('%s/%s.tsv', data, w)
    plot file using 1:2 with linespoints pointtype 7 linewidth 2 title 'pool', \
         file using 1:3 with linespoints pointtype 6 title 'H', \
         file using 1:4 with linespoints pointtype 4 title 'N', \
         file using 1:5 with lines dashtype 2 title 'L'
}
unset multiplot
