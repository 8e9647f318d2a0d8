#!/usr/bin/env bash
# Checks the SDK for JavaScript: types, the types of the REST API, the content of the package. `check.sh install` only installs the
# tools. Without Node.js 20 or its tools it is skipped, with a message.
set -euo pipefail
cd "$(dirname "$0")"

. ../../testbed/node.sh

mode=${1:-check}
node_tools sdk-js "$mode"
[ "$mode" = check ] || exit 0

node_modules/.bin/tsc -p tsconfig.json
node_modules/.bin/tsc -p tsconfig.node.json
"${CHAT_SERVICE:-../../target/debug/chat-service}" openapi | node scripts/generate.js --check
node scripts/types.js
listing=$(npm pack --dry-run --ignore-scripts --json)
node -e '
  const [{ files }] = JSON.parse(process.argv[1]);
  const names = new Set(files.map(({ path }) => path));
  const entries = Object.values(require("./package.json").exports).flatMap(Object.values);
  for (const name of [...entries, "./README.md"]) if (!names.has(name.slice(2))) throw new Error(`${name} is not in the package`);
  for (const name of names) if (!/^(src|types)\/|^(package\.json|README\.md)$/.test(name)) throw new Error(`${name} is in the package`);
' "$listing"
echo "sdk-js: types checked, package complete"
