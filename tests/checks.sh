# What tests in bash are made of.  SPDX-License-Identifier: MIT
#
# Sourced by them. A test counts what passed and failed, goes on after a failure, and ends
# with `finish`, whose line is for tools/tally.py. `pid` is the program that it tries.
# shellcheck shell=bash
passed=0 failed=0 skipped=0 pid=

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAILED: $1"; }
skip() { skipped=$((skipped + 1)); echo "skipped: $1"; }
expect() { if [ "$2" = "$3" ]; then pass; else fail "$1: got '$2', expected '$3'"; fi; }
holds() { # holds NAME COMMAND...
    local name=$1
    shift
    if "$@"; then pass; else fail "$name: $*"; fi
}

finish() {
    echo "ferry-test: $passed passed, $failed failed, $skipped skipped"
    [ "$failed" = 0 ]
    exit
}

# until_true SECONDS COMMAND...: waits for a condition.
until_true() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$deadline" ] || return 1
        sleep 0.01
    done
}

has_ended() { ! [ -d "/proc/$pid" ] || grep -qs '^State:.Z' "/proc/$pid/status"; }

# ended NAME STATUS: the program ends, by itself, with that status, and has written
# nothing into the file err.
ended() {
    local status
    if ! until_true 60 has_ended; then
        fail "$1: it hangs"
        kill -KILL "$pid"
    fi
    wait "$pid"
    status=$?
    pid=
    expect "$1: status" $status "$2"
    # What the address sanitizer says of the ucontext switch is no word of ours.
    expect "$1: no messages" "$(grep -v "ASan doesn't fully support make" err)" ""
}
