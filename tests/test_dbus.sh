#!/bin/bash
# Calls ferry-bus, many times at once and in awkward ways.  SPDX-License-Identifier: MIT
#
#     test_dbus.sh PATH-OF-FERRY-BUS
#
# On a bus of its own. Prints a line for each failure, and how many tests there were of
# what at the end.

# shellcheck disable=SC2317 # until_true calls some of the functions
export LC_ALL=C
bus=$(realpath "$1") || exit 2
if [ -z "$FERRY_TEST_BUS" ]; then
    FERRY_TEST_BUS=1 exec dbus-run-session -- "${BASH_SOURCE[0]}" "$bus"
fi
# shellcheck source=tests/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh" || exit 2
work=$(mktemp -d) || exit 2
trap '[ -z "$pid" ] || kill -KILL "$pid"; rm -rf "$work"' EXIT
cd "$work" || exit 2

# ---- the service ----

# Without job control bash starts what runs in the background with SIGINT ignored.
start() { # start [SECONDS]
    rm -f out err
    env --default-signal=INT,TERM "$bus" "$@" >out 2>err &
    pid=$!
    if ! until_true 20 grep -qs 'is on the bus$' out; then
        fail "it starts: $(cat out err)"
        finish
    fi
}

stop() { # stop NAME
    kill -TERM "$pid"
    ended "$1" 0
}

# ---- its callers ----

call() { # call METHOD [ARGUMENT]...
    gdbus call --session --timeout 60 --dest org.example.Ferry \
        --object-path /org/example/Ferry --method "$@" 2>&1
}
hash_of() { call org.example.Ferry.Hash "$work/$1"; }
active() {
    call org.freedesktop.DBus.Properties.Get org.example.Ferry Active |
        sed -n 's/^(<uint32 \([0-9]*\)>,)$/\1/p'
}
has_active() { [ "$(active)" = "$1" ]; }
expected() { echo "('$(sha256sum <"$1" | cut -d ' ' -f 1)',)"; }

# refused NAME ERROR OUTPUT
refused() {
    # shellcheck disable=SC2254 # it is a pattern
    case $3 in
    Error:' 'GDBus.Error:org.freedesktop.DBus.Error.$2:' '?*) pass ;;
    *) fail "$1: got '$3', expected $2" ;;
    esac
}

# ---- what can be asked for ----

head -c 3000000 /dev/urandom >large
echo hello >small
touch empty
mkfifo silent
mkdir directory
start
for name in large small empty; do
    expect "the digest of $name" "$(hash_of $name)" "$(expected $name)"
done
if getent hosts localhost >/dev/null; then # a machine without /etc/hosts need not know
    holds "localhost has an address" grep -qE "'(127\.0\.0\.1|::1)'" \
        <(call org.example.Ferry.Lookup localhost)
else
    skip "a name: nothing here resolves localhost"
fi
expect "an address is its own" "$(call org.example.Ferry.Lookup 192.0.2.7)" \
    "(['192.0.2.7'],)"

refused "a file that is not there" FileNotFound "$(hash_of nothing)"
refused "a directory" Failed "$(hash_of directory)"
refused "a host that cannot be" '*' "$(call org.example.Ferry.Lookup not..a..name)"
refused "an unknown method" UnknownMethod "$(call org.example.Ferry.Guess small)"
refused "an argument too many" InvalidArgs \
    "$(call org.example.Ferry.Hash a b | grep '^Error')"

"$bus" >out2 2>err2
expect "a name that is taken: status" $? 1
holds "a name that is taken: a message" [ -s err2 ]
DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere "$bus" >out2 2>err2
expect "no bus: status" $? 1
holds "no bus: a message" [ -s err2 ]
"$bus" never >out2 2>err2
expect "a mistake: status" $? 2

# ---- many at once, beside some that hang ----

# Nobody writes to the FIFO: whoever opens it hangs.
for i in 1 2 3 4 5; do hash_of silent >"slow-$i" & slow[i]=$!; done
until_true 20 has_active 5 || fail "calls that hang are under way"
for i in $(seq 60); do
    echo "file number $i" >"many-$i"
    hash_of "many-$i" >"answer-$i" & many[i]=$!
done
wait "${many[@]}"
wrong=0
for i in $(seq 60); do
    [ "$(cat "answer-$i")" = "$(expected "many-$i")" ] || wrong=$((wrong + 1))
done
expect "60 calls at once beside 5 that hang: wrong answers" $wrong 0
expect "those are still under way" "$(active)" 5
wait "${slow[@]}"
for i in 1 2 3 4 5; do refused "one that hangs" TimedOut "$(cat "slow-$i")"; done
expect "nothing is under way" "$(active)" 0

# ---- a caller that leaves ----

gdbus call --session --dest org.example.Ferry --object-path /org/example/Ferry \
    --method org.example.Ferry.Hash "$work/silent" >left 2>&1 &
caller=$!
until_true 20 has_active 1 || fail "a call that hangs is under way"
kill $caller
wait $caller
holds "its caller leaves, and it is given up" until_true 3 has_active 0
# The threads are still there; now they come back, with nobody to answer.
timeout 20 sh -c 'echo late >silent'
expect "it still answers" "$(hash_of small)" "$(expected small)"
stop "SIGTERM when nobody asks for anything"

# ---- the end ----

# end_under_way NAME SIGNAL: what is under way is answered, by its deadline at the latest
end_under_way() {
    start 1
    hash_of silent >slow-1 & slow[1]=$!
    until_true 20 has_active 1 || fail "$1: a call that hangs is under way"
    kill "-$2" "$pid"
    refused "$1: one that comes later" NoReply "$(hash_of small)"
    wait "${slow[1]}"
    refused "$1: it is answered" TimedOut "$(cat slow-1)"
    ended "$1" 0
}
end_under_way "SIGTERM with a call under way" TERM
end_under_way "Ctrl-C with a call under way" INT

start 60
hash_of silent >slow-1 & slow[1]=$!
until_true 20 has_active 1 || fail "a call that hangs is under way"
kill -TERM "$pid"
refused "a call after SIGTERM" NoReply "$(hash_of small)"
kill -TERM "$pid"
ended "a second SIGTERM" 143
wait "${slow[1]}"

finish
