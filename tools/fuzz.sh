#!/bin/bash
# Builds the schedule fuzzer and lets it run; the last line is "N passed, N failed".
# SPDX-License-Identifier: MIT
#
# fuzz.sh [SECONDS [CONFIGURATION [options of the fuzzer's...]]]. The configuration is
# fuzz, fuzz-asan or fuzz-tsan; tests/fuzz/fuzz.c says what the options are.
set -eu
cd "$(dirname "$0")/.."
# shellcheck source=tools/checking.sh
. tools/checking.sh

seconds=${1:-60} name=${2:-fuzz}
shift $(($# < 2 ? $# : 2))
log=build/$name.log

mkdir -p build
if ! tools/build.sh "$name" -Dtests=enabled -Duv=auto -Dglib=auto -Dbench=disabled \
    -Dexamples=false >"$log" 2>&1
then
    cat "$log"
    echo "0 passed, 1 failed"
    exit 1
fi

prefix=
[ "$name" != fuzz-tsan ] || prefix=$(tsan_prefix)

export UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=die_after_fork=0:halt_on_error=1:atexit_sleep_ms=0
# shellcheck disable=SC2086 # two words, or none
exec $prefix "build/$name/tests/fuzz/fuzz-schedule" \
    --seconds "$seconds" "$@"
