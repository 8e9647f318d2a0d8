#!/usr/bin/env bash
# Saves all that NeonChat keeps, which is in Postgres, into one file, while the services run: deploy/backup.sh [FILE]
#
# DATABASE_URL says of which database; without it, of the one of `make run`. The file is complete, or is not there.
set -euo pipefail

url=${DATABASE_URL:-postgres://neon@127.0.0.1:15432/neondb}
file=${1:-neonchat-$(date --utc +%Y%m%dT%H%M%SZ).dump}

# Only for who makes it: it has everybody's messages.
umask 077
trap 'rm -f "$file.partial"' EXIT
pg_dump --format=custom --no-owner --no-privileges --file="$file.partial" "$url"
# That it can be read.
pg_restore --list "$file.partial" >/dev/null
sync "$file.partial"
mv "$file.partial" "$file"
echo "$file: $(stat --format=%s "$file") bytes"
