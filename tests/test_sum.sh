#!/bin/bash
# Compares ferry-sum with sha256sum and asks it to end early.  SPDX-License-Identifier: MIT
#
#     test_sum.sh PATH-OF-FERRY-SUM
#
# Prints a line for each failure, and how many there were of what at the end.

export LC_ALL=C
sum=$(realpath "$1") || exit 2
# shellcheck source=tests/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh" || exit 2
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 2

same() { if cmp -s "$2" "$3"; then pass; else fail "$1"; diff -a "$2" "$3" | head -5; fi; }

# The same list as the program's, from the usual tools.
reference() { find "$@" -type f -print0 | sort -z | xargs -0 "${tool:-sha256sum}"; }

# ---- a tree with everything that might be awkward ----

make_tree() {
    local name
    mkdir -p tree/a tree/empty tree/small tree/nl$'\n'dir tree/zz
    for name in 'two words' $'new\nline' 'back\slash' $'carriage\rreturn' -dash '*' \
        $'gr\xc3\xbc\xc3\x9fe' $'\xff\xfe' $'tab\tstop' a-b a.b 'quote"' '~' '#hash' \
        $'all\n\r\\' 'trailing ' '\n'; do
        printf '%s' "$name" > "tree/$name"
        printf '%s' "$name" > "tree/a/$name"
    done
    echo inside > tree/nl$'\n'dir/x
    touch tree/nothing tree/zz/nothing
    local deep=tree/deep
    for name in $(seq 100); do deep=$deep/d$name; done
    mkdir -p "$deep"
    echo deep > "$deep/bottom"
    local long=tree/long part
    part=$(printf %0250d 0)
    for name in $(seq 15); do long=$long/$part; done
    mkdir -p "$long"
    echo long > "$long/$(printf %0250d 1)" # with its digest, more than PIPE_BUF
    for name in $(seq -w 1000); do echo "$name" > "tree/small/file-$name"; done
    head -c 5000000 /dev/urandom > tree/large
    head -c 131072 /dev/urandom > tree/one-chunk
    head -c 131073 /dev/urandom > tree/one-chunk-and-a-byte
    ln -s large tree/link
    ln -s nowhere tree/dangling
    ln -s a tree/link-to-directory
    mkfifo tree/fifo
}
make_tree

# ---- summing ----

reference tree > expected
for jobs in 1 2 7; do
    "$sum" -j $jobs tree > got 2> errors
    expect "status, $jobs jobs" $? 0
    same "the whole tree, $jobs jobs" got expected
    expect "no messages, $jobs jobs" "$(cat errors)" ""
done

"$sum" tree/ > got && reference tree/ > expected2
same "a directory with its slash" got expected2

(cd tree && "$sum" . > ../got && reference . > ../expected2)
same "the current directory" got expected2

"$sum" tree/zz tree/a tree/a-b tree/a.b tree/large > got
reference tree/zz tree/a tree/a-b tree/a.b tree/large > expected2
same "arguments are sorted, directories as with a slash" got expected2

"$sum" tree tree/a tree/a/a-b tree/deep tree/a > got
reference tree tree/a tree/a/a-b tree/deep tree/a > expected2
same "overlapping arguments are merged" got expected2

(cd tree && "$sum" -- -dash > ../got && sha256sum -- -dash > ../expected2)
same "a name that begins with a dash" got expected2

"$sum" tree/link > got && sha256sum tree/link > expected2
same "a symbolic link that is given" got expected2

"$sum" tree/link-to-directory/ > got && reference tree/link-to-directory/ > expected2
same "a link to a directory that is given" got expected2

"$sum" - < tree/large > got && sha256sum - < tree/large > expected2
same "standard input" got expected2
printf abc | "$sum" - > got && printf abc | sha256sum - > expected2
same "standard input, a pipe" got expected2

"$sum" tree/empty > got
expect "an empty directory: status" $? 0
expect "an empty directory: nothing" "$(cat got)" ""

"$sum" /proc/self/status > /dev/null && pass || fail "a file without a size"

for pair in md5:md5sum sha1:sha1sum sha512:sha512sum blake2b512:b2sum SHA384:sha384sum; do
    tool=${pair#*:} reference tree > expected2
    "$sum" -a "${pair%:*}" tree > got
    same "-a ${pair%:*}" got expected2
done

# ---- mistakes and what cannot be read ----

"$sum" > got 2> errors
expect "no arguments: status" $? 2
expect "no arguments: nothing on standard output" "$(cat got)" ""
[ -s errors ] && pass || fail "no arguments: a message"
"$sum" -a no-such-digest tree > /dev/null 2>&1
expect "an unknown digest: status" $? 2
"$sum" -j 0 tree > /dev/null 2>&1
expect "no jobs: status" $? 2
"$sum" --help > got 2>&1
expect "help: status" $? 0

"$sum" tree/dangling tree/large missing tree/fifo > got 2> errors
expect "a missing file: status" $? 1
sha256sum tree/large > expected2
same "a missing file: the rest goes on" got expected2
printf 'ferry-sum: %s\n' 'missing: No such file or directory' \
    'tree/dangling: No such file or directory' 'tree/fifo: Not a regular file' > expected2
same "a missing file: messages" errors expected2

"$sum" tree/large /proc/self/mem > got 2> errors
expect "a read error: status" $? 1
expect "a read error: message" "$(cat errors)" \
    "ferry-sum: /proc/self/mem: Input/output error"

mkdir locked && echo x > locked/file && mkdir locked/directory && echo x > locked/z
chmod 0 locked/file locked/directory
if [ "$(id -u)" != 0 ]; then
    "$sum" locked > got 2> errors
    expect "without permission: status" $? 1
    sha256sum locked/z > expected2
    same "without permission: the rest goes on" got expected2
    printf 'ferry-sum: %s: Permission denied\n' locked/directory locked/file > expected2
    same "without permission: messages" errors expected2
else
    skip "files without permission (root may read everything)"
fi
chmod 700 locked/file locked/directory

"$sum" tree > /dev/full 2> errors
expect "a full disk: status" $? 1
expect "a full disk: message" "$(cat errors)" \
    "ferry-sum: write error: No space left on device"

env --default-signal=PIPE "$sum" tree 2> errors | head -1 > got
expect "a reader that leaves: status" "${PIPESTATUS[0]}" 141
expect "a reader that leaves: no message" "$(cat errors)" ""
expect "a reader that leaves: its line" "$(cat got)" "$(head -1 expected)"

"$sum" tree/large >&- 2> errors
expect "standard output closed: status" $? 1

# ---- checking ----

cp expected list
sha256sum -c --quiet list > got 2>&1
expect "sha256sum -c accepts it: status" $? 0
expect "sha256sum -c accepts it: silent" "$(cat got)" ""

# compare_check NAME OPTION...: the same as sha256sum says, on both outputs.
compare_check() {
    local name=$1 status
    shift
    sha256sum -c "$@" > expected2 2> expected-errors
    status=$?
    sed -i 's/^sha256sum:/ferry-sum:/' expected-errors
    "$sum" -c "$@" > got 2> errors
    expect "$name: status" $? $status
    same "$name: verdicts" got expected2
    same "$name: messages" errors expected-errors
}

compare_check "a good list" list
compare_check "a good list, quiet" --quiet list
compare_check "a good list, status" --status list
compare_check "two lists" list list
compare_check "a list by another name" /dev/stdin < list
"$sum" -c < list > got && sha256sum -c < list > expected2
same "a list on standard input" got expected2
tr -d '\n' < list | head -c 100 > no-newline
compare_check "a list that is cut short" no-newline
sed 's/$/\r/' list | grep -v '^\\' > dos-list
compare_check "a list with carriage returns" dos-list

{
    sed -n 1,5p list
    echo "# a comment"
    echo
    echo "not a digest at all"
    echo "$(printf %064d 0)  tree/large"
    echo "$(printf %064d 0) *tree/one-chunk"
    echo "$(printf %064d 0)  missing"
    sha256sum tree/large | tr a-f A-F | sed 's/ TREE/ tree/; s/lArgE/large/; s/trEE/tree/'
    sha256sum --tag tree/large tree/nothing 'tree/two words' tree/$'new\nline' | tail -4
    echo "SHA256 (tree/large) = 00"
    printf '\\%s  tree/a\\x\n' "$(printf %064d 0)"
} > bad-list
compare_check "a bad list" bad-list
compare_check "a bad list, quiet" --quiet bad-list
compare_check "a bad list, status" --status bad-list
compare_check "a missing list" no-such-list
compare_check "a missing list and a good one" no-such-list list
compare_check "nothing that is a list" tree/large
compare_check "an empty list" tree/nothing
compare_check "strict" --strict no-newline
{ sed -n 1p list; echo nonsense; } > half-list
compare_check "a half-good list" half-list
compare_check "a half-good list, strict" --strict half-list

md5sum tree/large tree/nothing > md5-list
"$sum" -a md5 -c md5-list > got && pass || fail "-c -a md5: status"
expect "-c -a md5" "$(cat got)" $'tree/large: OK\ntree/nothing: OK'

# ---- the bar and the numbers ----

"$sum" --progress tree > got 2> errors
same "with a bar: standard output" got expected
expect "with a bar: its line ends" "$(tail -c 1 errors | od -An -c | tr -d ' ')" '\n'
grep -aq 'left$' errors && pass || fail "with a bar: there is one"
"$sum" --no-progress tree > /dev/null 2> errors
expect "without a bar" "$(cat errors)" ""
"$sum" --stats tree > got 2> errors
same "with numbers: standard output" got expected
grep -q "^ferry-sum: $(wc -l < expected) files, " errors && pass || fail "with numbers"

# ---- ending early ----

# Without job control bash starts what runs in the background with SIGINT ignored.
start() { env --default-signal=INT,TERM "$@" & pid=$!; }

has_open() { [ -n "$(find "/proc/$pid/fd" -lname "$1" 2> /dev/null)" ]; }
has_size() { [ "$(stat -c %s "$1")" -ge "$2" ]; }
ignores_int() { grep -qs '^SigIgn:.*[2367abef]$' "/proc/$pid/status"; }
has_all_asleep() { # has_all_asleep THREADS: so many at least, and none runs
    [ "$(ls "/proc/$pid/task" | wc -l)" -ge "$1" ] &&
        ! grep -qs '^State:.[RD]' "/proc/$pid"/task/*/status
}

# stop SIGNAL NAME: sends it, and waits for the end, five seconds at most.
stop() {
    local begin=$EPOCHREALTIME end
    kill "-$1" "$pid"
    if until_true 5 has_ended; then pass; else fail "$2: it hangs" && kill -KILL "$pid"; fi
    end=$EPOCHREALTIME
    wait "$pid"
    status=$?
    echo "$2: ended after $(((${end/./} - ${begin/./}) / 1000)) ms"
}

mkdir early
for name in $(seq -w 200); do echo "$name" > "early/a-$name"; done
if truncate -s 20G early/big 2> /dev/null; then
    find early -name 'a-*' -print0 | sort -z | xargs -0 sha256sum > expected2
    for signal in INT TERM; do
        start "$sum" early > got 2> errors
        until_true 20 has_open "*/early/big" || fail "SIG$signal: the big file is opened"
        until_true 20 has_size got 1000 || fail "SIG$signal: lines come before the end"
        stop $signal "SIG$signal"
        expect "SIG$signal: status" $status $((128 + $(kill -l $signal)))
        expect "SIG$signal: a whole line at the end" "$(tail -c 1 got | od -An -c)" \
            "$(printf '\n' | od -An -c)"
        head -c "$(stat -c %s got)" expected2 > expected3
        same "SIG$signal: nothing but right lines" got expected3
        expect "SIG$signal: no messages" "$(cat errors)" ""
    done
    start "$sum" --progress early > got 2> errors
    until_true 20 grep -aqs /s errors || fail "the bar moves while a file is hashed"
    stop INT "SIGINT with a bar"
    expect "SIGINT with a bar: status" $status 130
    expect "SIGINT with a bar: its line ends" "$(tail -c 1 errors | od -An -c)" \
        "$(printf '\n' | od -An -c)"
    start "$sum" early > got
    until_true 20 has_open "*/early/big"
    kill -STOP "$pid" # so that both have come before it can end in good order
    kill -INT "$pid"
    kill -TERM "$pid"
    kill -CONT "$pid"
    wait "$pid"
    expect "a second signal ends it on the spot" $? 143
    (trap '' INT && exec "$sum" early/big > got) & pid=$!
    until_true 20 has_open "*/early/big"
    ignores_int && pass || fail "an ignored SIGINT: it is not received"
    kill -INT $pid
    kill -TERM $pid
    wait $pid
    expect "an ignored SIGINT stays ignored" $? 143
else
    skip "SIGINT (no sparse file of that size here)"
fi

mkfifo pipe
exec 7<> pipe
dd if=/dev/zero of=pipe oflag=nonblock bs=4096 2> /dev/null
start "$sum" tree > pipe 2> errors
until_true 20 has_all_asleep 3 || fail "a pipe that nobody reads: it waits"
stop INT "SIGINT while nobody reads the pipe"
expect "SIGINT while nobody reads the pipe: status" $status 130

exec 7<> tree/fifo
start "$sum" -c tree/fifo
until_true 20 has_all_asleep 2 || fail "a silent list: it waits"
stop INT "SIGINT while a list is silent"
expect "SIGINT while a list is silent: status" $status 130
exec 7>&-

finish
