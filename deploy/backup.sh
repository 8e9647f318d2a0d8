#!/usr/bin/env bash
# Backs up all data of NeonChat, which is in Postgres, to one file while the services run: deploy/backup.sh [FILE]
#
# DATABASE_URL is the database; the default is the one of `make run`. The file appears only when it is complete.
#
# COMPOSE="docker compose" backs up the database of docker-compose.yml, with the programs in the container of Postgres.
set -euo pipefail

if [[ -n ${COMPOSE:-} ]]; then
    read -ra within <<<"$COMPOSE exec -T postgres"
    # The address inside the container.
    url=${DATABASE_URL:-postgres://${DB_USER:-neon}@/${DB_NAME:-neondb}}
else
    within=()
    url=${DATABASE_URL:-postgres://neon@127.0.0.1:15432/neondb}
fi
file=${1:-neonchat-$(date --utc +%Y%m%dT%H%M%SZ).dump}

# Readable by its owner only: it contains the messages of all users.
umask 077
trap 'rm -f "$file.partial"' EXIT
"${within[@]}" pg_dump --format=custom --no-owner --no-privileges "$url" >"$file.partial"
# The archive has to be readable.
"${within[@]}" pg_restore --list <"$file.partial" >/dev/null
sync "$file.partial"
mv "$file.partial" "$file"
echo "$file: $(stat --format=%s "$file") bytes"
