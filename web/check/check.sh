#!/usr/bin/env bash
# Checks the web client: types, the vendored libraries, the size. `check.sh install` only installs the tools. Without Node.js 20 or its
# tools it is skipped, with a message.
set -euo pipefail
cd "$(dirname "$0")"

. ../../testbed/node.sh

mode=${1:-check}
node_tools web "$mode"
[ "$mode" = check ] || exit 0

node_modules/.bin/tsc -p tsconfig.json
node_modules/.bin/tsc -p tsconfig.worker.json
node vendor.mjs --check
node budget.mjs
echo "web: types, vendored libraries and size checked"
