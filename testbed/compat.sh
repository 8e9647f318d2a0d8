#!/bin/sh
# Plays end-to-end tests of an earlier commit, unchanged, against the services of this tree: both, and one of them with the other
# service of that commit, as during an upgrade. The argument is the commit.
set -eu

cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
earlier=$(git rev-parse --verify --quiet "${1:?which commit?}^{commit}") || { echo "$1 is not a commit of this repository" >&2; exit 2; }
# What clients and operators do. The other tests are about documents and commands of their own commit.
tests="journey restarts redis_faults watching"
folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/compat
new=$(realpath -m "${CARGO_TARGET_DIR:-target}")/debug
old=$folder/target/debug

$CARGO build --quiet --workspace --bins
rm -rf "$folder/tree"
mkdir -p "$folder/tree"
git archive "$earlier" | tar --extract --touch --directory "$folder/tree"
cd "$folder/tree"
export CARGO_TARGET_DIR="$folder/target"
$CARGO build --quiet --workspace --bins
runner=$($CARGO test --quiet --no-run --package neonchat-testbed --test e2e --message-format json |
    sed -n 's/.*"executable":"\([^"]*\/e2e-[^"]*\)".*/\1/p')

# NAME CHAT NOTIFICATION: plays the tests against the services of these folders.
play() {
    echo "== $1"
    mix=$folder/mix
    rm -rf "$mix"
    mkdir "$mix"
    # The tests start the services in their own folder.
    cp "$runner" "$mix/e2e"
    cp "$2/chat-service" "$3/notification-service" "$old/testbed" "$mix"
    # shellcheck disable=SC2086 # a list of words
    (cd testbed && "$mix/testbed" exec "$mix/e2e" $tests)
}

play "both services are new" "$new" "$new"
play "chat-service is new" "$new" "$old"
play "notification-service is new" "$old" "$new"
