#!/bin/sh
# Builds the measurements and runs them.  SPDX-License-Identifier: MIT
set -eu
cd "$(dirname "$0")/.."

mkdir -p build
tools/build.sh release -Dbench=enabled >build/bench.log 2>&1 || {
    cat build/bench.log
    exit 1
}
exec build/release/bench/ferry-bench "$@"
