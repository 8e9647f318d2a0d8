#!/usr/bin/env bash
# Builds stand-ins for public images under the same names, for machines without access to Docker Hub and gcr.io:
# deploy/containers-check/stand-ins.sh
#
# They consist of Debian packages, Postgres from the PyPI package pgserver, and this machine's Rust toolchain. Needs root, podman,
# debootstrap, and Python 3.9 to 3.12 with pip. Existing images are never replaced.
set -euo pipefail
cd -P "$(dirname "$0")"

mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

exists() {
    podman image exists "$1"
}

# NAME SUITE: a minimal Debian.
debian() {
    exists "$1" && return
    debootstrap --variant=minbase "$2" "$work/$2" "$mirror" >"$work/$2.log" || {
        tail -n 20 "$work/$2.log" >&2
        return 1
    }
    tar --directory "$work/$2" --create . | podman import --quiet - "$1"
    rm -rf "${work:?}/$2"
}

# NAME DOCKERFILE [CONTEXT]
image() {
    exists "$1" && return
    podman build --quiet --format docker --ulimit nofile=16384:16384 --ulimit nproc=4096:4096 --network host \
        --tag "$1" --file "stand-ins/$2.Dockerfile" "${3:-stand-ins}"
}

compiler() {
    local name=docker.io/library/rust:1.95-bookworm context=$work/rust toolchain
    exists "$name" && return
    toolchain=$(rustc --print sysroot)
    mkdir "$context"
    # Without the documentation.
    cp -a --no-preserve=ownership "$toolchain" "$context/toolchain"
    rm -rf "$context/toolchain/share/doc"
    image "$name" rust "$context"
}

database() {
    local name=docker.io/library/postgres:16 context=$work/postgres
    exists "$name" && return
    mkdir "$context"
    # Postgres 16.2, with its client programs.
    python3 -m pip download --quiet --no-deps --dest "$context" "pgserver==0.1.4"
    python3 -m zipfile --extract "$context"/pgserver-*.whl "$context"
    cp stand-ins/postgres-entrypoint.sh "$context"
    image "$name" postgres "$context"
}

debian docker.io/library/debian:12-slim bookworm
# Only this suite has nginx 1.27.3 or newer, which `resolve` needs.
debian localhost/neonchat-debian-unstable sid
image gcr.io/distroless/cc-debian12:nonroot distroless
compiler
database
image docker.io/library/redis:7 redis
image docker.io/library/nginx:1.30 nginx
podman images --format '{{.Repository}}:{{.Tag}} {{.Size}}' | sort
