# The server, from its wheel, with the packages that requirements/server.txt pins:
#   docker build --tag wyoming-fish .
#   docker run --publish 10210:10210 --env FISH_API_KEY wyoming-fish
FROM python:3.14-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/server.txt requirements/
RUN pip install --no-cache-dir --require-hashes --requirement requirements/build.txt
RUN python -m venv --without-pip /app && \
    pip --python /app/bin/python install --no-cache-dir --require-hashes --requirement requirements/server.txt
COPY LICENSE README.md pyproject.toml ./
COPY wyoming_fish wyoming_fish
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir dist . && \
    pip --python /app/bin/python install --no-cache-dir --no-deps dist/*.whl

FROM python:3.14-slim
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH
# By number, so that a host can see that it is not root.
USER 10210:10210
EXPOSE 10210
ENTRYPOINT ["wyoming-fish"]
