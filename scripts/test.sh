#!/bin/sh
# Runs every test of the project. Needs a Rust toolchain and a C compiler; tests that want more (a distribution
# kernel, clang) say what they lack and why they did not run.
#
# usage: scripts/test.sh [cargo test arguments]
set -eu
cd "$(dirname "$0")/.."

# Guest programs and the C interface tests are built with the host's C compiler.
command -v cc >/dev/null 2>&1 || { echo "scripts/test.sh: a C compiler (cc) is needed: apt-get install gcc" >&2; exit 1; }

# Release: most tests execute guest code, which an unoptimised interpreter runs ten times slower.
exec cargo test --workspace --release "$@"
