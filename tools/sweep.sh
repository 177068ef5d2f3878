#!/bin/sh
# Builds debug and sweeps it: see tests/sweep/sweep.h.  The last line is "N passed,
# N failed". SPDX-License-Identifier: MIT
#
# sweep.sh [options of the program: --only SUBSTRING, --replay ...]
set -u
cd "$(dirname "$0")/.." || exit 1

log=build/sweep.log
mkdir -p build
if ! tools/build.sh debug -Dtests=enabled -Duv=enabled -Dglib=enabled \
    -Dbench=disabled >"$log" 2>&1
then
    cat "$log"
    echo "0 passed, 1 failed"
    exit 1
fi
build/debug/tests/sweep "$@" >"$log" 2>&1
status=$?
counts=$(sed -n 's/^ferry-test: \(.* failed\), .*/\1/p' "$log")
grep -v '^ferry-test: ' "$log"
case " $* " in
*' --replay '*) ;;
*) echo "${counts:-0 passed, 1 failed}" ;;
esac
exit $status
