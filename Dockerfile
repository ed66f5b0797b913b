# Denizen's services: `docker run <image> run accounts`, `… migrate`, `… users list`. compose.yaml shows them all.

FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/build.txt
COPY LICENSE pyproject.toml ./
COPY contracts contracts
COPY deploy/nats deploy/nats
COPY services services
COPY projections projections
RUN pip wheel --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir /wheels ./contracts .

FROM python:3.13-slim
COPY requirements/runtime.txt /tmp/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /tmp/runtime.txt
COPY --from=build /wheels /tmp/wheels
RUN pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index /tmp/wheels/*.whl \
    && rm -r /tmp/wheels /tmp/runtime.txt \
    && useradd --uid 10001 --home-dir /var/lib/denizen --create-home denizen
USER denizen
WORKDIR /var/lib/denizen
ENV DENIZEN_HOME=/var/lib/denizen PYTHONUNBUFFERED=1
ENTRYPOINT ["denizen"]
CMD ["--help"]
