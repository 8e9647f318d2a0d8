#!/usr/bin/env bash
# Generates TypeScript and Python clients from the OpenAPI document that chat-service serves, compiles them, and validates
# docs/asyncapi.json. The tools have fixed versions and are installed below target/. A tool that cannot be installed is
# skipped, with a message; everything else that fails, fails the check.
set -euo pipefail
cd "$(dirname "$0")/../.."

ran="" skipped=""
sources=$PWD/docs/clients
work=$PWD/target/clients
mkdir -p "$work"
"${CHAT_SERVICE:-target/debug/chat-service}" openapi > "$work/openapi.json"

# install NAME VERSIONS COMMAND…: runs the command, once for each content of the file VERSIONS.
install() {
  local name=$1 versions=$2; shift 2
  local stamp=$work/$name.installed
  cmp -s "$versions" "$stamp" && return
  rm -f "$stamp"
  if "$@" > "$work/$name.log" 2>&1; then
    cp "$versions" "$stamp"
  else
    reason="its tools cannot be installed, see target/clients/$name.log"
    return 1
  fi
}

# run LOG COMMAND…: shows what the command printed only if it fails.
run() {
  local log=$work/$1.log; shift
  "$@" > "$log" 2>&1 || { cat "$log" >&2; echo "failed: $*" >&2; exit 1; }
}

npm_tools() {
  mkdir -p "$work/npm"
  cp "$sources/package.json" "$work/npm/package.json"
  npm install --prefix "$work/npm" --ignore-scripts --no-audit --no-fund
}

pip_tools() {
  python3 -m venv --clear "$work/venv"
  "$work/venv/bin/pip" install --requirement "$sources/requirements.txt"
}

typescript() {
  local bin=$work/npm/node_modules/.bin out=$work/typescript
  rm -rf "$out"; mkdir -p "$out"
  run generate-typescript "$bin/openapi-typescript" "$work/openapi.json" --output "$out/openapi.d.ts"
  cp "$sources/smoke.ts" "$out/smoke.ts"
  run compile-typescript "$bin/tsc" --strict --noEmit --target es2022 --moduleResolution bundler --module esnext "$out/smoke.ts"
  echo "typescript: generated and compiled"
  NODE_PATH=$work/npm/node_modules node "$sources/asyncapi.cjs" docs/asyncapi.json
}

# generate_python DOCUMENT OUT
generate_python() {
  rm -rf "$2"
  run generate-python "$work/venv/bin/openapi-python-client" generate --path "$1" --output-path "$2" \
    --meta none --config "$sources/python.yaml" --fail-on-warning
}

python() {
  local out=$work/python
  mkdir -p "$out"
  generate_python "$work/openapi.json" "$out/neonchat_client"
  "$work/venv/bin/python" "$sources/smoke.py" "$out"

  mkdir -p "$work/further"
  "$work/venv/bin/python" "$sources/further_event.py" < "$work/openapi.json" > "$work/further.json"
  generate_python "$work/further.json" "$work/further/neonchat_client"
  grep -q 'events: list\[.*FurtherEvent\b.*\bMessageEvent\b\|events: list\[.*MessageEvent\b.*\bFurtherEvent\b' "$work/further/neonchat_client/models/events.py" \
    || { echo "python: a further type of event is not in the union" >&2; exit 1; }
}

# did_run NAME, did_not_run NAME REASON: for the last line.
did_run() { ran="${ran:+$ran, }$1"; }
did_not_run() { skipped="${skipped:+$skipped, }$1 ($2)"; }

reason="Node.js is not installed"
if command -v node > /dev/null && command -v npm > /dev/null && install npm "$sources/package.json" npm_tools; then
  typescript
  did_run "typescript, asyncapi"
else
  did_not_run "typescript, asyncapi" "$reason"
fi
reason="Python is not installed"
if command -v python3 > /dev/null && install pip "$sources/requirements.txt" pip_tools; then
  python
  did_run python
else
  did_not_run python "$reason"
fi
echo "clients-check: ran: ${ran:-nothing}; skipped: ${skipped:-nothing}"
