#!/bin/bash
# Builds ferry for other architectures and runs its tests under qemu-user, on the mock
# alone and without the Check library; the last line is "N passed, N failed".
# SPDX-License-Identifier: MIT
#
# check_cross.sh [ARCHITECTURE...]. What cannot work under qemu is left out, with its
# reason: cross/qemu.txt.
#
# aarch64, armv7 and riscv64 are Debian's: armv7-arm is armv7 once more, in ARM code where
# the compiler's own choice is Thumb, and with a time_t of 64 bits. musl is this machine's
# architecture with another C library, which has no ucontext: it needs no qemu, and has to
# be asked for, since some of its tests still fail.
set -u
cd "$(dirname "$0")/.." || exit 1
# shellcheck source=tools/checking.sh
. tools/checking.sh || exit 1
architectures=("$@")
[ $# -gt 0 ] || architectures=(aarch64 armv7 armv7-arm riscv64)

# Debian's musl-gcc finds no headers of Linux.
linux_headers() { # linux_headers DIRECTORY
    mkdir -p "$1"
    ln -sfn /usr/include/linux /usr/include/asm-generic \
        "/usr/include/$(gcc -print-multiarch)/asm" "$1"
}

setup() { # setup NAME DIRECTORY
    local arguments=(--cross-file "cross/$1.ini") compiler=gcc
    [ ! -e "$2/build.ninja" ] || return 0
    case $1 in
    armv7-arm)
        arguments=(--cross-file cross/armv7.ini
            '-Dc_args=-marm -D_TIME_BITS=64 -D_FILE_OFFSET_BITS=64')
        ;;
    musl)
        compiler=musl-gcc
        linux_headers build/musl-headers
        arguments=("-Dc_args=-isystem $PWD/build/musl-headers")
        ;;
    esac
    rm -rf "$2"
    CC=$compiler meson setup "$2" "${arguments[@]}" --werror -Dbuildtype=debug \
        -Doptimization=1 -Dtests=enabled -Dcheck=standin -Duv=disabled \
        -Dglib=disabled -Dexamples=false
}

# The second form of armv7 has what lies inside of ferry tried: there it differs.
tests_of() { # tests_of NAME
    [ "$1" != armv7-arm ] || echo demand fiber inbox lane mock passing spin timers
}

check() { # check NAME
    local name=$1 directory=build/cross-$1 log=build/cross-$1.log
    mkdir -p build
    if ! { setup "$name" "$directory" && ninja -C "$directory"; } >"$log" 2>&1; then
        cat "$log"
        echo "== $name does not build"
        add "$name" 0 1 0
        return
    fi
    [ "$name" = musl ] || export FERRY_TEST_UNFIT=$PWD/cross/qemu.txt
    rm -f "$directory"/meson-logs/testlog*.json
    # shellcheck disable=SC2046 # these are several words, or none
    FERRY_SPIN=never CK_TIMEOUT_MULTIPLIER=4 meson test -C "$directory" --no-rebuild \
        --print-errorlogs --suite check --timeout-multiplier 4 $(tests_of "$name") \
        >"$log" 2>&1
    show_and_add "$name" "$log" "$directory"
}

# One after the other, each with its own idea of what is unfit.
for name in "${architectures[@]}"; do
    unset FERRY_TEST_UNFIT
    check "$name"
done

sum_up
