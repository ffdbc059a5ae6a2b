# RunnerHub as a small, non-root image.
#   docker build --build-arg BASE=python:3.13-slim -t runnerhub .
# BASE is any image with Python 3.11 to 3.13 and glibc. On a machine without a network, bring
# the wheels: put them into ./wheels and add --build-arg PIP_ARGS="--no-index --find-links /src/wheels".
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
ARG PIP_ARGS=""
WORKDIR /src
COPY requirements requirements
# LICENSE keeps the pattern from matching nothing where no wheels were brought.
COPY LICENSE wheel* wheels/
RUN python3 -m venv /opt/runnerhub \
 && /opt/runnerhub/bin/pip install --no-cache-dir --no-compile --require-hashes ${PIP_ARGS} \
      -r requirements/runtime.txt \
 && python3 -m venv /build \
 && /build/bin/pip install --no-cache-dir --require-hashes ${PIP_ARGS} -r requirements/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY runnerhub runnerhub
RUN /build/bin/hatchling build -t wheel \
 && /opt/runnerhub/bin/pip install --no-cache-dir --no-compile --no-index --no-deps dist/*.whl \
 && /opt/runnerhub/bin/pip uninstall --quiet --yes pip

FROM ${BASE}
COPY --from=build /opt/runnerhub /opt/runnerhub
# The name is for PostgreSQL's initdb; the number below lets a check see that it is not root.
RUN echo 'runnerhub:x:65532:65532::/data:/bin/false' >> /etc/passwd \
 && mkdir -m 0700 /data && chown 65532:65532 /data
USER 65532:65532
ENV PATH=/opt/runnerhub/bin:$PATH HOME=/data PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    RUNNERHUB_DATA_DIR=/data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python3", "-c", \
  "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/api/health', timeout=2)"]
# SIGTERM hands running jobs over to the next process; give it the time it promises.
STOPSIGNAL SIGTERM
ENTRYPOINT ["runnerhub"]
CMD ["serve", "--bind", "0.0.0.0:8080", "--data-dir", "/data"]
