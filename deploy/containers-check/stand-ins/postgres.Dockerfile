FROM docker.io/library/debian:12-slim
COPY pgserver /opt/pgserver
COPY pgserver.libs /opt/pgserver.libs
COPY postgres-entrypoint.sh /usr/local/bin/
RUN chmod -R a+rX /opt/pgserver /opt/pgserver.libs && chmod a+x /opt/pgserver/pginstall/bin/* \
    && groupadd -r -g 999 postgres && useradd -r -g postgres -u 999 -d /var/lib/postgresql postgres \
    && mkdir -p /var/lib/postgresql/data /var/run/postgresql && chown -R postgres:postgres /var/lib/postgresql /var/run/postgresql \
    && chmod 3777 /var/run/postgresql && chmod 1777 /var/lib/postgresql/data
ENV PATH=/opt/pgserver/pginstall/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PGDATA=/var/lib/postgresql/data PGHOST=/var/run/postgresql LANG=C.UTF-8
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
ENTRYPOINT ["postgres-entrypoint.sh"]
CMD ["postgres"]
