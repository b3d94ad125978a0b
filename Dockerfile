# One file, two targets: `light` for every service without a language model, `model` for the Servers.
#
#   docker build --target light -t taonet:light .
#   docker build --target model -t taonet:model .
#
# The packages come, by their hashes, from whatever index pip is told of (PIP_INDEX_URL and PIP_EXTRA_INDEX_URL as
# build arguments; a private CA as the secret `ca`). torch has one version and a different file for processors and for
# each kind of card, so it is pinned by version alone: name the index of the build that you want, or take your own's.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
ARG PIP_INDEX_URL PIP_EXTRA_INDEX_URL
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PATH=/opt/taonet/bin:$PATH
WORKDIR /build
RUN python3 -m venv /opt/taonet
COPY requirements.lock ./
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip install --require-hashes -r requirements.lock

FROM packages AS model-packages
COPY constraints.txt requirements-model.lock ./
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    pip install --require-hashes --no-deps -r requirements-model.lock \
    && pip install -c constraints.txt torch

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/taonet/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    PYTHONPATH=/app/services:/app/chain-service:/app/server-service:/app/validator-service:/app/exchange-service
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin taonet \
    && install -d -o 10001 -g 10001 /data
WORKDIR /app
COPY services services
COPY chain-service chain-service
COPY server-service server-service
COPY validator-service validator-service
COPY exchange-service exchange-service
USER 10001:10001

FROM base AS light
COPY --from=packages /opt/taonet /opt/taonet

FROM base AS model
COPY --from=model-packages /opt/taonet /opt/taonet
