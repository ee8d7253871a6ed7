# Everything that a node of a deployment needs, and no model: `docker build -t tertulia .`
# The command decides what a container is: api, worker, migrate, or serve, which is all in one.

FROM node:24-trixie-slim AS web
WORKDIR /source/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --no-audit --no-fund --loglevel=error
COPY docs/reference/openapi.json ../docs/reference/
COPY web ./
RUN npm run build --silent

FROM python:3.13-slim-trixie AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
WORKDIR /source
COPY requirements ./requirements
# What builds stays here; what runs goes into a folder of its own.
RUN python -m venv /tools \
    && /tools/bin/pip install --require-hashes --no-deps -r requirements/build.txt \
    && python -m venv /opt/tertulia \
    && /opt/tertulia/bin/pip install --require-hashes --no-deps -r requirements/server.txt
COPY pyproject.toml README.md LICENSE hatch_build.py ./
COPY scripts/webclient.py ./scripts/
COPY src ./src
COPY --from=web /source/src/tertulia/web ./src/tertulia/web
RUN /tools/bin/hatchling build -t wheel -d /wheel \
    && /opt/tertulia/bin/pip install --no-deps --no-index /wheel/*.whl \
    && /opt/tertulia/bin/pip uninstall --yes pip

FROM python:3.13-slim-trixie
COPY --from=build /opt/tertulia /opt/tertulia
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/tertulia tertulia \
    && install -d -o tertulia -g tertulia -m 700 /var/lib/tertulia
ENV PATH=/opt/tertulia/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    TERTULIA_DATA=/var/lib/tertulia \
    TERTULIA_HOST=0.0.0.0 \
    TERTULIA_LOG_FORMAT=json \
    TERTULIA_MODELS__LOCAL= \
    TERTULIA_MODELS__DISCOVER=false \
    TERTULIA_EMBEDDING=none
# By number, so that a cluster can see that it is not root's.
USER 10001:10001
VOLUME /var/lib/tertulia
EXPOSE 8484 8485
# A worker listens at 8485 and is asked there if TERTULIA_PORT says so.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('TERTULIA_PORT', '8484') + '/healthz', timeout=4)"]
# It handles SIGTERM itself, so nothing need stand before it.
ENTRYPOINT ["tertulia"]
CMD ["serve"]
