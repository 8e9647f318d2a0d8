#!/bin/sh
# Checks a release beside the tests: licences, advisories and unused dependencies; one version everywhere; a build with the oldest
# supported compiler. Writes SBOMs to target/sbom. Prints at the end what could not be checked.
set -eu

CARGO=${CARGO:-cargo}
# A copy of RustSec's advisories (github.com/RustSec/advisory-db), for machines without access to GitHub.
ADVISORY_DB=${ADVISORY_DB:-}
target=${CARGO_TARGET_DIR:-target}
unchecked=""

fail() {
    echo "release-check: $*" >&2
    exit 1
}

not_checked() {
    unchecked="$unchecked
  - $*"
}

has() {
    $CARGO "$1" --help >/dev/null 2>&1
}

# --- Tools

missing=""
for tool in deny machete cyclonedx; do
    has "$tool" || missing="$missing cargo-$tool"
done
[ -z "$ADVISORY_DB" ] || has audit || missing="$missing cargo-audit"
[ -z "$missing" ] || fail "missing:$missing. Install: cargo install --locked$missing"

# --- Versions

package() {
    sed -n "s/^$1 = \"\(.*\)\"\$/\1/p" Cargo.toml | head -1
}
version=$(package version)
oldest=$(package rust-version)
echo "== version $version, Rust $oldest or newer"
for file in */Cargo.toml testbed/*/Cargo.toml; do
    for field in version rust-version; do
        grep -q "^$field.workspace = true" "$file" || fail "$file has a $field of its own"
    done
done
grep -q "^FROM rust:$oldest-" Dockerfile || fail "Dockerfile does not build with Rust $oldest"
grep -q "Rust $oldest or newer" README.md || fail "README.md does not ask for Rust $oldest"
heading=$(grep -F "## [$version] - " CHANGELOG.md) || fail "CHANGELOG.md has no section [$version]"
case $heading in
    *-[0-9][0-9]-[0-9][0-9]) ;;
    *) not_checked "the date of $version: CHANGELOG.md has none" ;;
esac
$CARGO metadata --locked --format-version 1 >/dev/null || fail "Cargo.lock is not up to date"

case $(rustc --version) in
    "rustc $oldest".*) $CARGO check --quiet --locked --workspace --all-targets ;;
    *)
        if rustup run "$oldest" rustc --version >/dev/null 2>&1; then
            CARGO_TARGET_DIR=$target/oldest rustup run "$oldest" cargo check --quiet --locked --workspace --all-targets
        else
            not_checked "the build with Rust $oldest: rustup toolchain install $oldest --profile minimal"
        fi ;;
esac

# --- Dependencies

echo "== licences, sources, bans"
$CARGO deny check bans licenses sources
echo "== advisories"
if [ -n "$ADVISORY_DB" ]; then
    $CARGO audit --db "$ADVISORY_DB" --no-fetch --stale --deny unsound --deny yanked
elif $CARGO deny fetch db >/dev/null 2>&1; then
    $CARGO deny check advisories
else
    not_checked "advisories: RustSec's data could not be fetched. Set ADVISORY_DB to a copy of github.com/RustSec/advisory-db"
fi
echo "== unused dependencies"
$CARGO machete

# --- SBOMs

echo "== SBOMs"
mkdir -p "$target/sbom"
# cargo-cyclonedx writes next to each Cargo.toml, with the path of this folder.
trap 'rm -f ./*/*_bin.cdx.json' EXIT
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct) $CARGO cyclonedx --quiet --format json --spec-version 1.5 --describe binaries
for service in chat-service notification-service; do
    bill=$target/sbom/$service-$version.cdx.json
    sed "s|file://$PWD|file:///neonchat|g" "$service/${service}_bin.cdx.json" >"$bill"
    echo "$bill"
done

[ -z "$unchecked" ] || echo "Not checked:$unchecked"
