#!/bin/bash
# Checks the models in Promela beside the code with spin, exhaustively; the last line is
# "N passed, N failed".  SPDX-License-Identifier: MIT
#
# model.sh [MODEL.pml...]. Each model is searched for assertions that fail and for ends
# that are none, and then for runs without an end; a search that was cut short has
# failed. Then the mistakes that its head names, BUG_..., are planted one by one: a search
# that finds no error has failed. FERRY_KEEP=1 keeps build/model, with the trails.
set -u
cd "$(dirname "$0")/.." || exit 1

root=$PWD
models=("$@")
[ $# -gt 0 ] || models=(src/loop/inbox.pml src/threads/{slot,job,lane}.pml)
passed=0 failed=0

add() { # add NAME FAILED WHAT
    if [ "$2" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    [ "$2" = 0 ] || set -- "FAILED: $1" "$2" "$3"
    echo "$1: $3"
}

# In a directory of its own: spin and its program write where they are.
search() { # search DIRECTORY MODEL HOW [options of spin...]
    local directory=build/model/$1 model=$root/$2 compile=() run=()
    case $3 in
    safety) compile=(-DNOCLAIM) ;;
    liveness) run=(-a) ;;
    esac
    shift 3
    rm -rf "$directory"
    mkdir -p "$directory"
    (
        cd "$directory" || exit 1
        exec </dev/null
        spin "$@" -a "$model" &&
            cc -O1 -w -DMEMLIM=2000 "${compile[@]}" -o pan pan.c &&
            timeout 300 ./pan "${run[@]}" -m1000000
    ) >"$directory/log" 2>&1
}

is_whole() { # is_whole LOG: the search has come to its end, and all fitted
    grep -q '^Full statespace search for:' "$1" && grep -q 'errors: [0-9]' "$1" &&
        ! grep -qE 'Search not completed|max search depth too small|out of memory' "$1"
}

check() { # check MODEL HOW
    local directory log
    directory=$(basename "$1" .pml)-$2
    log=build/model/$directory/log
    if search "$directory" "$1" "$2" && is_whole "$log" && grep -q 'errors: 0$' "$log"
    then
        add "$1, $2" 0 "$(awk '/states, stored/ { print $1 }' "$log") states, exhaustive"
    else
        add "$1, $2" 1 "see $log"
        tail -n 40 "$log"
    fi
}

check_planted() { # check_planted MODEL BUG
    local directory log
    directory=$(basename "$1" .pml)-$2
    log=build/model/$directory/log
    search "$directory" "$1" safety "-D$2"
    if grep -q 'errors: [1-9]' "$log"; then
        add "$1, planted $2" 0 "found: $(sed -n 's/^pan:1: //p' "$log")"
    else
        add "$1, planted $2" 1 "not found, see $log"
    fi
}

for model in "${models[@]}"; do
    check "$model" safety
    check "$model" liveness
    grep -oE 'BUG_[A-Z_]+' "$model" | sort -u >build/model/planted
    while read -r bug; do
        check_planted "$model" "$bug"
    done <build/model/planted
done
[ "$failed" != 0 ] || [ "${FERRY_KEEP:-0}" = 1 ] || rm -rf build/model

echo "In $SECONDS s."
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
