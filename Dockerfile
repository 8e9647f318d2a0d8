# syntax=docker/dockerfile:1
# Both services, one target each:
#   docker build --target chat-service -t neonchat/chat-service .
#   docker build --target notification-service -t neonchat/notification-service .

FROM rust:1.95-bookworm AS build
WORKDIR /src
# .dockerignore selects the files. It leaves out rust-toolchain.toml: the image's own compiler is used.
COPY . .
# The caches keep compiled dependencies between builds, so that only changed code is compiled again. They are not part of
# the image.
RUN --mount=type=cache,id=neonchat-registry,target=/usr/local/cargo/registry \
    --mount=type=cache,id=neonchat-target,target=/src/target,sharing=locked \
    cargo build --release --locked --package chat-service --package notification-service --bins \
    && install -D -t /out target/release/chat-service target/release/notification-service

# The C library of the build stage (Debian 12), the usual certificate authorities, and no shell.
FROM gcr.io/distroless/cc-debian12:nonroot AS runtime
# A number lets Kubernetes verify that the user is not root. Nothing is written: the root file system may be read-only.
USER 65532:65532
# Where config.yaml is looked for.
WORKDIR /etc/neonchat
# SIGTERM starts a drain, which takes up to 30 s.
STOPSIGNAL SIGTERM

# The health checks test readiness, which `docker compose up --wait` waits for. Docker does not restart unhealthy containers.
FROM runtime AS notification-service
COPY --from=build /out/notification-service /usr/local/bin/notification-service
# gRPC, WebSocket, operations
EXPOSE 8081 8082 8085
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 CMD ["/usr/local/bin/notification-service", "healthcheck", "--ready"]
ENTRYPOINT ["/usr/local/bin/notification-service"]

FROM runtime AS chat-service
COPY --from=build /out/chat-service /usr/local/bin/chat-service
# REST, gRPC, operations
EXPOSE 8080 8083 8084
HEALTHCHECK --interval=5s --timeout=4s --start-period=60s --retries=3 CMD ["/usr/local/bin/chat-service", "healthcheck", "--ready"]
ENTRYPOINT ["/usr/local/bin/chat-service"]
