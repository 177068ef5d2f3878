#!/bin/bash
# How much of src/ the tests come through: lines and branches, file by file.
# SPDX-License-Identifier: MIT
#
# Fails where a test does, or below 95 % of the lines or 85 % of the branches. What is run
# only in a process that ends by abort or a signal is not counted: the reports of a wrong
# use (fatal.c, block.c) and of a stack overflow (overflow.c). The pages that show line by
# line are left in build/coverage/pages.
set -u
cd "$(dirname "$0")/.." || exit 1
build=build/coverage

if ! tools/build.sh coverage -Dtests=enabled -Duv=enabled -Dglib=enabled \
    -Dbench=disabled >build/coverage.log 2>&1
then
    cat build/coverage.log
    exit 1
fi
find "$build" -name '*.gcda' -delete
FERRY_ATTACHED=1 meson test -C "$build" --no-rebuild --print-errorlogs \
    --timeout-multiplier 4 --no-suite long --no-suite whole >build/coverage.log 2>&1
failed=$?
[ $failed -eq 0 ] || grep -vE '^ *[0-9]+/[0-9]+ .* (OK|SKIP) ' build/coverage.log
mkdir -p "$build/pages"
gcovr --root . --filter 'src/' --exclude-unreachable-branches \
    --html-details "$build/pages/index.html" --txt - --print-summary \
    --fail-under-line 95 --fail-under-branch 85 "$build"
covered=$?
[ $failed -eq 0 ] && [ $covered -eq 0 ]
