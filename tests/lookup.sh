#!/bin/sh
# Has examples/lookup look localhost up. A machine may be without a resolver, or so busy
# that half a second is not enough for it.  SPDX-License-Identifier: MIT
#
# lookup.sh PROGRAM
set -eu

status=0
output=$("$1" localhost 2>&1) || status=$?
echo "$output"
# What the address sanitizer says of the ucontext switch, each time, is no word of ours.
output=$(echo "$output" | grep -v "WARNING: ASan doesn't fully support makecontext") || true
case "$status $output" in
'0 localhost has an address') exit 0 ;;
"1 "*ETIMEDOUT*) echo 'skipped: the resolver took more than half a second' ;;
"1 "*ENOENT*)
    ! getent ahosts localhost >/dev/null 2>&1 || exit 1
    echo 'skipped: nothing here resolves localhost'
    ;;
*) exit 1 ;;
esac
exit 77
