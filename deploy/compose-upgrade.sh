#!/usr/bin/env bash
# Replaces the instances of both services one after another: deploy/compose-upgrade.sh [SERVICE…]
#
# For a new version (build or pull its images first, and set VERSION in .env) and for changed settings. Starts one new
# instance beside those that run, waits until it is ready, stops an old one, and so on, chat-service first. Connections are
# drained. An instance that does not get ready is removed again, and the old ones keep running.
#
#   COMPOSE="podman-compose" ENGINE=podman      instead of Docker; the same for further flags: COMPOSE="docker compose -f …"
#   READY_LIMIT=120                             how many seconds a new instance has until it is ready
set -euo pipefail
cd -P "$(dirname "$0")/.."

read -ra compose <<<"${COMPOSE:-docker compose}"
engine=${ENGINE:-docker}
limit=${READY_LIMIT:-120}
project=${COMPOSE_PROJECT_NAME:-neonchat}
# Longer than nginx and the services remember the addresses behind a name (2 s).
settle=5
# Longer than a drain takes (30 s).
drain=35

instances() {
    "$engine" ps --quiet --filter "label=com.docker.compose.project=$project" --filter "label=com.docker.compose.service=$1"
}

# Whether the first list has the container.
has() {
    grep -qx "$2" <<<"$1"
}

until_ready() {
    local give_up=$((SECONDS + limit))
    until "$engine" exec "$2" "/usr/local/bin/$1" healthcheck --ready >/dev/null 2>&1; do
        if ((SECONDS > give_up)) || [[ $("$engine" inspect --format '{{.State.Running}}' "$2") != true ]]; then
            "$engine" logs --tail 20 "$2" >&2 || true
            "$engine" rm --force "$2" >/dev/null
            echo "$1: the new instance was not ready within $limit s and is removed; the old ones keep running" >&2
            return 1
        fi
        sleep 1
    done
}

# One more instance of a service, with the image and the settings of now.
add() {
    local before after container
    before=$(instances "$1")
    "${compose[@]}" up --detach --no-deps --no-recreate --no-build --scale "$1=$2" "$1" >/dev/null
    after=$(instances "$1")
    for container in $after; do
        if ! has "$before" "$container"; then
            until_ready "$1" "$container"
            return
        fi
    done
    echo "$1: no new instance was started" >&2
    return 1
}

upgrade() {
    local service=$1 old count
    old=$(instances "$service")
    count=$(wc -w <<<"$old")
    ((count > 0)) || {
        echo "$service: no instance is running; start everything first (${compose[*]} up)" >&2
        return 1
    }
    for container in $old; do
        add "$service" $((count + 1))
        sleep "$settle"
        "$engine" stop -t "$drain" "$container" >/dev/null
        "$engine" rm "$container" >/dev/null
        echo "$service: replaced ${container:0:12}"
    done
}

(($# > 0)) || set -- chat-service notification-service
for service in "$@"; do upgrade "$service"; done
