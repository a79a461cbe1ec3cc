# The same two steps as on any machine: `make` installs the locked packages, `analytics up` runs the service.
FROM python:3.13-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends make=4.* && rm -rf /var/lib/apt/lists/*
WORKDIR /app
# The locked packages have their own layer, so that source edits do not reinstall them.
COPY Makefile requirements.lock ./
RUN make .venv/.packages
COPY pyproject.toml README.md LICENSE ./
COPY cli cli
COPY clients/python clients/python
COPY events events
COPY gateway gateway
COPY generated generated
COPY jobs jobs
COPY runtime runtime
COPY server server
COPY storage storage
COPY reports reports
RUN make .venv/.runtime

FROM python:3.13-slim
# Postgres refuses to run as root, and so does the service. The data directory is a volume that this user owns.
RUN useradd --system --uid 10001 --home-dir /data --create-home analytics
COPY --from=build /app /app
ENV ANALYTICS_DATA_DIR=/data ANALYTICS_HOST=0.0.0.0 ANALYTICS_LOG_FORMAT=json PATH=/app/.venv/bin:$PATH
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 3006 50051
# Healthy means that events are accepted: without its database a server spools them, and a restart would not help.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["analytics", "health", "--service", "ingest"]
STOPSIGNAL SIGTERM
CMD ["analytics", "up"]
