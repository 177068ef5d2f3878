#!/bin/bash
# Uses ferry-hash-window as somebody who sits before it: looks at the pixels, clicks and
# types.  SPDX-License-Identifier: MIT
#
#     test_desktop.sh PATH-OF-FERRY-HASH-WINDOW DIRECTORY
#
# On a display of its own (Xvfb) and a tree of random bytes, enough for several seconds.
# Prints a line for each failure, how steadily the window was drawn, and how many tests
# there were of what at the end. The directory gets the pictures.

# shellcheck disable=SC2317 # until_true calls some of the functions
export LC_ALL=C GDK_BACKEND=x11 GTK_THEME=Adwaita GSETTINGS_BACKEND=memory NO_AT_BRIDGE=1
unset DBUS_SESSION_BUS_ADDRESS
program=$(realpath "$1") || exit 2
pictures=$(realpath "$2") || exit 2
here=$(realpath "$(dirname "${BASH_SOURCE[0]}")")/test_desktop || exit 2
# shellcheck source=tests/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh" || exit 2
work=$(mktemp -d) || exit 2
export LSAN_OPTIONS=suppressions=$here/leaks.supp:print_suppressions=0
trap '[ -z "$pid$server" ] || kill $pid $server; rm -rf "$work"' EXIT
cd "$work" || exit 2
export HOME=$work
server=''
MEGABYTES=768

milliseconds() { date +%s%3N; }

# ---- the display and the tree ----

start_display() {
    Xvfb -displayfd 3 -noreset -screen 0 800x600x24 -nolisten tcp 3>display 2>display-errors &
    server=$!
    if ! until_true 20 [ -s display ]; then
        fail "there is a display: $(cat display-errors)"
        finish
    fi
    DISPLAY=:$(cat display)
    export DISPLAY
}

make_tree() {
    local i
    mkdir -p tree/large 'tree/small ones' tree/empty
    for i in $(seq $((MEGABYTES / 16))); do
        head -c $((16 * 1024 * 1024)) /dev/urandom >"tree/large/$i"
    done
    for i in $(seq 1000); do echo "$i" >"tree/small ones/$i"; done
    printf odd >$'tree/new\nline'
    printf odder >$'tree/\xff'
    touch tree/nothing
}

# The same from the usual tools.
reference() {
    find "$1" -type f -print0 | sort -z | xargs -0 sha256sum -z | sha256sum | cut -c 1-64
}

# ---- the program ----

# With more processors it would be over before anybody has looked.
processors=$(python3 -c 'import os; print(*sorted(os.sched_getaffinity(0))[:2], sep=",")')
taskset -cp "$processors" $BASHPID >/dev/null || exit 2

# As root, without the right to read what nobody may read.
plainly() {
    if [ "$(id -u)" = 0 ]; then
        exec setpriv --bounding-set=-dac_override,-dac_read_search \
            --inh-caps=-dac_override,-dac_read_search "$@"
    fi
    exec "$@"
}

windows() { xdotool search --onlyvisible --class ferry-hash-window 2>/dev/null; }
count_windows() { [ "$(windows | wc -l)" = "$1" ]; }

start() { # start TREE...
    rm -f out err
    plainly "$program" "$@" >out 2>err &
    pid=$!
    if ! until_true 30 count_windows $#; then
        fail "it opens $# windows: $(cat out err)"
        finish
    fi
    window=$(windows | head -n 1)
    eval "$(xdotool getwindowgeometry --shell "$window" | sed -n '/^[XYWH]/p')"
    xdotool windowfocus --sync "$window"
}

left() { # left NAME: it ends, by itself, and ferry has gone before
    ended "$1" 0
    expect "$1: ferry has left" \
        "$(grep -c '^ferry-hash-window: the longest turn' out)" 1
}

close_window() { # close_window NAME
    # What a window that is drawn late has waited for, as the kernel counts it.
    waited=$(cut -d ' ' -f 2 "/proc/$pid/schedstat")
    waited=$((waited / 1000000))
    xdotool key ctrl+w
    left "$1"
}

# The buttons' middles, from the window's lower right corner.
click() { # click hash|cancel
    local x=73
    [ "$1" = hash ] || x=192
    xdotool mousemove $((X + WIDTH - x)) $((Y + HEIGHT - 35)) click 1
}

said() { grep -qs "$1" out; }
finished() { [ "$(grep -cs ': hashed, ' out)" = "$1" ]; }

picture() { import -window "$window" "$pictures/$1.png"; }
filled() { # filled NAME: how many pixels of the bar in that picture are filled?
    convert "$pictures/$1.png" -depth 8 ppm:- | python3 "$here/bar.py"
}

circumstances() {
    echo "GTK's thread waited for a processor for $waited ms in all," \
        "load average $(cut -d ' ' -f 1 /proc/loadavg)"
}

print_figures() { # print_figures TITLE
    echo "$1: $(sed -n 's/^tree: .* bytes in/hashing for/p' out);" \
        "$(sed -n 's/^ferry-hash-window: /ferry: /p' out); $(circumstances)"
}

# ---- how steadily it is drawn ----

start_display
make_tree
expected=$(reference tree)
echo "$MEGABYTES MiB of random bytes, $(nproc) processors; frames come every 16.7 ms"

for round in 1 2 3; do
    start tree
    sleep 1
    xdotool key alt+h
    until_true 120 finished 1
    expect "a whole run: files" "$(sed -n 's/^tree: hashed, \(.*\): .*/\1/p' out)" \
        "$(find tree -type f -print0 | tr -cd '\0' | wc -c) files, 0 not read"
    expect "a whole run: the digest is sha256sum's" \
        "$(sed -n 's/^tree: hashed, .*: //p' out)" "$expected"
    close_window "after a whole run"
    print_figures "run $round"
done

# For comparison: a window at rest, beside others' processes that take as much.
busy=()
start tree
for _ in $(seq "$(nproc)"); do nice sha256sum /dev/zero & busy+=($!); done
sleep 5
kill "${busy[@]}"
close_window "beside busy processes"
echo "without ferry: a window at rest beside $(nproc) busy processes:" \
    "$(sed -n 's/^tree: .* at rest //p' out); $(circumstances)"

# ---- what is seen ----

# Takes pictures until the run is over; then each must have more of the bar filled.
watch_bar() {
    local count=0 last=0 more=0 now i
    until finished 1 || [ $count = 100 ]; do
        count=$((count + 1))
        picture "hashing-$count"
        sleep 0.2
    done
    for i in $(seq $((count - 1))); do # the last one may have been too late
        now=$(filled "hashing-$i")
        if [ "$now" -gt "$last" ]; then more=$((more + 1)); fi
        [ "$now" -ge "$last" ] || fail "the bar goes back from $last to $now"
        values+=" $now"
        last=$now
    done
    holds "the bar grows, at least from three pictures to the next" [ "$more" -ge 3 ]
}

rm -f "$pictures"/hashing-*.png
start tree
picture resting
expect "at rest the bar is empty" "$(filled resting)" 0
values=
click hash
watch_bar
until_true 120 finished 1
sleep 0.2
picture finished
full=$(filled finished)
echo "the bar:$values of $full pixels"
holds "in the end it is full" [ "$full" -gt $((WIDTH - 50)) ]
holds "before that it was not" [ "$(awk '{print $NF}' <<<"$values")" -lt "$full" ]

# ---- cancelling ----

click hash
sleep 0.5
picture again
holds "a second run begins with an empty bar" [ "$(filled again)" -lt "$full" ]
before=$(milliseconds)
click cancel
until_true 10 said ': cancelled'
took=$(($(milliseconds) - before))
holds "a cancel ends it promptly" [ "$took" -lt 1000 ]
sleep 0.1
picture cancelled
expect "then the bar is empty" "$(filled cancelled)" 0
finished 1 || fail "what was cancelled has no result"
click hash
until_true 120 finished 2
expect "then another run comes to its end" \
    "$(sed -n 's/^tree: hashed, .*: //p' out | tail -n 1)" "$expected"
xdotool key alt+h
sleep 0.3
xdotool key alt+c
cancelled_twice() { [ "$(grep -c ': cancelled' out)" = 2 ]; }
holds "with the keyboard it is the same" until_true 10 cancelled_twice
close_window "after cancels"
print_figures "with pictures and cancels"
echo "from the click on Cancel to the end of the run: $took ms"

# ---- closing, and what cannot be read ----

start tree
click hash
sleep 0.5
close_window "closed while it hashes"
expect "closed while it hashes: it was cancelled" "$(grep -c ': cancelled' out)" 1

start tree 'tree/small ones'
for window in $(windows); do
    xdotool windowfocus --sync "$window" key alt+h
done
sleep 0.3
kill -TERM "$pid"
left "two windows, terminated while they hash"
expect "two windows: a line for each" "$(grep -c 'longest gap' out)" 2

mkdir -p unreadable/directory
echo fine >unreadable/fine
echo secret >unreadable/secret
echo secret >unreadable/directory/secret
chmod 0 unreadable/secret unreadable/directory
start unreadable
click hash
until_true 20 finished 1
sleep 0.2
picture unreadable
chmod 755 unreadable/directory
rm -r unreadable/secret unreadable/directory
expect "what cannot be read is left out" "$(sed -n 's/.*: hashed, //p' out)" \
    "1 files, 2 not read: $(reference unreadable)"
close_window "after files that cannot be read"

start nowhere
click hash
until_true 20 finished 1
expect "a tree that is not there" "$(sed -n 's/.*: hashed, \(.*\): .*/\1/p' out)" \
    "0 files, 1 not read"
close_window "after a tree that is not there"

finish
