#!/bin/bash
# Asks ferry-server for everything that it can do and cannot do, from many connections,
# slow ones and such as hang up, and ends it in the middle of that.
# SPDX-License-Identifier: MIT
#
#     test_server.sh PATH-OF-FERRY-SERVER
#
# Prints a line for each failure, and how many tests there were of what at the end.
# FERRY_LONG=1: it is ended under load more often.

# shellcheck disable=SC2317 # until_true calls some of the functions
export LC_ALL=C
server=$(realpath "$1") || exit 2
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/test_server || exit 2
# shellcheck source=tests/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh" || exit 2
work=$(mktemp -d) || exit 2
trap '[ -z "$pid" ] || kill -KILL "$pid"; rm -rf "$work"' EXIT
cd "$work" || exit 2
port=''
rounds=3
[ "${FERRY_LONG:-0}" != 1 ] || rounds=20

# The time of day, in milliseconds.
now() { echo $((${EPOCHREALTIME/./} / 1000)); }

between() { [ "$2" -ge "$1" ] && [ "$2" -le "$3" ]; }

# ---- the server ----

# Without job control bash starts what runs in the background with SIGINT ignored.
start() { # start [OPTION]...
    rm -f out err
    env --default-signal=INT,TERM "$server" "$@" >out 2>err &
    pid=$!
    if ! until_true 20 grep -qs ':[0-9]*$' out; then
        fail "it starts: $(cat out err)"
        finish
    fi
    port=$(sed -n 's/.*://p' out)
}

stop() { # stop NAME [SIGNAL]
    kill "-${2:-INT}" "$pid"
    ended "$1" 0
}

# What it says in the end.
given_up() { sed -n 's/.* answers, \([0-9]*\) requests given up;.*/\1/p' out; }

descriptors() { find "/proc/$pid/fd" -mindepth 1 | wc -l; }

has_descriptors() { [ "$(descriptors)" = "$1" ]; }

threads() { sed -n 's/^Threads:\t//p' "/proc/$pid/status"; }

is_sanitized() { grep -qE '__[at]san_init' "$server"; }

has_threads() { [ "$(threads)" -ge "$1" ]; }

# ---- asking ----

connect() { exec 3<>"/dev/tcp/127.0.0.1/$port"; }

hang_up() { exec 3>&-; }

# ask LINE...: all that comes back, once it has been told to quit.
ask() {
    connect
    printf '%b\n' "$@" quit >&3
    timeout 60 cat <&3
    hang_up
}

answers() { # answers NAME EXPECTED LINE...
    local name=$1 expected=$2
    shift 2
    expect "$name" "$(ask "$@")" "$expected"
}

is_answered() { # is_answered EXPECTED LINE: within a second, the others' jobs or no
    local began
    began=$(now)
    [ "$(ask "$2")" = "$1" ] && between 0 $(($(now) - began)) 1000
}

digest() { sha256sum <"$1" | cut -d ' ' -f 1; }

# ---- what can be asked for, and what cannot ----

head -c 5000000 /dev/urandom >big
head -c 1000 /dev/urandom >small
: >empty
mkfifo fifo
start
before=$(descriptors)

answers "an address" '1 ok 127.0.0.1' 'lookup 127.0.0.1'
answers "another kind of address" '1 ok ::1' 'lookup ::1'
if getent ahosts localhost >/dev/null; then
    case $(ask 'lookup localhost') in
    '1 ok '*127.0.0.1* | '1 ok ::1') pass ;;
    *) fail "a name" ;;
    esac
else
    skip "a name: nothing here resolves localhost"
fi
case $(ask 'lookup name.invalid') in
'1 error No such file or directory' | '1 error Resource temporarily unavailable') pass ;;
'1 error there was no time for it') skip "a name that is not there: it took too long" ;;
*) fail "a name that is not there" ;;
esac
for file in big small empty; do
    answers "the sum of $file" "1 ok $(digest $file)" "sum $work/$file"
done
answers "no file" '1 error No such file or directory' 'sum /nowhere'
answers "a directory" '1 error Is a directory' "sum $work"
answers "a FIFO" '1 error Invalid argument' "sum $work/fifo"
answers "a sleep" '1 ok 20 ms' 'sleep 20'
answers "a sleep of nothing" '1 error Invalid argument' 'sleep x'
answers "only quit" '' 'quit'
answers "an empty line" '1 error this is no request' ''
answers "a command without anything" '1 error this is no request' 'sleep'
answers "another command" '1 error this is no request' 'Sleep 1'
answers "a zero in a line" '1 error this is no request' 'sleep 1\0'
answers "an end as telnet sends it" '1 ok 1 ms' 'sleep 1\r'
answers "answers come as they are ready" $'2 ok 1 ms\n1 ok 300 ms' 'sleep 300' 'sleep 1'
answers "after quit nothing is asked" '1 ok 1 ms' 'sleep 1' 'quit' 'sleep 2'

for number in $(seq 1000); do echo "sleep $((number % 3))"; done >thousand
for number in $(seq 1000); do echo "$number ok $((number % 3)) ms"; done >expected
mapfile -t thousand <thousand
ask "${thousand[@]}" | sort -n >got
expect "a thousand lines at once" "$(diff expected got | head -n 3)" ''

# ---- lines ----

# long LENGTH: a request of that many bytes, with spaces in it or without an end
long() { printf 'sum /%s' "$(head -c $(($1 - 5)) /dev/zero | tr '\0' a)"; }

answers "the longest line" '1 error File name too long' "$(long 4159)"
answers "one that is longer" \
    $'1 error the line is too long\n2 ok 1 ms' "$(long 4160)" 'sleep 1'
connect
{ long 3000000 && printf '\nsleep 1\nquit\n'; } >&3
expect "a very long one" "$(cat <&3)" $'1 error the line is too long\n2 ok 1 ms'
hang_up

# ---- peers that send no more ----

half_close() { # half_close TEXT: sends it and an end of file, and reads what comes
    python3 -c '
import socket, sys
peer = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=60)
peer.sendall(sys.argv[2].encode())
peer.shutdown(socket.SHUT_WR)
print(peer.makefile().read(), end="")' "$port" "$1"
}

expect "a half-closed peer that has quit is answered" \
    "$(half_close $'sleep 200\nsleep 1\nquit\n')" $'2 ok 1 ms\n1 ok 200 ms'
expect "though it had asked for more than is done at once" \
    "$(half_close "$(printf 'sleep 10\n%.0s' {1..30})"$'\nquit\n' | wc -l)" 30
expect "one that has not is not" "$(half_close $'sleep 3000\n')" ''
expect "half a line is none" "$(half_close 'sleep 1')" ''

# ---- many of them ----

expect "200 connections at once" \
    "$(python3 "$here/many.py" "$port" 200 "$work/small" "$work/empty")" 1200
holds "all is closed" until_true 20 has_descriptors "$before"

# ---- jobs that take long ----

# While as many threads sleep as may, nobody else has to wait.
python3 "$here/hang_up.py" "$port" 8 7 1500 fin &
others=$!
holds "all threads for sleeping sleep" until_true 20 has_threads 50
holds "a lookup beside them" is_answered '1 ok 127.0.0.1' 'lookup 127.0.0.1'
holds "a sum beside them" is_answered "1 ok $(digest small)" "sum $work/small"
wait "$others"
python3 "$here/hang_up.py" "$port" 8 7 1500 reset
answers "after those have hung up" '1 ok 127.0.0.1' 'lookup 127.0.0.1'
holds "all is closed, abandoned or not" until_true 20 has_descriptors "$before"

# ---- slow readers ----

read -r grown missing < <(python3 "$here/slow_reader.py" "$port" "$pid" 2>slow-errors)
expect "slow readers: what is missing" "${missing:-$(cat slow-errors)}" 0
if is_sanitized; then
    skip "slow readers: how much memory: a sanitizer takes its own"
else
    holds "slow readers: KiB" between -100000 "${grown:-99999}" 4000
fi
holds "slow readers: all is closed" until_true 20 has_descriptors "$before"

sleep 1.6 # until the abandoned jobs are over: then leaks are looked for
stop "Ctrl-C when nobody asks for anything"
# One of the half-closed, and of those who hung up with seven each.
expect "what was given up" "$(given_up)" $((1 + 2 * 8 * 7))

# ---- bounds ----

start --deadline 0.3 --at-once 2
answers "the deadline" '1 error there was no time for it' 'sleep 1000'
answers "it is for each" $'2 ok 1 ms\n1 error there was no time for it' \
    'sleep 1000' 'sleep 1'
began=$(now)
ask 'sleep 200' 'sleep 200' 'sleep 200' 'sleep 200' >got
took=$(($(now) - began))
expect "two at once: all are answered" "$(wc -l <got)" 4
holds "two at once: ms" between 400 $took 2000
"$server" --port "$port" >out2 2>err2
expect "a port that is taken: status" $? 1
holds "a port that is taken: a message" grep -q EADDRINUSE err2
"$server" what >out2 2>err2
expect "an argument: status" $? 2
"$server" --at-once 0 >out2 2>err2
expect "an option out of range: status" $? 2
sleep 1
stop "SIGTERM" TERM

# ---- the end, after somebody has hung up ----

# Nobody waits for his jobs, neither the server while it goes on nor its end.
start --deadline 3600 --grace 30
before=$(descriptors)
python3 "$here/hang_up.py" "$port" 4 7 20000 fin
holds "who has hung up is gone" until_true 20 has_descriptors "$before"
began=$(now)
stop "Ctrl-C after that"
holds "who has hung up keeps nobody: ms" between 0 $(($(now) - began)) 5000
expect "who has hung up: given up" "$(given_up)" 28

# ---- the end under load ----

for round in $(seq "$rounds"); do
    start --grace 30
    rm -f load
    python3 "$here/load.py" "$port" 50 "$work/small" >load 2>load-errors &
    load=$!
    until_true 60 grep -qs ready load || fail "SIGTERM under load: it loads"
    sleep 0.$((round % 10))
    stop "SIGTERM under load" TERM
    wait "$load"
    cat load-errors
    expect "SIGTERM under load: nothing is wrong" \
        "$(sed -n '$s/.* answered, //p' load)" '0 wrong, 0 cut off'
    expect "SIGTERM under load: all that it answered arrived" \
        "$(sed -n '$s/ answered.*//p' load)" \
        "$(sed -n 's/.*: \([0-9]*\) answers,.*/\1/p' out)"
    expect "SIGTERM under load: nothing is given up" "$(given_up)" 0
done

# ---- the end, when somebody is in the way ----

start --grace 0.5
connect
echo 'sleep 60000' >&3
until_true 20 has_threads 2 || fail "a job begins"
began=$(now)
stop "Ctrl-C when a job takes too long"
holds "the grace: ms" between 500 $(($(now) - began)) 5000
expect "the grace: given up" "$(given_up)" 1
expect "the grace: no answer" "$(cat <&3)" ''
hang_up

start --grace 30
connect
echo 'sleep 500' >&3
until_true 20 has_threads 2 || fail "a job begins"
kill -INT "$pid"
refuses() { ! (exec 4<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; }
holds "while it ends, nobody else is accepted" until_true 20 refuses
expect "what is under way is answered" "$(cat <&3)" '1 ok 500 ms'
hang_up
ended "Ctrl-C in the middle of a job" 0

start --grace 30
connect
echo 'sleep 5000' >&3
until_true 20 has_threads 2 || fail "a job begins"
kill -INT "$pid"
until_true 20 refuses
kill -INT "$pid"
ended "a second Ctrl-C" 130
hang_up

start --grace 0.2
connect
echo 'sleep 1' >&3
read -r line <&3
expect "before it sits there" "$line" '1 ok 1 ms'
stop "Ctrl-C while somebody neither asks nor hangs up"
hang_up

finish
