# syntax=docker/dockerfile:1
FROM python:3.11-slim AS build
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /build/tools \
    && /build/tools/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/build.txt \
    && python -m venv /opt/simwarden \
    && /opt/simwarden/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /build/tools/bin/python -m hatchling build -t wheel -d /build/dist \
    && /opt/simwarden/bin/python -m pip install --no-cache-dir --disable-pip-version-check --no-deps /build/dist/*.whl \
    && /opt/simwarden/bin/python -m pip uninstall --yes --disable-pip-version-check pip setuptools

FROM python:3.11-slim
LABEL org.opencontainers.image.title="Simwarden" \
      org.opencontainers.image.description="The open control plane for IoT SIM cards" \
      org.opencontainers.image.source="https://github.com/simwarden/simwarden" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --user-group --home-dir /var/lib/simwarden --create-home simwarden
COPY --from=build /opt/simwarden /opt/simwarden
ENV PATH="/opt/simwarden/bin:$PATH" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SIMWARDEN_DATA_DIR=/var/lib/simwarden \
    SIMWARDEN_HOST=0.0.0.0 \
    SIMWARDEN_LOG_FORMAT=json
USER 10001:10001
WORKDIR /var/lib/simwarden
VOLUME /var/lib/simwarden
EXPOSE 8080 8090
HEALTHCHECK --interval=10s --timeout=6s --start-period=90s --retries=3 CMD ["simwarden", "health"]
CMD ["simwarden", "serve"]
