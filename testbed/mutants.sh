#!/bin/sh
# Builds the services with one deliberate defect at a time. `chaos` has to find each by the guarantee that it breaks. A
# run without a defect comes first and has to pass.
set -eu

CARGO=${CARGO:-cargo}
target=${CARGO_TARGET_DIR:-target}/mutant

chaos() {
    features=$1
    shift
    # shellcheck disable=SC2086 # a list of words, may be empty
    $CARGO build --quiet --profile mutant --workspace --bins $features
    "$target/chaos" --quick --seed 1 "$@"
}

# DEFECT BREACH FAULTS…: the breach that the faults have to find.
must_be_found() {
    defect=$1 breach=$2
    shift 2
    echo "== $defect"
    if output=$(chaos "--features $defect" "$@"); then
        echo "$output"
        echo "$defect was not found" >&2
        exit 1
    fi
    echo "$output"
    case $output in
        *"    $breach: "*"Promises were broken"*) ;;
        *) echo "$defect: chaos found no breach of the kind $breach" >&2; exit 1 ;;
    esac
}

echo "== no defect"
chaos "" --fault kill-postgres --fault kill-chat --fault slow-redis --fault silence
must_be_found chat-service/defect-ack-before-commit lost --fault kill-postgres --fault kill-chat
must_be_found notification-service/defect-no-reorder-buffer skip --fault slow-redis
must_be_found notification-service/defect-no-resync skip --fault silence
echo "Each defect was found."
