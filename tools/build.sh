#!/bin/sh
# Configures and builds one of the project's configurations, in build/<name>.
# SPDX-License-Identifier: MIT
#
# build.sh debug|release|ucontext|asan|asan-ucontext|tsan|coverage|desktop|desktop-asan|
#     fuzz|fuzz-asan|fuzz-tsan [meson options...]
set -eu
cd "$(dirname "$0")/.."

name=${1:?usage: build.sh CONFIGURATION [meson options...]}
shift
directory=build/$name

# -O1 and assertions: a debugger still follows, and sanitized tests end in time.
checked='-Dbuildtype=debug -Doptimization=1'
compiler=gcc
targets=
case $name in
debug | fuzz) options="$checked" ;;
release) options='-Dbuildtype=release -Doptimization=2' ;;
ucontext) options="$checked -Dswitch=ucontext -Dportable=true" ;;
desktop) options='-Dbuildtype=release -Doptimization=2' ;;
asan | desktop-asan | fuzz-asan)
    options="$checked -Db_sanitize=address,undefined -Db_lundef=false"
    ;;
asan-ucontext)
    options="$checked -Db_sanitize=address,undefined -Db_lundef=false -Dswitch=ucontext -Dportable=true"
    ;;
# Counters that threads share: without that they lose counts.
coverage)
    options="$checked -Doptimization=0 -Db_coverage=true"
    options="$options -Dc_args=-fprofile-update=atomic"
    ;;
tsan | fuzz-tsan)
    compiler=clang
    options="$checked -Db_sanitize=thread -Db_lundef=false"
    ;;
*)
    echo "build.sh: no configuration is called $name" >&2
    exit 2
    ;;
esac
case $name in
fuzz*)
    options="$options -Dfuzz_schedule=true"
    targets=tests/fuzz/fuzz-schedule
    ;;
esac
# Later options win.
options="--werror --prefix=/usr/local $options -Dexamples=true $*"

# Configuring takes longer than building nothing: only when the options are others than
# last time.
stamp=$directory/.options
before=$(cat "$stamp" 2>/dev/null || true)
if [ ! -e "$directory/build.ninja" ] || [ "$before" != "$options" ]; then
    again=--reconfigure
    if [ ! -e "$directory/build.ninja" ]; then
        rm -rf "$directory"
        again=
    fi
    # shellcheck disable=SC2086 # words are meant to be split
    CC=$compiler meson setup $again "$directory" $options
    echo "$options" >"$stamp"
fi
# shellcheck disable=SC2086 # none, or one
exec ninja -C "$directory" $targets
