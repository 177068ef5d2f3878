#!/bin/sh
# Shows what ferry does: builds the demo and runs it.  SPDX-License-Identifier: MIT
#
# demo.sh [PATH...]    of the files below these, instead of the usual ones, the third act
#                      makes checksums
#
# Fails if any of the three acts does.
set -eu
root=$(dirname "$0")/..
build=$root/build

mkdir -p "$build"
"$root"/tools/build.sh release >"$build/demo.log" 2>&1 || {
    cat "$build/demo.log"
    exit 1
}
examples=$build/release/examples
for program in demo/ferry-demo sum/ferry-sum; do
    if [ ! -x "$examples/$program" ]; then
        echo "demo.sh: there is no $examples/$program" >&2
        exit 1
    fi
done

status=0
timeout 120 "$examples/demo/ferry-demo" || status=1
echo
"$root"/tools/demo_sum.sh "$examples/sum/ferry-sum" "$@" || status=1
echo
if [ "$status" = 0 ]; then echo 'All as it should be.'; else echo 'FAILED'; fi
exit "$status"
