#!/bin/bash
# Asks ferry-notes for everything that it can do and cannot do, loads it, ends it in the
# middle of that, and compares what it acknowledged with what the database holds.
# SPDX-License-Identifier: MIT
#
#     test_notes.sh PATH-OF-FERRY-NOTES
#
# Prints a line for each failure, the figures of the load, and how many tests there were
# of what at the end. FERRY_LONG=1: the load lasts ten seconds.

# shellcheck disable=SC2317 # until_true calls some of the functions
export LC_ALL=C
notes=$(realpath "$1") || exit 2
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/test_notes || exit 2
# shellcheck source=tests/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh" || exit 2
work=$(mktemp -d) || exit 2
trap '[ -z "$pid" ] || kill -KILL "$pid"; rm -rf "$work"' EXIT
cd "$work" || exit 2
seconds=3
[ "${FERRY_LONG:-0}" != 1 ] || seconds=10

# ---- the server ----

# Without job control bash starts what runs in the background with SIGINT ignored.
start() { # start DATABASE [OPTION]...
    rm -f out err
    env --default-signal=INT,TERM "$notes" "$@" >out 2>err &
    pid=$!
    if ! until_true 20 grep -qs '/notes$' out; then
        fail "it starts: $(cat out err)"
        finish
    fi
    url=$(sed -n 's|.*\(http://.*\)/notes$|\1|p' out)
}

# stop NAME DATABASE: Ctrl-C; it is closed cleanly if there is no log left to recover.
stop() {
    kill -INT "$pid"
    ended "$1" 0
    holds "$1: the database was closed" [ ! -e "$2-wal" ]
}

# ask NAME STATUS PATTERN CURL'S ARGUMENTS...
ask() {
    local name=$1 status=$2 pattern=$3 got
    shift 3
    got=$(curl -s -m 60 -w '\n%{http_code}' "$@" | tr -d '\0')
    expect "$name: status" "${got##*$'\n'}" "$status"
    body=${got%$'\n'*}
    # shellcheck disable=SC2254 # it is a pattern
    case $body in
    $pattern) pass ;;
    *) fail "$name: got '$body', expected '$pattern'" ;;
    esac
}

add() { curl -s -o /dev/null -d "{\"text\": \"$1\"}" "$url/notes"; }

stat_of() { curl -s "$url/stats" | sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"; }

has_active() { [ "$(stat_of active)" = "$1" ]; }

rows() { sqlite3 "$1" "SELECT count(*) FROM notes WHERE text GLOB '$2'"; }

# ---- what can be asked for ----

error='{"error":"?*"}'
hello='{"id":1,"created":"????-??-??T??:??:??.???Z","text":"hello"}'
start notes.db

ask "adding" 201 "$hello" -d '{"text": "hello"}' "$url/notes"
ask "reading it" 200 "$hello" "$url/notes/1"
expect "where it is" "$(curl -s -o /dev/null -D - -d '{"text": "again"}' "$url/notes" |
    tr -d '\r' | sed -n 's/^Location: //p')" /notes/2
ask "all" 200 '{"notes":\[{"id":1,*,{"id":2,*\],"more":false}' "$url/notes"
ask "since 0" 200 '{"notes":\[{"id":1,*,{"id":2,*\],"more":false}' "$url/notes?since=0"
ask "since 1" 200 '{"notes":\[{"id":2,*"again"}\],"more":false}' "$url/notes?since=1"
ask "since the last" 200 '{"notes":\[\],"more":false}' "$url/notes?since=2"
ask "those that contain something" 200 '{"notes":\[{"id":1,*"hello"}\],"more":false}' \
    "$url/notes?containing=ell"
text='ü\u2603\n\t\"\\ %s '\''; DROP TABLE notes; --'
ask "awkward text" 201 '*"text":"ü☃\\n\\t\\"\\\\ %s '\''; DROP TABLE notes; --"}' \
    -d "{\"text\": \"$text\"}" "$url/notes"
ask "HEAD" 200 '*Content-Length: 60*' -I "$url/notes/1"
ask "statistics" 200 '{"requests":{*},"store":{*"readers":{"total":4,*},"run":{*}}' \
    "$url/stats"
expect "statistics: written" "$(stat_of written)" 3
expect "statistics: the loop is measured" \
    "$(curl -s "$url/stats" | grep -c '"longest_turn_ms":[0-9]*\.[0-9]')" 1

for number in $(seq 200); do
    printf 'url = "%s/notes"\n' "$url"
    printf 'data = "{\\"text\\": \\"number %s\\"}"\nnext\n' "$number"
done | sed '$d' >many
curl -s -K many >/dev/null
ask "a hundred at a time" 200 '*"more":true}' "$url/notes"
expect "a hundred at a time: how many" "$(grep -o '"id"' <<<"$body" | wc -l)" 100
ask "and so on" 200 '{"notes":\[{"id":101,*"more":true}' "$url/notes?since=100"
ask "to the end" 200 '{"notes":\[{"id":201,*"more":false}' "$url/notes?since=200"

# ---- what cannot ----

head -c 65000 /dev/zero | tr '\0' a >fits
{ printf '{"text": "' && cat fits && printf '"}'; } >fits.json
{ printf '{"text": "' && cat fits fits && printf '"}'; } >big.json
head -c 9000000 /dev/zero | tr '\0' a >huge
before=$(sqlite3 notes.db 'SELECT count(*) FROM notes')

ask "no body" 400 "$error" -X POST "$url/notes"
ask "broken JSON" 400 "$error" -d '{"text": "x"' "$url/notes"
ask "JSON and more" 400 "$error" -d '{"text": "x"} {}' "$url/notes"
ask "twice the same" 400 "$error" -d '{"text": "x", "text": "y"}' "$url/notes"
ask "not UTF-8" 400 "$error" --data-binary $'{"text": "\xff"}' "$url/notes"
ask "a zero in a text" 400 "$error" -d '{"text": "\u0000"}' "$url/notes"
ask "nested too deep" 400 "$error" --data-binary "$(printf '[%.0s' $(seq 60000))" \
    "$url/notes"
ask "no text" 422 "$error" -d '{}' "$url/notes"
ask "an empty text" 422 "$error" -d '{"text": ""}' "$url/notes"
ask "a text that is a number" 422 "$error" -d '{"text": 1}' "$url/notes"
ask "an array" 422 "$error" -d '["text"]' "$url/notes"
ask "a body that is too long" 413 "$error" -H 'Expect:' -d @big.json "$url/notes"
ask "a long one, announced" 413 "$error" -H 'Expect: 100-continue' -d @big.json \
    "$url/notes"
ask "a long one in chunks" 413 "$error" -H 'Expect:' -H 'Transfer-Encoding: chunked' \
    -d @big.json "$url/notes"
ask "a huge one, announced" 413 "$error" -H 'Expect: 100-continue' -d @huge "$url/notes"
ask "a huge one in chunks is cut off" 000 '' -H 'Expect:' \
    -H 'Transfer-Encoding: chunked' -d @huge "$url/notes"
expect "after a long one the connection goes on" "$(curl -s -o /dev/null \
    -w '%{http_code} %{num_connects}, ' -H 'Expect:' -d @big.json "$url/notes" \
    --next -s -o /dev/null -w '%{http_code} %{num_connects}' "$url/notes/1")" \
    '413 1, 200 0'
ask "a bad id" 400 "$error" "$url/notes/x1"
ask "an id that is too large" 400 "$error" "$url/notes/99999999999999999999"
ask "a negative id" 400 "$error" "$url/notes/-1"
ask "no id" 400 "$error" "$url/notes/"
ask "an id that is not there" 404 "$error" "$url/notes/9223372036854775807"
ask "a bad since" 400 "$error" "$url/notes?since=yesterday"
ask "an unknown path" 404 "$error" "$url/"
ask "an unknown path, with a body" 404 "$error" -d '{"text": "x"}' "$url/note"
ask "a wrong method" 405 "$error" -X DELETE "$url/notes/1"
ask "a wrong method, with a body" 405 "$error" -X PUT -d '{"text": "x"}' "$url/notes"
expect "a wrong method: the right ones" "$(curl -s -o /dev/null -D - -X POST \
    "$url/notes/1" | tr -d '\r' | sed -n 's/^Allow: //p')" 'GET, HEAD'
expect "of all that nothing was added" \
    "$(sqlite3 notes.db 'SELECT count(*) FROM notes')" "$before"
ask "one that just fits" 201 '{"id":*' -d @fits.json "$url/notes"

"$notes" --port "${url##*:}" other.db >out2 2>err2
expect "a port that is taken: status" $? 1
holds "a port that is taken: a message" [ -s err2 ]
"$notes" /nowhere/notes.db >out2 2>err2
expect "a database that cannot be opened: status" $? 1
holds "a database that cannot be opened: a message" [ -s err2 ]
"$notes" >out2 2>err2
expect "no database: status" $? 2

stop "Ctrl-C when nobody asks for anything" notes.db

# ---- a request that runs out of time ----

# Another process has the database locked until its standard input says otherwise.
lock() { # lock DATABASE
    mkfifo lock
    sqlite3 "$1" <lock >locked &
    locker=$!
    exec 8>lock
    printf '%s\n' 'BEGIN IMMEDIATE;' 'SELECT 1;' >&8
    until_true 20 [ -s locked ]
}

unlock() {
    exec 8>&-
    wait "$locker"
    rm lock locked
}

# at_once CURL'S ARGUMENTS...: answers and statuses are lines of a file.
at_once() {
    curl -s -Z --parallel-immediate --no-progress-meter -w '\n%{http_code}\n' "$@" \
        >at-once
}

start late.db --deadline 0.2
add before
lock late.db
at_once -d '{"text": "late"}' "$url/notes" "$url/notes" "$url/notes" "$url/notes"
expect "writes while it is locked: status" "$(grep -c '^504$' at-once)" 4
expect "writes while it is locked: messages" "$(grep -o '"error":' at-once | wc -l)" 4
ask "reads while it is locked" 200 '*"before"}' "$url/notes/1"
unlock
ask "when it is unlocked again" 201 '*"after"}' -d '{"text": "after"}' "$url/notes"
expect "what was given up was not written" "$(rows late.db late)" 0

# Looking for what nearly matches at each place takes as long as there are places.
sqlite3 late.db "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n
    WHERE i < 6000) INSERT INTO notes (text) SELECT hex(zeroblob(4000)) FROM n"
needle=$(printf %02000d 1)
ask "a read that takes too long" 504 "$error" "$url/notes?containing=$needle"
slow="$url/notes?containing=$needle"
at_once "$slow" "$slow" "$slow" "$slow" "$slow" "$slow" "$slow" "$slow" "$slow" "$slow"
expect "many of them at once" "$(grep -c '^504$' at-once)" 10
# Not necessarily each: some waited for a connection, one may have noticed by itself.
holds "such reads are interrupted" [ "$(stat_of interrupted)" -ge 1 ]
expect "their connections are free" "$(stat_of borrowed) $(stat_of waiting)" '0 0'
expect "and their workers" "$(stat_of jobs_running)" 0
ask "and then one that is quick" 200 '*"before"}' "$url/notes/1"
stop "Ctrl-C after requests ran out of time" late.db

# ---- load ----

# load SECONDS FILE; exec, so that a signal to it in the background is wrk's.
load() { exec wrk -t2 -c64 "-d${1}s" --latency -s "$here/load.lua" "$url" -- "$2"; }

# Each line of the files is an answer to somebody who added a note.
missing() { # missing DATABASE FILE...
    local db=$1
    shift
    cat "$@" >acknowledged
    sqlite3 "$db" 'CREATE TEMP TABLE acknowledged (body)' \
        '.mode ascii' '.separator \037 \n' \
        '.import --schema temp acknowledged acknowledged' '.mode list' \
        "SELECT count(*) || ' acknowledged, ' || count(DISTINCT body ->> 'id') ||
            ' different, ' || sum(notes.id IS NULL) || ' missing'
        FROM acknowledged LEFT JOIN notes ON notes.id = body ->> 'id'
            AND notes.text = body ->> 'text' AND notes.created = body ->> 'created'"
}

# all_there NAME DATABASE FILE...: what was acknowledged, and the database is sound.
all_there() {
    local name=$1 got lines
    shift
    lines=$(cat "${@:2}" | wc -l)
    holds "$name: something was acknowledged" [ "$lines" -gt 0 ]
    got=$(missing "$@")
    expect "$name" "$got" "$lines acknowledged, $lines different, 0 missing"
    expect "$name: integrity" "$(sqlite3 "$1" 'PRAGMA integrity_check')" ok
    echo "$name: $got, $(rows "$1" '*') in the database"
}

start load.db --deadline 60
add first
(load "$seconds" during) >figures
cat figures
expect "under load: nothing unexpected" "$(grep -c \
    '^unexpected: 0, connect: 0, read: 0, write: 0, timeout: 0$' figures)" 1
printf 'after the load: the longest turn took %.2f ms; load average %s\n' \
    "$(stat_of longest_turn_ms)" "$(cut -d ' ' -f 1-3 /proc/loadavg)"
expect "under load: no answer but good ones" \
    "$(stat_of answered_4xx) $(stat_of answered_5xx)" '0 0'
stop "Ctrl-C after the load" load.db
all_there "acknowledged under load" load.db during.*

# ---- Ctrl-C in the middle of a load ----

start drain.db --deadline 60
python3 "$here/client.py" "$url" 32 drained >client 2>client-errors &
client=$!
until_true 60 grep -q ready client || fail "Ctrl-C under load: it loads"
stop "Ctrl-C under load" drain.db
wait "$client"
expect "Ctrl-C under load: every request was answered" \
    "$(tail -n 1 client)" "$(wc -l <drained) acknowledged, 0 refused, 0 lost"
cat client-errors
all_there "acknowledged before Ctrl-C" drain.db drained
expect "Ctrl-C under load: nothing is there that nobody was told" \
    "$(rows drain.db '*')" "$(wc -l <drained)"

# What the kernel has accepted by then is answered as well: while the server stands
# still, requests arrive on old connections and new ones, and then the signal.
start stopped.db --deadline 60
exec 6<>"/dev/tcp/127.0.0.1/${url##*:}"
send() { # send DESCRIPTOR TEXT
    printf 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s' \
        $((${#2} + 12)) "{\"text\": \"$2\"}" >&"$1"
}
send 6 old
read -r line <&6
expect "a request in the middle of others" "${line%$'\r'}" 'HTTP/1.1 201 Created'
kill -STOP "$pid"
python3 "$here/queue.py" "$url" 200 >queued 2>queue-errors &
queue=$!
until_true 60 grep -q ready queued || fail "requests in the queue: they are sent"
send 6 "old again"
kill -INT "$pid"
kill -CONT "$pid"
ended "Ctrl-C with requests in the queue" 0
wait "$queue"
expect "requests in the queue: new connections" "$(tail -n 1 queued)" 200
head -n 3 queue-errors
expect "requests in the queue: an old connection" \
    "$(grep -o 'HTTP/1.1 201' <&6 | wc -l)" 1
exec 6>&-
expect "requests in the queue: all are there" "$(rows stopped.db '*')" 202

# Somebody who has sent half of a request is waited for; a second signal does not.
start half.db
exec 6<>"/dev/tcp/127.0.0.1/${url##*:}"
printf 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n{"text":' >&6
until_true 20 has_active 2 || fail "half a request is active"
kill -INT "$pid"
refuses() { ! curl -s -o /dev/null "$url/stats"; }
until_true 20 refuses || fail "while it drains, nobody else is accepted"
holds "half a request keeps it" [ -d "/proc/$pid" ]
printf ' "half"}\n' >&6
expect "the other half is answered" "$(grep -c '^HTTP/1.1 201' <&6)" 1
exec 6>&-
ended "Ctrl-C in the middle of a request" 0

start half.db
exec 6<>"/dev/tcp/127.0.0.1/${url##*:}"
printf 'POST /notes HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n{"text":' >&6
until_true 20 has_active 2 || fail "half a request is active"
kill -INT "$pid"
until_true 20 refuses
kill -INT "$pid"
ended "a second Ctrl-C" 130
exec 6>&-

# ---- kill -9 in the middle of a load ----

lines_of() { [ "$(cat "${@:2}" 2>/dev/null | wc -l)" -ge "$1" ]; }

for round in 1 2 3; do
    start killed.db --deadline 60
    add first
    load 60 killed-$round >/dev/null 2>&1 &
    loader=$!
    until_true 30 lines_of $((round * 100)) killed-$round.1 killed-$round.2 ||
        fail "kill -9: it loads"
    kill -KILL "$pid"
    wait "$pid" 2>/dev/null
    pid=
    kill -INT "$loader"
    wait "$loader"
    all_there "acknowledged before kill -9" killed.db killed-*.[12]
done
start killed.db
ask "it goes on with what it has" 200 '{"id":1,*"first"}' "$url/notes/1"
stop "Ctrl-C after kill -9" killed.db

finish
