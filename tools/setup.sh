#!/bin/sh
# Installs the Debian packages that a target of the Makefile needs; silent when all are
# there. SPDX-License-Identifier: MIT
#
# setup.sh build|demo|check|cross|coverage|desktop|model|bench.
# What counts is whether the thing works, not where it comes from: each package has a
# probe, and only those whose probe fails are installed.
# FERRY_NO_INSTALL=1 forbids it: then what is missing is printed, and it fails.
set -eu

group=${1:?usage: setup.sh build|demo|check|cross|coverage|desktop|model|bench}

has_command() { command -v "$1" >/dev/null 2>&1; }
has_library() { pkg-config --exists "$1" 2>/dev/null; }
has_header() { echo "#include <$1>" | c++ -x c++ -E -o /dev/null - 2>/dev/null; }

has_linux_headers() { [ -e /usr/include/linux/futex.h ]; }
can_build() {
    echo 'int main(void) { return 0; }' | "$1" -x c -o /dev/null - 2>/dev/null
}

has_compiler() {
    has_command cc && has_command gcc && has_command c++ && has_command make &&
        echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2>/dev/null
}

has_tsan() {
    echo 'int main(void) { return 0; }' |
        clang -fsanitize=thread -x c -o /dev/null - 2>/dev/null
}

# The runtime of the clang that is there, or of Debian 12's.
tsan_package() {
    version=$(clang -dumpversion 2>/dev/null || echo 14)
    echo "libclang-rt-${version%%.*}-dev"
}

missing=
need() { # need PACKAGE PROBE...
    package=$1
    shift
    "$@" || missing="$missing $package"
}

need build-essential has_compiler
need meson has_command meson
need ninja-build has_command ninja
need pkg-config has_command pkg-config
[ "$group" = cross ] || need libuv1-dev has_library libuv
case $group in
build) ;;
demo)
    need libssl-dev has_library libcrypto
    ;;
check)
    need check has_library check
    need libssl-dev has_library libcrypto
    need libglib2.0-dev has_library gio-unix-2.0
    need libglib2.0-bin has_command gdbus
    need dbus-daemon has_command dbus-run-session
    need libmicrohttpd-dev has_library libmicrohttpd
    need libjansson-dev has_library jansson
    need libsqlite3-dev has_library sqlite3
    need libsystemd-dev has_library libsystemd
    need sqlite3 has_command sqlite3
    need curl has_command curl
    need wrk has_command wrk
    need clang has_command clang
    need "$(tsan_package)" has_tsan
    need valgrind has_command valgrind
    ;;
coverage)
    need check has_library check
    need libssl-dev has_library libcrypto
    need libglib2.0-dev has_library gio-unix-2.0
    need gcovr has_command gcovr
    ;;
cross)
    need gcc-aarch64-linux-gnu can_build aarch64-linux-gnu-gcc
    need gcc-arm-linux-gnueabihf can_build arm-linux-gnueabihf-gcc
    need gcc-riscv64-linux-gnu can_build riscv64-linux-gnu-gcc
    need libc6-dev-arm64-cross can_build aarch64-linux-gnu-gcc
    need libc6-dev-armhf-cross can_build arm-linux-gnueabihf-gcc
    need libc6-dev-riscv64-cross can_build riscv64-linux-gnu-gcc
    need qemu-user has_command qemu-riscv64
    need musl-tools can_build musl-gcc
    need linux-libc-dev has_linux_headers
    need python3 has_command python3
    ;;
desktop)
    need libglib2.0-dev has_library glib-2.0
    need libgtk-3-dev has_library gtk+-3.0
    need xvfb has_command Xvfb
    need xdotool has_command xdotool
    need imagemagick has_command import
    ;;
model)
    need spin has_command spin
    ;;
bench)
    need libglib2.0-dev has_library gio-2.0
    need libssl-dev has_library libcrypto
    need libasio-dev has_header asio.hpp
    need libboost-fiber-dev has_header boost/fiber/all.hpp
    need libboost-context-dev has_header boost/context/fiber.hpp
    need gnuplot-nox has_command gnuplot
    need python3 has_command python3
    ;;
*)
    echo "setup.sh: no group is called $group" >&2
    exit 2
    ;;
esac

[ -n "$missing" ] || exit 0
echo "ferry needs these packages for '$group':$missing"

give_up() {
    echo "setup.sh: $1; please install them yourself" >&2
    exit 1
}

[ "${FERRY_NO_INSTALL:-0}" != 1 ] || give_up 'FERRY_NO_INSTALL=1 is set'
has_command apt-get || give_up 'the names are Debian'\''s, and there is no apt-get'
as_root=
if [ "$(id -u)" != 0 ]; then
    has_command sudo || give_up 'this takes root or sudo'
    as_root=sudo
fi
echo "Installing them with apt-get."
$as_root apt-get update
# shellcheck disable=SC2086 # words are meant to be split
$as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends $missing
