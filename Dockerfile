# One image for the web process, the worker, the beat and every `manage.py` command.
#
#   docker build -t dbpower .
#   docker run --env-file … dbpower                               the web process
#   docker run --env-file … dbpower python manage.py migrate      any other: see docker-compose.yml, docs/deployment.md

# --- What compiles and downloads stays in this stage ------------------------------------------------------------------
FROM python:3.11-slim AS build

ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1
WORKDIR /build
COPY requirements.txt ./
RUN python -m venv /opt/dbpower \
    && /opt/dbpower/bin/pip install --require-hashes --only-binary :all: -r requirements.txt \
    && /opt/dbpower/bin/pip check \
    && /opt/dbpower/bin/pip uninstall -y pip setuptools
# Its version does not show in what it makes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends gettext \
    && rm -rf /var/lib/apt/lists/*
COPY dbpower/locale ./dbpower/locale
COPY collectors/locale ./collectors/locale
RUN find . -name '*.po' -execdir msgfmt -o django.mo {} \;

# --- The image --------------------------------------------------------------------------------------------------------
FROM python:3.11-slim

RUN groupadd --system --gid 10001 dbpower \
    && useradd --system --uid 10001 --gid dbpower --home-dir /data --no-create-home --shell /usr/sbin/nologin dbpower \
    && install -d -o dbpower -g dbpower -m 0700 /data

WORKDIR /app
COPY --from=build /opt/dbpower /opt/dbpower
COPY manage.py ./
COPY dbpower ./dbpower
COPY collectors ./collectors
COPY --from=build /build/dbpower/locale ./dbpower/locale
COPY --from=build /build/collectors/locale ./collectors/locale

# GRANIAN_WORKERS: web processes; each serves GRANIAN_BLOCKING_THREADS requests at a time.
ENV PATH=/opt/dbpower/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    DJANGO_SETTINGS_MODULE=dbpower.settings \
    DBPOWER_DATA_DIR=/data \
    PORT=8000 \
    GRANIAN_WORKERS=2 \
    GRANIAN_BLOCKING_THREADS=4 \
    GRANIAN_LOG_LEVEL=warning \
    GRANIAN_HTTP1_HEADER_READ_TIMEOUT=10000
RUN python -m compileall -q manage.py dbpower collectors

USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# Asked by the name `localhost`, which DBPOWER_ALLOWED_HOSTS has to hold (its default does). Without a worker, a beat or a
# database the web process is still alive: /health says which of them is missing.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.build_opener(r.ProxyHandler({})).open('http://localhost:' + os.environ['PORT'] + '/health/live', timeout=4)"]

CMD ["sh", "-c", "exec granian --interface wsgi --no-ws --respawn-failed-workers --host 0.0.0.0 --port \"$PORT\" dbpower.wsgi:application"]
