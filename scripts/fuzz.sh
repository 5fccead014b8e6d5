#!/bin/sh
# Fuzzes the C interface: random calls in random order, processors running meanwhile.
#
# usage: scripts/fuzz.sh plain|asan|tsan [seconds [seed [threads]]]
#
# asan and tsan build with AddressSanitizer or ThreadSanitizer into a target directory of their own, for which the
# stable compiler is told to accept its unstable options; tsan also builds the standard library and needs its source
# (rustup component add rust-src).
set -eu
cd "$(dirname "$0")/.."

kind=${1:-plain}
seconds=${2:-60}
seed=${3:-1}
host=x86_64-unknown-linux-gnu
# One command line for all three, so that only the sanitizer differs.
set -- "$seconds" "$seed" "${4:-}"
build() { cargo build --release -p openwhp-conformance --bin fuzz-capi "$@"; }

case $kind in
plain)
  build
  program=${CARGO_TARGET_DIR:-target}/release/fuzz-capi
  ;;
asan)
  export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="${OPENWHP_SANITIZER_DIR:-target/sanitizers}/asan"
  RUSTFLAGS="-Zsanitizer=address" build --target $host
  program=$CARGO_TARGET_DIR/$host/release/fuzz-capi
  # The library handles faults of guest memory itself, and calls the sanitizer's handler for the rest.
  export ASAN_OPTIONS="allow_user_segv_handler=1:detect_leaks=1:${ASAN_OPTIONS:-}"
  ;;
tsan)
  export RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR="${OPENWHP_SANITIZER_DIR:-target/sanitizers}/tsan"
  RUSTFLAGS="-Zsanitizer=thread" build -Zbuild-std --target $host
  program=$CARGO_TARGET_DIR/$host/release/fuzz-capi
  export TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:${TSAN_OPTIONS:-}"
  ;;
*)
  sed -n '4s/^# //p' "$0" >&2
  exit 2
  ;;
esac

if [ -n "$3" ]; then
  exec "$program" --seconds "$1" --seed "$2" --threads "$3"
fi
exec "$program" --seconds "$1" --seed "$2"
