#!/usr/bin/env bash
# Runs Autobahn's test suite against an echo over the WebSocket stack, and judges its report. See docs/TESTING.md.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$here/../../../target}
work=$target/autobahn
port=9001 # of fuzzingclient.json
python=${PYTHON2:-python2.7}

mkdir -p "$work"
export PYTHONUSERBASE=$work/python
"$python" -m pip install --user --quiet --no-warn-script-location --disable-pip-version-check autobahntestsuite==25.10.1

exec {echo}< <(exec "$target/debug/examples/echo" "$port")
echo_pid=$!
trap 'kill "$echo_pid" 2>/dev/null || true' EXIT
read -r -u "$echo" address || { echo "the echo did not start: is port $port taken?" >&2; exit 1; }
echo "the echo is at $address"

cd "$work"
rm -rf reports
"$python" "$PYTHONUSERBASE/bin/wstest" --mode fuzzingclient --spec "$here/fuzzingclient.json"
echo "the report is in $work/reports/index.html"
"$python" "$here/judge.py" reports/index.json
