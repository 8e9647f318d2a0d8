FROM docker.io/library/debian:12-slim
RUN apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends redis-server >/dev/null \
    && mkdir -p /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
