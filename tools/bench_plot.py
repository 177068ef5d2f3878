#!/usr/bin/env python3
"""Turns what ferry-bench wrote with --json into a script for gnuplot.

SPDX-License-Identifier: MIT

bench_plot.py BENCH.json IMAGE.svg | gnuplot

A bar for ferry, a mark for each peer and one for the goal, row by row, on a logarithmic
scale of nanoseconds.
"""
import json
import sys

# What is drawn, in order: title, the peers that it may be, gnuplot's point and colour.
PEERS = [
    ('libuv', ('libuv', 'libuv, by hand'), 7, '#d95f02'),
    ('GLib', ('GTask', 'GThreadPool', 'g_main_context_invoke'), 9, '#7570b3'),
    ('asio', ('asio',), 5, '#1b9e77'),
    ('boost.fiber', ('boost.fiber',), 13, '#666666'),
]
QUOTED = ('the best of others (quoted)', 6, '#a6761d')
FERRY, GOAL = '#a6cee3', '#000000'
ROWS = {str(row) for row in range(1, 17)}


def drawn(goal):
    return goal['row'] in ROWS and goal['metric'] in ('wall', 'cpu') and goal['ferry']


def figure(results, goal, names):
    """The best of these peers' medians; None if none was measured."""
    found = [result[goal['metric']]['median'] for result in results
             if result['contest'] == goal['contest'] and result['cpus'] == goal['cpus']
             and result['peer'] in names]
    return min((value for value in found if value), default=None)


def quoted(bench, goal):
    figures = [quote['unscaled'] * bench['scale'] for quote in goal['quoted']]
    return min(figures, default=None)


def quote(text):
    return "'" + text.replace("'", "''") + "'"


def block(name, lines):
    return [f'${name} << EOD', *lines, 'EOD']


def points(name, values):
    """Marks from the top down, and what gnuplot needs not to stumble over none."""
    lines = [f'{value:.6g} {-place}' for place, value in enumerate(values) if value]
    return block(name, lines or ['NaN NaN'])


def head(bench, goals, image):
    labels = ', '.join(f'"{goal["row"]}  {goal["what"]}" {-place}'
                       for place, goal in enumerate(goals))
    return [
        f'set terminal svg size 1000,{130 + 24 * len(goals)} font "sans-serif,12" '
        'noenhanced background "#ffffff"',
        f'set output {quote(image)}',
        'set title "What a crossing costs: the shorter the better"',
        'set logscale x',
        'set xrange [3:500000]',
        f'set yrange [{-len(goals) + 0.4}:0.6]',
        'set xtics ("10 ns" 10, "100 ns" 100, "1 us" 1000, "10 us" 10000, '
        '"100 us" 100000)',
        f'set ytics ({labels}) scale 0',
        'set grid xtics linecolor "#cccccc"',
        'set border 1',
        'set tics nomirror',
        'set key below',
        f'set xlabel {quote(bench["machine"]["processor"])}',
    ]


def script(bench, image):
    goals = [goal for goal in bench['goals'] if drawn(goal)]
    lines = head(bench, goals, image)
    lines += points('ferry', [goal['ferry'] for goal in goals])
    lines += points('goal', [goal['at_most'] for goal in goals])
    plots = [f'$ferry using 1:2:(1):1:($2-0.3):($2+0.3) with boxxyerror title "ferry" '
             f'fillstyle solid noborder linecolor "{FERRY}"']
    for place, (title, names, point, colour) in enumerate(PEERS):
        values = [figure(bench['results'], goal, names) for goal in goals]
        lines += points(f'peer{place}', values)
        plots.append(f'$peer{place} using 1:2 with points pointtype {point} '
                     f'pointsize 0.9 linecolor "{colour}" title "{title}"')
    lines += points('quoted', [quoted(bench, goal) for goal in goals])
    title, point, colour = QUOTED
    plots.append(f'$quoted using 1:2 with points pointtype {point} pointsize 0.9 '
                 f'linecolor "{colour}" title "{title}"')
    plots.append(f'$goal using 1:($2-0.4):(0):(0.8) with vectors nohead linewidth 2 '
                 f'linecolor "{GOAL}" title "the goal"')
    return lines + ['plot ' + ', \\\n    '.join(plots)]


def main():
    with open(sys.argv[1], encoding='utf-8') as file:
        bench = json.load(file)
    print('\n'.join(script(bench, sys.argv[2])))


if __name__ == '__main__':
    main()
