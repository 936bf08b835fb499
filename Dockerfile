# syntax=docker/dockerfile:1
# The image of the daemon, its additional workers and the reverse proxy: docs/containers.md.

# Makes the package. Needs npm, unless the build context contains the tarball of `npm pack`.
ARG BUILD_IMAGE=node:22-bookworm-slim
# What the package runs on: glibc, a shell, certificates and nginx. The package contains Node and PocketBase.
ARG BASE_IMAGE=debian:bookworm-slim

FROM ${BUILD_IMAGE} AS package
WORKDIR /source
COPY . .
RUN set -e; \
    if ! ls fathom-[0-9]*.tgz >/dev/null 2>&1; then npm ci; npm pack; fi; \
    mkdir /package; \
    tar -xzf fathom-[0-9]*.tgz -C /package --strip-components=1

FROM ${BASE_IMAGE}
# PocketBase needs certificates of authorities for mail and sign-in providers.
RUN set -e; \
    if [ ! -e /etc/ssl/certs/ca-certificates.crt ] || [ ! -x /usr/sbin/nginx ]; then \
      apt-get update; \
      apt-get install -y --no-install-recommends ca-certificates nginx; \
      rm -rf /var/lib/apt/lists/*; \
    fi; \
    groupadd --gid 10001 fathom; \
    useradd --uid 10001 --gid fathom --home-dir /var/lib/fathom --shell /usr/sbin/nologin --no-create-home fathom; \
    install -d -m 700 -o fathom -g fathom /var/lib/fathom; \
    ln -s /usr/lib/fathom/bin/fathomd /usr/lib/fathom/bin/fathom-tui /usr/local/bin/
COPY --from=package /package /usr/lib/fathom

# Secrets are files in CREDENTIALS_DIRECTORY, one for each setting.
ENV NODE_ENV=production \
    FATHOM_DATA_DIR=/var/lib/fathom \
    CREDENTIALS_DIRECTORY=/run/secrets
USER fathom
WORKDIR /var/lib/fathom
VOLUME /var/lib/fathom
STOPSIGNAL SIGTERM
# Not 'fathomd status', which also answers before the daemon is ready.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD /usr/lib/fathom/node_modules/node-linux-*/bin/node -e \
    "fetch('http://127.0.0.1:' + (process.env.SERVER_PORT || 3000) + '/health/ready').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"
ENTRYPOINT ["fathomd"]
CMD ["serve"]
