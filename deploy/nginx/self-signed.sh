#!/bin/sh
# Creates a self-signed certificate: deploy/nginx/self-signed.sh FOLDER [HOST]
#
# Writes fullchain.pem and privkey.pem for HOST (default: localhost), valid for a year. Existing files are kept.
# OWNER=uid:gid sets the owner of both.
set -eu

folder=${1:?a folder}
host=${2:-localhost}
certificate=$folder/fullchain.pem
key=$folder/privkey.pem

if [ -s "$certificate" ] && [ -s "$key" ]; then
    exit 0
fi
if [ -e "$certificate" ] || [ -e "$key" ]; then
    echo "$folder has one of fullchain.pem and privkey.pem: expected both or neither" >&2
    exit 1
fi

# Readable by the owner only. Renamed when complete, so that nobody reads half a file.
umask 077
trap 'rm -f "$certificate.part" "$key.part"' EXIT
names="DNS:$host"
[ "$host" != localhost ] || names="$names,IP:127.0.0.1,IP:::1"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -config /dev/null \
    -subj "/CN=$host" -addext "basicConstraints=critical,CA:FALSE" -addext "subjectAltName=$names" -addext "extendedKeyUsage=serverAuth" \
    -keyout "$key.part" -out "$certificate.part" 2>/dev/null
[ -z "${OWNER:-}" ] || chown "$OWNER" "$key.part" "$certificate.part"
mv "$key.part" "$key"
mv "$certificate.part" "$certificate"
echo "$certificate: self-signed, for $host"
