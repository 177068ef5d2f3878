#!/bin/sh
# Builds the measurements and runs them.  SPDX-License-Identifier: MIT
#
# bench.sh [options of ferry-bench...]. Leaves the figures in build/bench.json, and draws
# them to build/crossing.svg.
# bench.sh plot: puts the drawing into docs/ too; it measures only if nobody has yet.
set -eu
cd "$(dirname "$0")/.."

json=build/bench.json
drawing=build/crossing.svg

build() {
    mkdir -p build
    tools/build.sh release -Dbench=enabled >build/bench.log 2>&1 || {
        cat build/bench.log
        exit 1
    }
}

draw() {
    command -v gnuplot >/dev/null && [ -s $json ] || return 0
    tools/bench_plot.py $json $drawing | gnuplot
    echo "The figures are in $json, and drawn in $drawing."
}

run() { # run [OPTION...]
    status=0
    rm -f $json $drawing
    build
    build/release/bench/ferry-bench --json $json "$@" || status=$?
    draw
    return $status
}

if [ "${1:-}" = plot ]; then
    [ -s $json ] || run
    draw
    cp $drawing docs/crossing.svg
    echo 'A copy is in docs/crossing.svg.'
else
    run "$@"
fi
