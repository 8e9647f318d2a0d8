#!/bin/sh
# How many lines of the workspace the whole suite runs, the services as processes of their own included: everything is built
# instrumented, and each process writes down what it ran when it ends. Fails below MINIMUM per cent.
set -eu

CARGO=${CARGO:-cargo}
MINIMUM=${MINIMUM:-80}

if ! $CARGO llvm-cov --version >/dev/null 2>&1; then
    echo "cargo-llvm-cov is missing: cargo install --locked cargo-llvm-cov" >&2
    exit 1
fi
# LLVM's own tools read what was written down: those of the compiler, or Debian's. Of the latter, 19 is known to read what
# rustc 1.95 writes.
compilers=$(rustc --print sysroot)/lib/rustlib/$(rustc -vV | sed -n 's/^host: //p')/bin
if [ -z "${LLVM_COV:-}" ] && [ ! -x "$compilers/llvm-cov" ]; then
    newest=$(for tool in /usr/bin/llvm-cov-*; do echo "${tool##*-}"; done | sort -n | tail -1)
    if ! [ "$newest" -ge 19 ] 2>/dev/null; then
        echo "llvm-cov is missing: rustup component add llvm-tools" >&2
        echo "or, on Debian or Ubuntu: sudo apt-get install llvm-19 (or newer). LLVM_COV=… LLVM_PROFDATA=… name them elsewhere." >&2
        exit 1
    fi
    export LLVM_COV="/usr/bin/llvm-cov-$newest" LLVM_PROFDATA="/usr/bin/llvm-profdata-$newest"
fi

# Apart from what is built without: neither is built anew because of the other.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/coverage
export CARGO_TARGET_DIR="$target"
variables=$($CARGO llvm-cov show-env --sh)
eval "$variables"
$CARGO llvm-cov clean --profraw-only
# The tests with them: by themselves the programs would be built with fewer features, and once more for the tests.
$CARGO build --workspace --bins --tests
tests=passed
"$target/debug/testbed" exec "$CARGO" test --workspace --no-fail-fast || tests=failed

# A process that is killed while it writes leaves a file that cannot be read.
report() {
    $CARGO llvm-cov report --failure-mode all "$@"
}
report --html --output-dir "$target"
report --json --summary-only --output-path "$target/coverage.json"
report --fail-under-lines "$MINIMUM" || { echo "Less than $MINIMUM % of the lines were run." >&2; exit 1; }
echo "Line by line: $target/html/index.html"
[ "$tests" = passed ] || { echo "Some tests failed: see above." >&2; exit 1; }
