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
. testbed/llvm.sh

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
