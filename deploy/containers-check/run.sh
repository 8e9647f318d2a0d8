#!/usr/bin/env bash
# Builds both images, runs docker-compose.yml with them, and tests it from outside: `make containers-check`
#
# The demo scenario; two instances of each service; an upgrade under traffic, in which no acknowledged message may be lost;
# an upgrade that fails; backup and restore; a database that is down. The project, volumes, ports and network are separate from
# yours, and are removed at the end.
#
#   ENGINE=docker                 or podman, with podman-compose (1.6 or newer)
#   STAND_INS=1                   builds stand-ins for public images that cannot be pulled (stand-ins.sh, needs podman)
#   LOW_LIMITS=1                  adds low-limits.yml
#   BUILD_FLAGS="--network host"  further flags of `docker build`, such as what this machine needs to reach crates.io
#   BUILD=0                       uses the images of the last run
#   KEEP=1                        leaves everything running
set -euo pipefail
cd -P "$(dirname "$0")/../.."

export ENGINE=${ENGINE:-docker}
export COMPOSE_PROJECT_NAME=neonchat-check VERSION=check
export HTTPS_PORT=18443 HTTP_PORT=18080 EDGE_SUBNET=10.213.78.0/24 EDGE_RANGE=10.213.78.128/25 NGINX_ADDRESS=10.213.78.10
# Values of this check, which win over those in .env.
export DB_NAME=neondb DB_USER=neon DB_PASSWORD=check-database REDIS_PASSWORD=check-redis

case $ENGINE in
docker) compose=(docker compose) ;;
podman) compose=("${PODMAN_COMPOSE:-podman-compose}" --in-pod false) ;;
*) echo "ENGINE has to be docker or podman" >&2 && exit 1 ;;
esac
compose+=(--project-name "$COMPOSE_PROJECT_NAME" --file docker-compose.yml)
[[ -z ${LOW_LIMITS:-} ]] || compose+=(--file deploy/containers-check/low-limits.yml)
export COMPOSE="${compose[*]}"
"${compose[@]}" version >/dev/null || {
    echo "Docker with Compose, or podman and podman-compose, is required (ENGINE=…)." >&2
    exit 1
}

work=$(mktemp -d)
certificate=$work/certificate.pem
traffic=

step() {
    echo
    echo "== $* ($(date +%T))"
}

fail() {
    echo "containers-check: $*" >&2
    exit 1
}

containers() {
    "$ENGINE" ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --filter "label=com.docker.compose.service=$1"
}

first() {
    containers "$1" | head -n 1
}

clean_up() {
    local status=$?
    [[ -z $traffic ]] || kill "$traffic" 2>/dev/null || true
    if ((status != 0)); then
        for service in chat-service notification-service nginx postgres; do
            for container in $(containers "$service"); do
                echo "-- $service $container" >&2
                # Warnings and errors, without the lines of requests that succeeded.
                "$ENGINE" logs "$container" 2>&1 | grep -vE '"level":"INFO"|"status":[1-4]' | tail -n 15 >&2 || true
            done
        done
    fi
    if [[ -z ${KEEP:-} ]]; then
        # podman-compose does not remove instances beyond the first.
        "$ENGINE" ps --all --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" |
            xargs --no-run-if-empty "$ENGINE" rm --force >/dev/null 2>&1 || true
        "${compose[@]}" down --volumes >/dev/null 2>&1 || true
    fi
    rm -rf "$work"
}
trap clean_up EXIT

# Podman runs health checks by itself only with systemd, and waits for them only from 4.6 on. So they are run here.
is_healthy() {
    if [[ $ENGINE == podman ]]; then
        podman healthcheck run "$1" >/dev/null 2>&1
    else
        [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]
    fi
}

until_healthy() {
    local give_up=$((SECONDS + 180)) container
    for service in "$@"; do
        [[ -n $(containers "$service") ]] || fail "$service is not running"
        for container in $(containers "$service"); do
            until is_healthy "$container"; do
                ((SECONDS < give_up)) || fail "$service is not healthy"
                sleep 1
            done
        done
    done
}

up() {
    # Podman does not remove a container on which another one depends. The services wait for their dependencies by themselves.
    [[ $ENGINE != podman ]] || set -- --no-deps "$@"
    "${compose[@]}" up --detach --no-build "$@"
    until_healthy postgres redis chat-service notification-service nginx
}

site() {
    target/quick/testbed site --address "localhost:$HTTPS_PORT" --certificate "$certificate" "$@"
}

# On a busy machine a step may be refused as `unavailable`.
demo() {
    for _ in 1 2 3; do
        if site demo >"$work/demo"; then return; fi
    done
    fail "the demo scenario fails: $(cat "$work/demo")"
}

sql() {
    "${compose[@]}" exec -T postgres psql --no-psqlrc --tuples-only --no-align --username "$DB_USER" --dbname "$1" --command "$2" |
        tr -d '\r'
}

step "Images"
[[ -z ${STAND_INS:-} ]] || deploy/containers-check/stand-ins.sh
read -ra flags <<<"${BUILD_FLAGS:-}"
# Podman's default format has no health check.
[[ $ENGINE != podman ]] || flags+=(--format docker)
for service in chat-service notification-service; do
    [[ ${BUILD:-1} == 1 ]] || break
    "$ENGINE" build "${flags[@]}" --target "$service" --tag "neonchat/$service:$VERSION" .
done
"${CARGO:-cargo}" build --profile quick --package neonchat-testbed --bin testbed

step "Everything starts: one instance of each service"
up
"${compose[@]}" exec -T nginx cat /etc/nginx/certificates/fullchain.pem >"$certificate"
[[ $("$ENGINE" exec "$(first chat-service)" /usr/local/bin/chat-service --version) == "chat-service "* ]]
curl --fail --silent --show-error --output /dev/null --cacert "$certificate" "https://localhost:$HTTPS_PORT/openapi.json"
curl --fail --silent --show-error --http2 --header 'Accept: text/html' --cacert "$certificate" "https://localhost:$HTTPS_PORT/c/1" |
    grep --quiet 'rel="modulepreload"' || fail "the web client is not served"
for path in health live metrics ready; do
    status=$(curl --silent --output /dev/null --write-out '%{http_code}' --cacert "$certificate" "https://localhost:$HTTPS_PORT/$path")
    [[ $status == 404 ]] || fail "/$path is public: status $status"
done
for target in chat-service:8084 notification-service:8085; do
    "${compose[@]}" exec -T nginx curl --fail --silent --show-error "http://$target/health" && echo
    "${compose[@]}" exec -T nginx curl --fail --silent --show-error --output /dev/null "http://$target/metrics"
done
status=$(curl --silent --output /dev/null --write-out '%{http_code} %{redirect_url}' "http://localhost:$HTTP_PORT/api")
[[ $status == "308 https://localhost:$HTTPS_PORT/api" ]] || fail "plain HTTP answers $status"
status=$(curl --silent --output /dev/null --write-out '%{http_code}' --header 'Host: elsewhere.example' "http://localhost:$HTTP_PORT/")
[[ $status == 404 ]] || fail "an unknown host answers $status"

step "The demo scenario"
demo
tail -n 4 "$work/demo"

step "Two instances of each service"
# One at a time: podman-compose accepts one --scale.
for service in chat-service notification-service; do
    up --no-recreate --no-deps --scale "$service=2" "$service"
done
# nginx asks the name server every 2 s.
sleep 5
demo
for service in chat-service notification-service; do
    [[ $(containers "$service" | wc -l) == 2 ]] || fail "$service does not have two instances"
done
for _ in {1..20}; do
    curl --fail --silent --output /dev/null --cacert "$certificate" "https://localhost:$HTTPS_PORT/openapi.json"
done
instances=$("$ENGINE" logs "$(first nginx)" 2>/dev/null | tail -n 20 | grep -o '"upstream":"[^"]*"' | sort | uniq -c)
echo "$instances"
[[ $(wc -l <<<"$instances") == 2 ]] || fail "requests do not reach both instances of chat-service"

step "An upgrade under traffic"
before=$(containers chat-service; containers notification-service)
# Without the function: its subshell would receive the signal instead.
target/quick/testbed site --address "localhost:$HTTPS_PORT" --certificate "$certificate" traffic >"$work/traffic" 2>&1 &
traffic=$!
until grep -q started "$work/traffic"; do
    kill -0 "$traffic" 2>/dev/null || fail "the traffic did not start: $(cat "$work/traffic")"
    sleep 0.2
done
sleep 5
deploy/compose-upgrade.sh
sleep 5
kill -TERM "$traffic"
wait "$traffic" || fail "$(cat "$work/traffic")"
traffic=
tail -n 1 "$work/traffic"
for container in $(containers chat-service; containers notification-service); do
    ! grep -qx "$container" <<<"$before" || fail "$container was not replaced"
done
"$ENGINE" logs "$(first nginx)" 2>/dev/null | grep -o '"status":5[0-9]*' | sort | uniq -c | sed 's/^/nginx answered:/' || true

step "An upgrade to a version that never gets ready keeps the old instances"
before=$(containers chat-service | sort)
if DB_PASSWORD=wrong READY_LIMIT=15 deploy/compose-upgrade.sh chat-service; then
    fail "the upgrade succeeded"
fi
[[ $(containers chat-service | sort) == "$before" ]] || fail "the old instances were replaced"
demo

step "Backup and restore"
messages=$(sql neondb 'SELECT count(*), count(DISTINCT chat_id) FROM messages')
deploy/backup.sh "$work/neonchat.dump"
"${compose[@]}" exec -T postgres createdb --username "$DB_USER" neondb_restored
DATABASE_URL="postgres://$DB_USER@/neondb_restored" deploy/restore.sh "$work/neonchat.dump"
[[ $(sql neondb_restored 'SELECT count(*), count(DISTINCT chat_id) FROM messages') == "$messages" ]] ||
    fail "the restored database has other messages"
DB_NAME=neondb_restored deploy/compose-upgrade.sh chat-service
demo
[[ $(sql neondb 'SELECT count(*), count(DISTINCT chat_id) FROM messages') == "$messages" ]] ||
    fail "the services do not use the restored database"
echo "messages, chats: $messages"

step "Without Postgres chat-service is not ready, and keeps running"
"$ENGINE" stop -t 20 "$(first postgres)" >/dev/null
give_up=$((SECONDS + 60))
while is_healthy "$(first chat-service)"; do
    ((SECONDS < give_up)) || fail "chat-service is healthy without Postgres"
    sleep 1
done
[[ $("$ENGINE" inspect --format '{{.State.Running}}' "$(first chat-service)") == true ]] || fail "chat-service stopped"

step "Done: all checks passed"
