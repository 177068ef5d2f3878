#!/bin/bash
# Third act of the demo: ferry-sum over a real tree, beside sha256sum.
# SPDX-License-Identifier: MIT
#
# demo_sum.sh FERRY-SUM [PATH...]. Without paths: /usr/include, and of /usr/lib as much
# as takes a few seconds. Fails if the two do not say the same, byte for byte.
set -eu -o pipefail
export LC_ALL=C

sum=$1
shift
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

say() { # say WHAT FORMAT [VALUE...]
    local what=$1 format=$2
    shift 2
    # shellcheck disable=SC2059 # the format is one
    printf "   %-26s$format\n" "$what" "$@"
}

# Hundredths of seconds on a monotonic clock.
now() {
    local uptime
    read -r uptime _ </proc/uptime
    echo $((10#${uptime/./}))
}

# What lies at most two levels below a directory, in order, up to so many bytes; a file
# counts for 16 KiB more than it has, for the time that opening it takes. What we may not
# read is left out.
part_of() { # part_of DIRECTORY BYTES
    { find "$1" -type f -readable -printf '%s\t%P\n' -o \
        \( -type f -o -type d \) ! -readable -printf 'unreadable\t%P\n' || true; } \
        2>/dev/null |
        awk -F'\t' '{ split($2, name, "/") }
            { key = name[2] == "" ? name[1] : name[1] "/" name[2] }
            $1 == "unreadable" { bad[key] = bad[name[1]] = 1 }
            { size[key] += $1 + 16384 }
            END { for (key in size) if (!(key in bad)) print size[key] "\t" key }' |
        sort -t "$(printf '\t')" -k 2 |
        awk -F'\t' -v "left=$2" -v "root=$1" \
            '$1 <= left { left -= $1; print root "/" $2 }'
}

paths=("$@")
what="$*"
if [ $# = 0 ]; then
    what='/usr/include and a part of /usr/lib'
    part_of /usr/lib 300000000 >"$work/paths"
    mapfile -t paths <"$work/paths"
    [ ! -d /usr/include ] || paths+=(/usr/include)
fi
[ ${#paths[@]} -gt 0 ] || { echo 'demo_sum.sh: there are no files here' >&2; exit 1; }
find "${paths[@]}" -type f -print0 | sort -z >"$work/list"
files=$(tr -dc '\0' <"$work/list" | wc -c)
bytes=$(xargs -0 cat <"$work/list" | wc -c) # and now they are in the page cache
echo "3. ferry-sum over $what"
say 'to read' '%d files, %d bytes, all of them in the page cache' "$files" "$bytes"

same() { # same FILE
    cmp -s "$work/expected" "$1" && return
    say FAILED 'not so: the output is the same'
    diff "$work/expected" "$1" | head -n 5
    exit 1
}

start=$(now)
rounds=0
while [ $rounds -lt 3 ] && [ $(($(now) - start)) -lt 700 ]; do
    # Once to look at: the progress bar is drawn if standard error is a terminal.
    if [ $rounds = 0 ] && [ -t 2 ]; then "$sum" "${paths[@]}" >/dev/null; fi
    before=$(now)
    xargs -0 sha256sum <"$work/list" >"$work/expected"
    between=$(now)
    "$sum" --stats "${paths[@]}" >"$work/actual" 2>"$work/stats" || {
        cat "$work/stats"
        exit 1
    }
    after=$(now)
    same "$work/actual"
    echo $((between - before)) >>"$work/sha256sum"
    echo $((after - between)) >>"$work/ferry-sum"
    sed -n 's/.*loop still for \([0-9.]*\) ms.*/\1/p' "$work/stats" >>"$work/pauses"
    rounds=$((rounds + 1))
done

speed() { # speed NAME HOW
    sort -n "$work/$1" | sed -n "$(((rounds + 1) / 2))p" |
        awk -v "bytes=$bytes" -v "name=$1" -v "how=$2" '{
            seconds = ($1 > 0 ? $1 : 1) / 100
            rate = bytes / seconds / 1e6
            printf "   %-26s%.2f s: %.0f MB/s%s\n", name, seconds, rate, how
        }'
}

jobs=$(sed -n 's/.*: \([0-9]*\) jobs at a time.*/\1/p' "$work/stats")
[ "$rounds" = 1 ] || say 'each run, in turn' '%d times; the medians:' "$rounds"
speed ferry-sum ", $jobs files at a time, libcrypto's SHA-256"
speed sha256sum ', one file at a time, its own SHA-256'
say 'output' 'the same, byte for byte'
say 'longest pause of the loop' '%s ms' "$(sort -n "$work/pauses" | tail -n 1)"
