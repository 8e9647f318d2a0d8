#!/bin/sh
# A certificate for the first time: deploy/nginx/self-signed.sh FOLDER [HOST]
#
# Writes fullchain.pem and privkey.pem for HOST (localhost, where none is named), signed by itself, good for a year. What is
# there already stays. OWNER=uid:gid hands both over to that user.
set -eu

folder=${1:?a folder}
host=${2:-localhost}
certificate=$folder/fullchain.pem
key=$folder/privkey.pem

if [ -s "$certificate" ] && [ -s "$key" ]; then
    exit 0
fi
if [ -e "$certificate" ] || [ -e "$key" ]; then
    echo "$folder has one of fullchain.pem and privkey.pem: it should have both, or none" >&2
    exit 1
fi

# Only for its owner; and under its name once it is whole.
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
echo "$certificate: for $host, signed by itself"
