#!/usr/bin/env bash
# Brings back what deploy/backup.sh saved: deploy/restore.sh FILE
#
# DATABASE_URL says into which database. It has to be there and to be empty, so that nothing is overwritten; all of the file
# is brought back, or nothing. Point the services at it afterwards. Redis needs nothing: it holds nothing that lasts. A copy that
# is to run beside the original needs a Redis, or a REDIS_NAMESPACE, of its own.
#
# COMPOSE="docker compose" restores into the Postgres of docker-compose.yml, whose programs are run in its container. There
# the URL is such as postgres://neon@/neondb_restored.
set -euo pipefail

file=${1:?"which file? deploy/restore.sh FILE"}
url=${DATABASE_URL:?"should be the URL of an empty database: createdb makes one"}
within=()
[[ -z ${COMPOSE:-} ]] || read -ra within <<<"$COMPOSE exec -T postgres"

"${within[@]}" pg_restore --single-transaction --exit-on-error --no-owner --no-privileges --dbname="$url" <"$file"
# What the planner has to know of the tables is not part of the file.
"${within[@]}" psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --command='ANALYZE' "$url"
echo "$file is back"
