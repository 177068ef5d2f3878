#!/bin/bash
# Builds and tests every configuration; the last line is "N passed, N failed".
# SPDX-License-Identifier: MIT
#
# check.sh [CONFIGURATION...]. FERRY_LONG=1 makes the tests longer, and adds valgrind.
# One of them, bench-guard, counts the instructions of release's hot paths, and fails for
# those that have grown; FERRY_UPDATE=1 takes what it counts for the new figures.
# Fails if a test failed, a configuration did not build, or no test ran.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/checking.sh
. tools/checking.sh || exit 1

configurations=("$@")
[ $# -gt 0 ] ||
    configurations=(debug release ucontext asan asan-ucontext tsan bench-guard)
long=${FERRY_LONG:-0}

# One switch and one parker meet GLib, and two configurations show ferry without it.
build() { # build NAME
    local log=build/$1.log glib=enabled
    case $1 in
    *ucontext) glib=disabled ;;
    esac
    mkdir -p build
    if tools/build.sh "$1" -Dtests=enabled -Duv=enabled "-Dglib=$glib" \
        -Dbench=disabled >"$log" 2>&1
    then
        return 0
    fi
    cat "$log"
    echo "== $1 does not build"
    add "$1" 0 1 0
    return 1
}

# Bodies of tests run in loops that ferry is attached to as well, where it is worth the
# time: under each sanitizer once, and in the long run plainly, too.
attached() { # attached NAME
    case $1 in
    debug) echo "$long" ;;
    asan | tsan) echo 1 ;;
    *) echo 0 ;;
    esac
}

# Whether threads wait awake for each other: each way is tried in two of the six; in the
# long run all three in each.
spins() { # spins NAME
    [ "$long" != 1 ] || set -- all
    case $1 in
    all) echo never adaptive always ;;
    release | tsan) echo always ;;
    *ucontext) echo never ;;
    *) echo adaptive ;;
    esac
}

# What need not be tried in each configuration, in the short run: programs and adapters
# that are not ferry's show nothing new of another switch or parker, nor of a release.
# Programs are tried under the thread sanitizer; what they leak is found in the long run.
# The sweep meets pipes in ucontext, and leaks under the address sanitizer.
left_out() { # left_out NAME
    [ "$long" != 1 ] || return
    echo --no-suite long
    case $1 in
    release | asan-ucontext)
        echo --no-suite programs --no-suite adapter --no-suite sweep
        ;;
    ucontext) echo --no-suite programs --no-suite adapter ;;
    debug) echo --no-suite programs --no-suite sweep ;;
    asan) echo --no-suite programs ;;
    tsan) echo --no-suite adapter --no-suite sweep ;;
    esac
}

run() { # run NAME TITLE PREFIX [options of `meson test`...]
    local name=$1 title=$2 prefix=$3
    shift 3
    rm -f build/"$name"/meson-logs/testlog*.json
    # shellcheck disable=SC2046,SC2086 # these are several words, or none
    $prefix meson test -C "build/$name" --no-rebuild --print-errorlogs \
        $(left_out "$name") "$@" \
        >"build/$name.log" 2>&1
    show_and_add "$title" "build/$name.log" "build/$name"
}

check() { # check NAME
    local prefix='' slower=1 how
    case $1 in
    asan*) slower=2 ;;
    tsan) slower=2 prefix=$(tsan_prefix) ;;
    esac
    [ "$long" != 1 ] || slower=$((slower * 10))
    build "$1" || return
    for how in $(spins "$1"); do
        FERRY_ATTACHED=$(attached "$1") FERRY_SPIN=$how run "$1" "$1, spin $how" \
            "$prefix" --timeout-multiplier "$slower"
    done
}

# Those in which much memory changes hands; valgrind runs one thread at a time, and
# slowly. What a killed process had in its threads' stacks is no leak of ours: only what
# is lost for certain.
valgrind='valgrind --quiet --error-exitcode=99 --leak-check=full --fair-sched=yes
    --show-leak-kinds=definite --errors-for-leak-kinds=definite'
valgrind_tests=(harness fiber task_group cancel_scope to_thread from_thread portal)

check_valgrind() {
    local some=() name
    for name in "${valgrind_tests[@]}"; do
        [ ! -e "tests/test_$name.c" ] || some+=("$name")
    done
    [ -e build/debug/build.ninja ] || return
    FERRY_LONG=0 CK_TIMEOUT_MULTIPLIER=10 run debug valgrind '' --timeout-multiplier 20 \
        --wrapper "$valgrind" "${some[@]}"
}

# By itself it shows all that it has counted.
check_guard() {
    local program=build/release/bench/guard/ferry-guard log=build/bench-guard.log
    local shown='^bench-guard: ' counts
    [ "${configurations[*]}" != bench-guard ] || shown=
    build release || return
    python3 tools/guard.py ${FERRY_UPDATE:+--update} "$program" >"$log" 2>&1
    counts=$(sed -n 's/^\(.*\) passed, \(.*\) failed, \(.*\) skipped$/\1 \2 \3/p' \
        "$log")
    [ -n "$counts" ] || shown= # it has not come to its end
    grep "$shown" "$log"
    # shellcheck disable=SC2086 # three numbers
    add bench-guard ${counts:-0 1 0}
}

for name in "${configurations[@]}"; do
    case $name in
    bench-guard) check_guard ;;
    *) check "$name" ;;
    esac
done
[ "$long" != 1 ] || check_valgrind

sum_up
