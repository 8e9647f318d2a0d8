#!/bin/sh
# Builds the services with one defect after another, and has `testbed chaos` find each. First without any, which has to
# be green.
set -eu

CARGO=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}/mutant

chaos() {
    features=$1
    shift
    # shellcheck disable=SC2086 # a list of words, or none
    $CARGO build --quiet --profile mutant --workspace --bins $features
    "$target/testbed" chaos --quick --seed 1 "$@"
}

must_be_found() {
    defect=$1
    shift
    echo "== $defect"
    if output=$(chaos "--features $defect" "$@"); then
        echo "$output"
        echo "$defect was not found" >&2
        exit 1
    fi
    echo "$output"
    case $output in
        *"Promises were broken"*) ;;
        *) echo "$defect: that is no verdict" >&2; exit 1 ;;
    esac
}

echo "== no defect"
chaos "" --fault none --fault slow-redis --fault redis-cut-subscribers --fault kill-postgres --fault kill-chat
must_be_found chat-service/defect-ack-before-commit --fault kill-postgres --fault kill-chat --fault kill-postgres
must_be_found notification-service/defect-no-reorder-buffer --fault none --fault slow-redis
must_be_found notification-service/defect-no-resync --fault redis-cut-subscribers --fault kill-redis
echo "Each defect was found."
