#!/usr/bin/env bash
# Saves all that NeonChat keeps, which is in Postgres, into one file, while the services run: deploy/backup.sh [FILE]
#
# DATABASE_URL says of which database; without it, of the one of `make run`. The file is complete, or is not there.
#
# COMPOSE="docker compose" saves the database of docker-compose.yml instead: Postgres' own programs are run in its container.
set -euo pipefail

if [[ -n ${COMPOSE:-} ]]; then
    read -ra within <<<"$COMPOSE exec -T postgres"
    # As it is reached within its container.
    url=${DATABASE_URL:-postgres://${DB_USER:-neon}@/${DB_NAME:-neondb}}
else
    within=()
    url=${DATABASE_URL:-postgres://neon@127.0.0.1:15432/neondb}
fi
file=${1:-neonchat-$(date --utc +%Y%m%dT%H%M%SZ).dump}

# Only for who makes it: it has everybody's messages.
umask 077
trap 'rm -f "$file.partial"' EXIT
"${within[@]}" pg_dump --format=custom --no-owner --no-privileges "$url" >"$file.partial"
# That it can be read.
"${within[@]}" pg_restore --list <"$file.partial" >/dev/null
sync "$file.partial"
mv "$file.partial" "$file"
echo "$file: $(stat --format=%s "$file") bytes"
