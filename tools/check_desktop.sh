#!/bin/bash
# Builds the example for GTK and uses it on a display that nobody sees, once as it is and
# once under the address sanitizer; the last line is "N passed, N failed".
# SPDX-License-Identifier: MIT
#
# Pictures of the window are left in build/desktop/pictures.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 skipped=0

add() { # add NAME PASSED FAILED SKIPPED
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    echo "== $1: $2 passed, $3 failed, $4 skipped"
}

build() { # build NAME
    local log=build/$1.log
    mkdir -p build
    if ! tools/build.sh "$1" -Dtests=disabled -Dglib=enabled -Ddesktop=enabled \
        -Dbench=disabled >"$log" 2>&1
    then
        cat "$log"
        echo "== $1 does not build"
        return 1
    fi
}

check() { # check NAME
    local log=build/$1.log counts
    mkdir -p "build/$1/pictures"
    tests/test_desktop.sh "build/$1/examples/desktop/ferry-hash-window" \
        "build/$1/pictures" 2>&1 | tee "$log" | grep -v '^ferry-test: '
    counts=$(sed -nE 's/^ferry-test: (.*) passed, (.*) failed, (.*) skipped$/\1 \2 \3/p' \
        "$log")
    # shellcheck disable=SC2086 # three numbers
    add "$1" ${counts:-0 1 0}
}

for name in desktop desktop-asan; do
    if build $name; then check $name; else add $name 0 1 0; fi
done

echo "In $SECONDS s; $skipped skipped."
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
