# syntax=docker/dockerfile:1
# docker build -t counterfoil . && docker run --read-only --tmpfs /tmp -v counterfoil:/data counterfoil status

# --- builds the wheel and the environment; nothing of it but the environment is kept
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/counterfoil
COPY requirements.run.lock ./
RUN /opt/counterfoil/bin/pip install --no-cache-dir --require-hashes -r requirements.run.lock
COPY requirements.lock ./
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY forms forms
COPY pipeline pipeline
COPY storage storage
COPY kiosk kiosk
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /wheels . \
 && /opt/counterfoil/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

# --- runs
FROM python:3.11-slim-bookworm
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      tesseract-ocr libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fontconfig \
      fonts-liberation bubblewrap libseccomp2 \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin counterfoil \
 && install -d -o counterfoil -g counterfoil -m 0700 /data
COPY --from=build /opt/counterfoil /opt/counterfoil
# Everything written goes to /data, or briefly to /tmp: the rest can be mounted read-only.
ENV PATH=/opt/counterfoil/bin:$PATH \
    COUNTERFOIL_DATA=/data \
    XDG_CACHE_HOME=/tmp/cache \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER counterfoil
WORKDIR /data
VOLUME /data
EXPOSE 8001
ENTRYPOINT ["counterfoil"]
CMD ["--help"]
