# The service and its command line. Nothing in it is the user's: configuration and data are mounted.
FROM python:3.13.7-slim-bookworm AS build
WORKDIR /src
COPY deploy/requirements.lock ./
RUN python -m venv /opt/driftline \
    && /opt/driftline/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY detectors detectors
COPY learners learners
COPY stream stream
RUN /opt/driftline/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
    && /opt/driftline/bin/pip uninstall --yes setuptools pip

FROM python:3.13.7-slim-bookworm
RUN groupadd --system --gid 10001 driftline \
    && useradd --system --uid 10001 --gid driftline --home-dir /var/lib/driftline --create-home driftline
COPY --from=build /opt/driftline /opt/driftline
ENV PATH=/opt/driftline/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/driftline
EXPOSE 9464
ENTRYPOINT ["driftline"]
CMD ["--help"]
