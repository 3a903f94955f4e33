# The image of one server: see docs/docker.md.

ARG BUILD_BASE=debian:trixie-slim
ARG BASE=debian:trixie-slim


# Built from this source, with the distribution's nginx and libraries.

FROM ${BUILD_BASE} AS build

WORKDIR /conductor

COPY build-aux/deps build-aux/
RUN build-aux/deps build

COPY . .
RUN make && build-aux/image/install /image


# What runs: nginx, the module, the dashboard, and who starts and asks them.

FROM ${BASE}

LABEL org.opencontainers.image.title="Conductor" \
      org.opencontainers.image.description="Real-time WebSocket hub in nginx" \
      org.opencontainers.image.licenses="BSD-2-Clause"

RUN apt-get -qq update \
    && DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        --no-install-recommends install libjansson4 libsqlite3-0 nginx \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* \
        /var/cache/ldconfig/* /var/log/*.log /var/log/apt \
        /etc/nginx/nginx.conf /etc/nginx/sites-* /usr/include /var/www

COPY --from=build /image /

# Only the volume is written: for an nginx.conf that is mounted, Debian's own
# places lead there, and to what the engine collects.

RUN groupadd --gid 5111 conductor \
    && useradd --uid 5111 --gid 5111 --no-create-home \
        --home-dir /var/lib/conductor --shell /usr/sbin/nologin conductor \
    && install -d -o 5111 -g 0 -m 0770 /var/lib/conductor \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && ln -sf /dev/stderr /var/log/nginx/error.log \
    && ln -sf /dev/stdout /var/log/nginx/conductor.audit.log \
    && rm -rf /var/lib/nginx \
    && ln -s /var/lib/conductor/temp /var/lib/nginx \
    && ln -s /var/lib/conductor/nginx.pid /run/nginx.pid

USER 5111:5111
WORKDIR /var/lib/conductor
VOLUME /var/lib/conductor
EXPOSE 5111
STOPSIGNAL SIGQUIT

HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["/usr/share/conductor/health"]

ENTRYPOINT ["/usr/share/conductor/entrypoint"]
