#!/bin/sh
# Tests that `chaos` finds defects. Each patch in testbed/mutants puts one defect into a copy of the tracked files. `chaos` has to
# find it with the faults and as the kind of breach that the head of the patch names. A run without a defect comes first and has
# to pass. The first argument, if any, is the name of the only defect to test.
set -eu

cd "$(dirname "$0")/.."
CARGO=${CARGO:-cargo}
only=${1:-*}
patches=$PWD/testbed/mutants
folder=$(realpath -m "${CARGO_TARGET_DIR:-target}")/mutants
copy=$folder/tree
# The defective services are built there, apart from those of the tree itself.
export CARGO_TARGET_DIR="$folder/target"
# The copy is below the repository. Without this, git would take the paths in a patch as those of the repository.
export GIT_CEILING_DIRECTORIES="$folder"

# Fails if there is no such patch.
ls "$patches"/$only.patch >/dev/null

rm -rf "$copy"
mkdir -p "$copy"
# --touch: cargo rebuilds files that are newer than its last build. The last build may have had a defect.
git ls-files -z | tar --create --null --files-from=- | tar --extract --touch --directory "$copy"

# FIELD PATCH…: the value of a field in the head of each patch.
field() {
    name=$1
    shift
    sed -n "s/^$name: //p" "$@"
}

build() {
    $CARGO build --quiet --manifest-path "$copy/Cargo.toml" --workspace --bins
}

# FAULT…: runs chaos with these faults.
chaos() {
    for fault in "$@"; do
        shift
        set -- "$@" --fault "$fault"
    done
    "$CARGO_TARGET_DIR/debug/chaos" --quick --seed 1 "$@"
}

echo "== no defect"
build
# shellcheck disable=SC2046 # a list of words
chaos $(field Faults "$patches"/$only.patch | tr ' ' '\n' | sort -u)

for patch in "$patches"/$only.patch; do
    defect=$(basename "$patch" .patch)
    breach=$(field Breach "$patch")
    echo "== $defect"
    git -C "$copy" apply "$patch"
    build
    # shellcheck disable=SC2046 # a list of words
    if output=$(chaos $(field Faults "$patch")); then
        echo "$output"
        echo "$defect was not found" >&2
        exit 1
    fi
    echo "$output"
    case $output in
        *"    $breach: "*"Guarantees were violated"*) ;;
        *) echo "$defect: chaos found no breach of the kind $breach" >&2; exit 1 ;;
    esac
    git -C "$copy" apply --reverse "$patch"
done
echo "Each defect was found."
