#!/usr/bin/env bash
# Tests the running system against its OpenAPI document with schemathesis (https://schemathesis.io).
# Arguments are passed on to schemathesis: `--max-examples 500`, `--seed 1`.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
target=${CARGO_TARGET_DIR:-$(cd "$here/../../.." && pwd)/target}
version=4.32.5

venv=$target/schemathesis-$version
if [ ! -x "$venv/bin/schemathesis" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "schemathesis==$version"
fi

# Runs the system in its own folder and on its own ports until this script ends.
folder=$(mktemp -d)
chmod 755 "$folder"
read -r rest chat_grpc notification_grpc websocket < <(python3 -c '
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(4)]
ports = [socket.getsockname()[1] for socket in sockets]
for socket in sockets:
    socket.close()
print(*ports)')
cd "$folder"
CHAT_SERVICE_PORT=$rest CHAT_GRPC_PORT=$chat_grpc NOTIFICATION_GRPC_PORT=$notification_grpc \
    NOTIFICATION_WS_PORT=$websocket RATE_LIMIT_PER_MINUTE=0 GROUPS_PER_DAY=0 GROUP_ADDS_PER_DAY=0 BCRYPT_COST=4 \
    "$target/debug/testbed" run >"$folder/system.log" 2>&1 &
system=$!
end() {
    kill -INT "$system" 2>/dev/null && wait "$system" || true
    rm -rf "$folder"
}
trap end EXIT

base=http://localhost:$rest
for _ in $(seq 300); do
    curl --silent --fail --output /dev/null "$base/health" && break
    kill -0 "$system" 2>/dev/null || { cat "$folder/system.log"; exit 1; }
    sleep 0.2
done

# Creates two users, their chat, a message, a group and an invite to it.
ask() { curl --silent --show-error --fail --header 'Content-Type: application/json' "$@"; }
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
# Not the password of the documented examples, one of which changes the password.
export SCHEMATHESIS_USER=schemathesis SCHEMATHESIS_PASSWORD=another-password-1
credentials() { printf '{"username":"%s","password":"%s"}' "$1" "$SCHEMATHESIS_PASSWORD"; }
ask "$base/api/v1/auth/register" --data "$(credentials "$SCHEMATHESIS_USER")" >/dev/null
SCHEMATHESIS_PARTNER=$(ask "$base/api/v1/auth/register" --data "$(credentials partner)" | field id)
token=$(ask "$base/api/v1/auth/login" --data "$(credentials "$SCHEMATHESIS_USER")" | field token)
SCHEMATHESIS_CHAT=$(ask "$base/api/v1/chats" --header "Authorization: Bearer $token" \
    --data "{\"partner_id\":\"$SCHEMATHESIS_PARTNER\"}" | field id)
SCHEMATHESIS_MESSAGE=$(ask "$base/api/v1/chats/$SCHEMATHESIS_CHAT/messages" --header "Authorization: Bearer $token" \
    --data '{"text":"hello"}' | field id)
SCHEMATHESIS_GROUP=$(ask "$base/api/v1/chats" --header "Authorization: Bearer $token" \
    --data "{\"type\":\"group\",\"title\":\"Team\",\"member_ids\":[\"$SCHEMATHESIS_PARTNER\"]}" | field id)
SCHEMATHESIS_INVITE=$(ask "$base/api/v1/chats/$SCHEMATHESIS_GROUP/invites" --header "Authorization: Bearer $token" \
    --data '{}' | field code)
export SCHEMATHESIS_PARTNER SCHEMATHESIS_CHAT SCHEMATHESIS_MESSAGE SCHEMATHESIS_GROUP SCHEMATHESIS_INVITE

"$venv/bin/schemathesis" --config-file "$here/schemathesis.toml" run "$base/openapi.json" "$@"
