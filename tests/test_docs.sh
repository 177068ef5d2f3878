#!/bin/bash
# Checks what README.md and docs/ say, as far as a machine can: the programs compile, the
# names exist, the links lead somewhere.  SPDX-License-Identifier: MIT
#
# test_docs.sh ROOT, with CC set. Code blocks are told apart by their first line:
#
#     ```c             a whole file if it begins with an #include or a comment; else left
#                      alone, if it is of three lines at most, and a failure if longer
#     ```c fragment    statements: compiled as a block in a function, after fragment.h
#     ```cpp           a whole file in C++
#
# A block that follows <!-- PATH --> is the same as that file.
set -u
export LC_ALL=C

cd "${1:?usage: test_docs.sh ROOT}" || exit 2
pages=(README.md docs/*.md)
here=tests/test_docs
work=$(mktemp -d) || exit 2
trap 'rm -rf "$work"' EXIT
passed=0 failed=0 skipped=0

pass() { passed=$((passed + 1)); }
fail() { failed=$((failed + 1)); echo "FAILED: $1"; }
skip() { skipped=$((skipped + 1)); echo "skipped: $1"; }

# ---- code ----

# Writes each block of a page into a file <line of its beginning>.<its language>, and the
# path that stands above it into <line>.source.
split() { # split PAGE DIRECTORY
    awk -v directory="$2" '
        /^<!-- [^ ]+ -->$/ { source = $2; next }
        !inside && /^```/ {
            inside = 1
            kind = substr($0, 4)
            gsub(/ /, "-", kind)
            file = directory "/" NR "." (kind == "" ? "text" : kind)
            printf "" > file
            if (source != "") print source > (directory "/" NR ".source")
            source = ""
            next
        }
        inside && /^```$/ { inside = 0; close(file); next }
        inside { print > file; next }
        NF { source = "" }
    ' "$1"
}

# The warnings are everybody's; the features those that the compilers have without -std.
compile() { # compile TITLE FILE LANGUAGE STANDARD COMPILER...
    local title=$1 file=$2 language=$3 standard=$4
    shift 4
    if "$@" -x "$language" "-std=$standard" -D_GNU_SOURCE -Wall -Wextra -Werror -O1 \
        -Iinclude -idirafter "$here" -c "$file" -o "$work/object" 2>"$work/errors"
    then
        pass
    else
        fail "$title does not compile"
        cat "$work/errors"
    fi
}

check_c() { # check_c TITLE FILE
    if grep -m 1 -v '^$' "$2" | grep -qE '^(#include|/\*)'; then
        # shellcheck disable=SC2086 # a compiler may be several words
        compile "$1" "$2" c c11 ${CC:-cc}
    elif [ "$(wc -l <"$2")" -gt 3 ]; then
        fail "$1 is longer than three lines, and neither a program nor a fragment"
    fi
}

check_fragment() { # check_fragment TITLE FILE
    {
        echo '#include "fragment.h"'
        echo '#pragma GCC diagnostic ignored "-Wunused-variable"'
        echo '#pragma GCC diagnostic ignored "-Wunused-but-set-variable"'
        echo 'int fragment(void *arg);'
        echo 'int fragment(void *arg)'
        echo '{'
        echo 'int rc = 0; (void)arg; (void)rc; {'
        echo '#line 1'
        cat "$2"
        echo '} return rc; }'
    } >"$work/fragment.c"
    # shellcheck disable=SC2086
    compile "$1" "$work/fragment.c" c c11 ${CC:-cc}
}

check_cpp() { # check_cpp TITLE FILE
    if command -v c++ >/dev/null; then
        compile "$1" "$2" c++ c++11 c++
    else
        skip "$1: there is no compiler for C++"
    fi
}

check_same() { # check_same TITLE BLOCK FILE
    if diff -u --label "$3" --label "$1" "$3" "$2"; then
        pass
    else
        fail "$1 is not the same as $3"
    fi
}

check_block() { # check_block PAGE FILE
    local file=$2 line kind
    line=$(basename "${file%.*}") kind=${file##*.}
    local title="$1:$line"
    case $kind in
    c) check_c "$title" "$file" ;;
    c-fragment) check_fragment "$title" "$file" ;;
    cpp) check_cpp "$title" "$file" ;;
    text | sh) ;;
    source) check_same "$1:$line" "$(ls "${file%.source}".c*)" "$(cat "$file")" ;;
    *) fail "$title: a block of a kind that nobody checks: $kind" ;;
    esac
}

check_code() { # check_code PAGE
    local blocks file
    blocks=$(mktemp -d -p "$work")
    split "$1" "$blocks"
    for file in "$blocks"/*; do
        [ ! -e "$file" ] || check_block "$1" "$file"
    done
}

# ---- prose ----

prose() { # prose PAGE: without the blocks of code
    awk '/^```/ { inside = !inside; next } !inside' "$1"
}

check_links() { # check_links PAGE
    local target broken=
    for target in $(prose "$1" | grep -oE '\]\([^)]+\)' | sed -E 's/^\]\(//; s/\)$//'); do
        case $target in
        http*) continue ;;
        '#'*) has_heading "$1" "${target#\#}" || broken+=" $target" ;;
        *) leads_somewhere "$(dirname "$1")" "$target" || broken+=" $target" ;;
        esac
    done
    if [ -z "$broken" ]; then pass; else fail "$1 has links to nowhere:$broken"; fi
}

leads_somewhere() { # leads_somewhere DIRECTORY TARGET
    [ -e "$1/${2%%#*}" ] || return 1
    [ "${2#*#}" = "$2" ] || has_heading "$1/${2%%#*}" "${2#*#}"
}

has_heading() { # has_heading PAGE ANCHOR: lower case, no punctuation, hyphens for spaces
    prose "$1" | sed -nE 's/^#+ //p' | tr 'A-Z ' 'a-z-' | tr -cd 'a-z0-9_\n-' |
        grep -qxF -e "$2"
}

check_width() { # check_width PAGE: tables and the marks above code may be wider
    local wide
    wide=$(prose "$1" | grep -vE '^(\||<!--)' | grep -E '^.{91,}' | head -3)
    if [ -z "$wide" ]; then pass; else fail "$1 has lines of more than 90: $wide"; fi
}

# ---- names ----

public_names() {
    cat include/ferry.h include/ferry/*.h | grep -oE '\b(ferry|FERRY)_[A-Za-z0-9_]+' |
        sort -u
    sed -nE 's/^ +X\(([A-Z_]+), .*/FERRY_E_\1/p' include/ferry/error.h
    printf '%s\n' FERRY_NO_INSTALL FERRY_TEST_BACKEND # environment variables
}

# Names of ferry's and paths in backquotes or in code: each must exist.
check_names() { # check_names PAGE
    local unknown
    unknown=$(grep -oE '\b(ferry|FERRY)_[A-Za-z0-9_]*[a-zA-Z0-9]\b' "$1" | sort -u |
        comm -23 - <({ public_names; inside_names; } | sort -u) | tr '\n' ' ')
    if [ -z "$unknown" ]; then pass; else fail "$1 names what is nowhere: $unknown"; fi
}

inside_names() {
    grep -rhoE '\b(ferry|FERRY)__[A-Za-z0-9_]+' src include
}

check_paths() { # check_paths PAGE
    local path missing=
    # shellcheck disable=SC2016 # backquotes, not a command
    for path in $(prose "$1" |
        grep -oE '`(src|tests|tools|examples|bench|include|docs)/[A-Za-z0-9_./-]*`' |
        tr -d '`' | sort -u); do
        [ -e "$path" ] || missing+=" $path"
    done
    # shellcheck disable=SC2016
    for path in $(prose "$1" | grep -oE '`[a-z]+/[a-z0-9_]+\.[chS]`' | tr -d '`'); do
        [ -e "src/$path" ] || [ -e "$path" ] || missing+=" $path"
    done
    if [ -z "$missing" ]; then pass; else fail "$1 names files that are not there:$missing"; fi
}

# What docs/anyio.md and docs/internals.md promise to be complete in.
check_complete() {
    local name missing=
    for name in $(cat include/ferry/*.h | grep -oE '\bferry_[a-z_]+\(' | tr -d '(' |
        sort -u); do
        grep -qwF "$name" docs/anyio.md || missing+=" $name"
    done
    if [ -z "$missing" ]; then pass; else fail "docs/anyio.md lacks$missing"; fi
    missing=
    for name in $(cd src && find . -name '*.[chS]' | sed 's|^\./||' | sort); do
        grep -qF "\`$name\`" docs/internals.md || missing+=" $name"
    done
    if [ -z "$missing" ]; then pass; else fail "docs/internals.md lacks$missing"; fi
}

for page in "${pages[@]}"; do
    check_code "$page"
    check_links "$page"
    check_width "$page"
    check_names "$page"
    check_paths "$page"
done
check_complete

echo "ferry-test: $passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
