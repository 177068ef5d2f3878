# shellcheck shell=bash
# What the scripts share that build and test several configurations: sums, and what is
# shown of a run. Sourced.  SPDX-License-Identifier: MIT

passed=0 failed=0 skipped=0
lately=0

add() { # add NAME PASSED FAILED SKIPPED
    passed=$((passed + $2)) failed=$((failed + $3)) skipped=$((skipped + $4))
    echo "== $1: $2 passed, $3 failed, $4 skipped, in $((SECONDS - lately)) s"
    lately=$SECONDS
}

# What `meson test` wrote: the list of what went well says nothing, and the count of the
# tests that it knows of less than theirs.
show_and_add() { # show_and_add NAME LOG BUILD-DIRECTORY
    grep -vE '^(ninja: |Full log written| *[0-9]+/[0-9]+ .* (OK|SKIP) |$)' "$2" |
        grep -vE '^(Ok|Expected Fail|Fail|Unexpected Pass|Skipped|Timeout): +[0-9]+ *$'
    # shellcheck disable=SC2046 # three numbers
    add "$1" $(python3 tools/tally.py "$3"/meson-logs/testlog*.json)
}

# The last line; fails if a test failed, or none ran.
sum_up() {
    echo "In $SECONDS s; $skipped skipped."
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}

# With more randomness in addresses than this, the thread sanitizer of clang 14 does not
# start.
tsan_prefix() {
    local bits
    bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
    if [ "$bits" -gt 28 ] && setarch -R true 2>/dev/null; then echo setarch -R; fi
}
