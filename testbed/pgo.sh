#!/bin/sh
# Builds the services with profile-guided optimisation, into target/pgo/out: first with instrumentation, then, after a load,
# with the profile that the load produced.
set -eu

CARGO=${CARGO:-cargo}
. testbed/llvm.sh

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/pgo
host=$(rustc -vV | sed -n 's/^host: //p')

# With --target, build scripts and procedural macros are built without the flags. The services are built apart from `bench`:
# together, their dependencies would have other features than in the images.
build() {
    flags=$1 folder=$2
    shift 2
    RUSTFLAGS=$flags $CARGO build --release --locked --target "$host" --target-dir "$target/$folder" --bins "$@"
}
services="--package chat-service --package notification-service"

# shellcheck disable=SC2086 # a list of words
build "-Cprofile-generate=$target/profiles" instrumented $services
build "-Cprofile-generate=$target/profiles" instrumented --package neonchat-bench
rm -rf "$target/profiles"
# Each process writes its profile when it ends. The exit code says whether the targets were met, which are for other builds.
"$target/instrumented/$host/release/bench" --only pairs-1 --only pairs-8 --only open-500 --only rest || true
"$LLVM_PROFDATA" merge -o "$target/services.profdata" "$target/profiles"
# shellcheck disable=SC2086 # a list of words
build "-Cprofile-use=$target/services.profdata" optimised $services
for service in chat-service notification-service; do
    install -D -t "$target/out" "$target/optimised/$host/release/$service"
done
echo "Built: $target/out/chat-service, $target/out/notification-service"
