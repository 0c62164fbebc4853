# syntax=docker/dockerfile:1
# One image for the engine, the HTTP edge and every other command:
#
#   docker build -t streamlake:0.1.0 .
#   docker run --rm streamlake:0.1.0 validate --help
#
# Tags say which version was meant; write the digest behind them (tag@sha256:…) where you build for production.

FROM python:3.13.5-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY config config
COPY engine engine
COPY http_edge http_edge
COPY plugins plugins
COPY native native
# setuptools comes first and is the one that builds, as in the Makefile: so only what is pinned is fetched.
RUN python -m venv /opt/streamlake \
    && /opt/streamlake/bin/pip install -c constraints.txt setuptools \
    && /opt/streamlake/bin/pip install -c constraints.txt --no-build-isolation '.[gcs,edge,quality,otel]'
# The compiled way of a batch: a good third less CPU. There is no compiler here; it fetches one from pip and keeps nothing of it.
RUN /opt/streamlake/bin/python native/install.py

FROM python:3.13.5-slim-bookworm
# tini is process 1: a worker's children that outlive it are reaped, and signals reach the supervisor.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini=0.19.* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --no-log-init --uid 10001 --user-group --home-dir /nonexistent streamlake
COPY --from=build /opt/streamlake /opt/streamlake
COPY --chmod=555 deploy/docker/healthcheck.py /usr/local/bin/healthcheck
# What is written beside the lake goes to /tmp: the file system may be read-only.
ENV PATH=/opt/streamlake/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/tmp/state \
    STREAMLAKE_HEALTH_URL=http://127.0.0.1:9464/livez
USER 10001:10001
WORKDIR /etc/streamlake
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 CMD ["healthcheck"]
ENTRYPOINT ["tini", "--", "streamlake"]
CMD ["--help"]
