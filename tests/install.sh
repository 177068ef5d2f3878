#!/bin/sh
# Installs the build into a directory of its own and uses it as a stranger would: headers
# one by one, programs in C and C++ by pkg-config, and one linked statically.
# SPDX-License-Identifier: MIT
#
# install.sh BUILD PREFIX LIBDIR uv|mock [glib], with CC and SOURCES (tests/test_install)
# set.
# shellcheck disable=SC2046,SC2086 # flags are words, meant to be split
set -eu

build=$1 prefix=$2 libdir=$3 backend=$4 glib=${5:-}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT INT TERM

DESTDIR=$root meson install -C "$build" --no-rebuild --quiet
here=$root$prefix
libraries=$here/$libdir
export PKG_CONFIG_PATH="$libraries/pkgconfig"
export LD_LIBRARY_PATH="$libraries"

pc() {
    pkg-config --define-variable=prefix="$here" "$@"
}

strict='-Wall -Wextra -Wpedantic -Werror'

echo "-- what is there"
for file in include/ferry.h include/ferry/base.h "$libdir/libferry.so.0" \
    "$libdir/libferry.a" "$libdir/pkgconfig/ferry.pc"; do
    test -e "$here/$file" || { echo "$file is not installed"; exit 1; }
done
if [ "$backend" = uv ]; then
    test -e "$here/include/ferry/uv.h" -a -e "$libraries/libferry-uv.so.0"
    test "$(pc --print-requires ferry-uv)" = ferry
else
    test ! -e "$here/include/ferry/uv.h" -a ! -e "$libraries/pkgconfig/ferry-uv.pc"
fi

if [ "$glib" = glib ]; then
    test -e "$here/include/ferry/glib.h" -a -e "$libraries/libferry-glib.so.0"
    test "$(pc --print-requires ferry-glib)" = ferry
else
    test ! -e "$here/include/ferry/glib.h" -a ! -e "$libraries/pkgconfig/ferry-glib.pc"
fi

echo "-- nothing but ferry's own names"
others=$(nm -D --defined-only "$libraries"/libferry*.so.0 | awk 'NF == 3 { print $3 }' |
    grep -v '^ferry_[a-z]' || true)
test -z "$others" || { echo "exported too:" "$others"; exit 1; }

echo "-- each header by itself"
for header in "$here"/include/ferry.h "$here"/include/ferry/*.h; do
    echo "#include <${header#"$here/include/"}>" >"$root/alone.c"
    $CC -std=c11 $strict $(pc --cflags ferry) -fsyntax-only "$root/alone.c"
done

echo "-- a program in C, which loads the default backend by name"
$CC -std=c11 $strict $(pc --cflags ferry) "$SOURCES/consumer.c" -o "$root/in_c" \
    $(pc --libs ferry)
"$root/in_c" "$backend"

if [ "$glib" = glib ]; then
    echo "-- the same program, which loads the adapter for GLib by name"
    "$root/in_c" glib
    echo "-- linked to the archives, which it registers by hand"
    $CC -std=c11 $strict -DWITH_GLIB $(pc --cflags ferry-glib) "$SOURCES/consumer.c" \
        -o "$root/glib_archives" "$libraries/libferry-glib.a" "$libraries/libferry.a" \
        $(pkg-config --libs glib-2.0) -pthread -lm
    env -u LD_LIBRARY_PATH "$root/glib_archives" glib
else
    echo "-- the same program, which finds no adapter for GLib"
    if "$root/in_c" glib 2>"$root/refusal"; then exit 1; fi
    grep -q FERRY_E_NO_BACKEND "$root/refusal"
fi

if command -v c++ >/dev/null; then
    echo "-- one in C++"
    c++ -std=c++11 $strict $(pc --cflags ferry) "$SOURCES/consumer.cc" -o "$root/in_cc" \
        $(pc --libs ferry)
    "$root/in_cc" "$backend"
fi

if [ "$backend" = uv ]; then
    echo "-- one that links the adapter"
    $CC -std=c11 $strict -DWITH_UV $(pc --cflags ferry-uv) "$SOURCES/consumer.c" \
        -o "$root/with_uv" $(pc --libs ferry-uv)
    "$root/with_uv" uv
    echo "-- one that is linked to both archives"
    $CC -std=c11 $strict -DWITH_UV $(pc --cflags ferry-uv) "$SOURCES/consumer.c" \
        -o "$root/archives" "$libraries/libferry-uv.a" "$libraries/libferry.a" \
        $(pkg-config --libs libuv) -pthread -lm
    env -u LD_LIBRARY_PATH "$root/archives" uv
fi
