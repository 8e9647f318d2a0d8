#!/bin/sh
# Writes the configuration that depends on the environment to FILE, then runs COMMAND: deploy/nginx/start.sh FILE COMMAND…
#
# - the name server, from /etc/resolv.conf: Docker, Podman and Kubernetes have different ones;
# - SERVER_NAMES: the hosts of the site, separated by spaces;
# - HTTPS_PORT: the public port, for redirects from plain HTTP.
set -eu

file=${1:?which file}
shift

# Only the first: nginx would rotate over all of them, and only the first knows the containers.
name_server=$(awk '$1 == "nameserver" { print $2; exit }' "${RESOLV_CONF:-/etc/resolv.conf}")
case $name_server in
"") echo "start.sh: /etc/resolv.conf has no nameserver" >&2 && exit 1 ;;
*:*) name_server="[$name_server]" ;;
esac
case ${HTTPS_PORT:=443} in
*[!0-9]*) echo "start.sh: HTTPS_PORT is not a number: $HTTPS_PORT" >&2 && exit 1 ;;
443) port= ;;
*) port=:$HTTPS_PORT ;;
esac

{
    echo "resolver $name_server valid=2s ipv6=off;"
    echo "resolver_timeout 2s;"
    echo "map \$request_uri \$https_port { default \"$port\"; }"
    echo "map \$host \$is_our_host {"
    echo "    default 0;"
    for name in ${SERVER_NAMES:-localhost 127.0.0.1 [::1]}; do
        case $name in
        *[!][A-Za-z0-9.:-]*) echo "start.sh: SERVER_NAMES has an invalid host: $name" >&2 && exit 1 ;;
        esac
        echo "    $name 1;"
    done
    echo "}"
} >"$file"
exec "$@"
