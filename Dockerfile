# The server, from its wheel, with the packages that requirements/server.txt pins:
#   docker build --tag wyoming-fish .
#   docker run --read-only --publish 10210:10210 --env FISH_API_KEY wyoming-fish
# Set WYOMING_FISH_URI, not --uri, to listen elsewhere: the health check reads it too.
# Python's image is named by its tag and not by a digest, so that each build has its newest fixes.
FROM python:3.14-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/server.txt requirements/
RUN pip install --no-cache-dir --only-binary :all: --require-hashes --requirement requirements/build.txt && \
    python -m venv --without-pip /app && \
    pip --python /app/bin/python install --no-cache-dir --only-binary :all: --require-hashes \
        --requirement requirements/server.txt
COPY LICENSE README.md pyproject.toml ./
COPY wyoming_fish wyoming_fish
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . && \
    pip --python /app/bin/python install --no-cache-dir --no-deps dist/*.whl

FROM python:3.14-slim
LABEL org.opencontainers.image.title="Wyoming Fish" \
      org.opencontainers.image.description="Fish Audio's voices over the Wyoming protocol" \
      org.opencontainers.image.url="https://github.com/wyoming-fish/wyoming-fish" \
      org.opencontainers.image.source="https://github.com/wyoming-fish/wyoming-fish" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH
# Python's image comes without its compiled modules, and the user below may write none: the ones that the
# server imports are compiled here, once, and not at each start.
RUN ["wyoming-fish", "--help"]
# By number, so that a host can see that it is not root.
USER 10210:10210
EXPOSE 10210
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["wyoming-fish-health"]
ENTRYPOINT ["wyoming-fish"]
