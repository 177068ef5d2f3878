#!/bin/sh
# Runs an example and compares all that it prints with what is expected.
# SPDX-License-Identifier: MIT
#
# example.sh PROGRAM EXPECTED [arguments of the program...]
set -eu

program=$1 expected=$2
shift 2
actual=$(mktemp)
trap 'rm -f "$actual"' EXIT INT TERM

status=0
"$program" "$@" >"$actual" || status=$?
diff -u --label expected --label actual "$expected" "$actual" || exit 1
exit "$status"
