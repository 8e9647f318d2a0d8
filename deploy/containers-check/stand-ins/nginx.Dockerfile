FROM localhost/neonchat-debian-unstable
RUN groupadd -r -g 101 nginx 2>/dev/null || true; useradd -r -u 101 -g 101 -M nginx 2>/dev/null || true; \
    apt-get -o Acquire::Check-Valid-Until=false update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx curl openssl >/dev/null \
    && ln -sf /dev/stdout /var/log/nginx/access.log && ln -sf /dev/stderr /var/log/nginx/error.log
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
