# The files of a few Debian packages and a user, as in gcr.io/distroless/cc-debian12:nonroot: no shell, no package manager.
FROM docker.io/library/debian:12-slim AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends ca-certificates >/dev/null
WORKDIR /packages
RUN apt-get download -qq base-files libc6 libgcc-s1 libgomp1 libstdc++6 netbase tzdata \
    && mkdir /root-fs && for package in *.deb; do dpkg-deb --extract "$package" /root-fs; done \
    && mkdir -p /root-fs/etc/ssl /root-fs/home/nonroot /root-fs/tmp && cp -a /etc/ssl/certs /root-fs/etc/ssl/ \
    && chmod 1777 /root-fs/tmp && chown 65532:65532 /root-fs/home/nonroot \
    && echo 'nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin' >/root-fs/etc/passwd \
    && echo 'nonroot:x:65532:' >/root-fs/etc/group

FROM scratch
COPY --from=packages /root-fs /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532
WORKDIR /home/nonroot
