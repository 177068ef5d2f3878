#!/bin/sh
# Which public functions no scenario of the sweep calls.  SPDX-License-Identifier: MIT
#
# functions.sh SWEEP LIBRARY...
set -eu
export LC_ALL=C

sweep=${1:?usage: functions.sh SWEEP LIBRARY...}
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for library; do nm -D --defined-only "$library"; done |
    awk '$2 == "T" && $3 ~ /^ferry_[a-z]/ {print $3}' | sort >"$work/public"
nm -D --undefined-only "$sweep" | awk '{sub(/@.*/, "", $2); print $2}' |
    sort >"$work/called"
comm -23 "$work/public" "$work/called" >"$work/missed"
sed 's/^/no scenario calls /' "$work/missed"
[ -s "$work/public" ] && [ ! -s "$work/missed" ]
