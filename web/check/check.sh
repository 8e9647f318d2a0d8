#!/usr/bin/env bash
# Checks the web client: types, the vendored libraries, the size. `check.sh install` only installs the tools. Without Node.js 20 or its
# tools it is skipped, with a message.
set -euo pipefail
cd "$(dirname "$0")"

mode=${1:-check}

# Ends the check, but fails the tests, which cannot be skipped.
skip() {
  echo "web: $1" >&2
  [ "$mode" != check ] || { echo "web: skipped" >&2; exit 0; }
  exit 1
}

command -v npm > /dev/null && command -v node > /dev/null || skip "Node.js is not installed"
node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || skip "it needs Node.js 20 or newer"
stamp=node_modules/.installed
if ! cmp -s package-lock.json "$stamp"; then
  npm ci --ignore-scripts --no-audit --no-fund > npm-ci.log 2>&1 || { cat npm-ci.log >&2; skip "its tools cannot be installed"; }
  rm npm-ci.log
  cp package-lock.json "$stamp"
fi
[ "$mode" = check ] || exit 0

node_modules/.bin/tsc -p tsconfig.json
node_modules/.bin/tsc -p tsconfig.worker.json
node vendor.mjs --check
node budget.mjs
echo "web: types, vendored libraries and size checked"
