#!/usr/bin/env bash
# Restores a file of deploy/backup.sh: deploy/restore.sh FILE
#
# DATABASE_URL is the target. It has to exist and to be empty, so that nothing is overwritten. The restore is one transaction.
# Then point the services at the new database. Redis needs no restore. A copy that runs beside the original needs a Redis, or
# a REDIS_NAMESPACE, of its own.
#
# COMPOSE="docker compose" restores into the Postgres of docker-compose.yml, with the programs in its container. The URL then
# has no host: postgres://neon@/neondb_restored.
set -euo pipefail

file=${1:?"missing argument: deploy/restore.sh FILE"}
url=${DATABASE_URL:?"has to be the URL of an empty database (create one with createdb)"}
within=()
[[ -z ${COMPOSE:-} ]] || read -ra within <<<"$COMPOSE exec -T postgres"

# Without comments: only the owner of an extension may set its comment, and a superuser may have created the extension before.
"${within[@]}" pg_restore --no-comments --single-transaction --exit-on-error --no-owner --no-privileges --dbname="$url" <"$file"
# The file contains no planner statistics.
"${within[@]}" psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --command='ANALYZE' "$url"
echo "restored $file"
