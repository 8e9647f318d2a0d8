#!/bin/sh
# Measures the line coverage of all tests, including services that run as processes: everything is built with instrumentation,
# and each process writes its profile when it ends. Fails below MINIMUM percent.
set -eu

CARGO=${CARGO:-cargo}
MINIMUM=${MINIMUM:-80}

if ! $CARGO llvm-cov --version >/dev/null 2>&1; then
    echo "cargo-llvm-cov is missing: cargo install --locked cargo-llvm-cov" >&2
    exit 1
fi
# The profiles are read with LLVM's tools, from the Rust toolchain or from Debian. LLVM 19 reads the profiles of rustc 1.95.
compilers=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
if [ -z "${LLVM_COV:-}" ] && [ ! -x "$compilers/llvm-cov" ]; then
    newest=$(for tool in /usr/bin/llvm-cov-*; do echo "${tool##*-}"; done | sort -n | tail -1)
    if ! [ "$newest" -ge 19 ] 2>/dev/null; then
        echo "llvm-cov is missing: rustup component add llvm-tools" >&2
        echo "or, on Debian or Ubuntu: sudo apt-get install llvm-19 (or newer). Or set LLVM_COV=… and LLVM_PROFDATA=…" >&2
        exit 1
    fi
    export LLVM_COV="/usr/bin/llvm-cov-$newest" LLVM_PROFDATA="/usr/bin/llvm-profdata-$newest"
fi

# A target folder of its own, so that builds with and without instrumentation do not invalidate each other.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/coverage
export CARGO_TARGET_DIR="$target"
variables=$($CARGO llvm-cov show-env --sh)
eval "$variables"
$CARGO llvm-cov clean --profraw-only
# With the tests: alone, the programs would be built with fewer features, and rebuilt for the tests.
$CARGO build --workspace --bins --tests
tests=passed
"$target/debug/testbed" exec "$CARGO" test --workspace --no-fail-fast || tests=failed

# A process that is killed while it writes leaves an unreadable profile.
report() {
    $CARGO llvm-cov report --failure-mode all "$@"
}
report --html --output-dir "$target"
report --json --summary-only --output-path "$target/coverage.json"
report --fail-under-lines "$MINIMUM" || { echo "Line coverage is below $MINIMUM %." >&2; exit 1; }
echo "Report: $target/html/index.html"
[ "$tests" = passed ] || { echo "Some tests failed: see above." >&2; exit 1; }
