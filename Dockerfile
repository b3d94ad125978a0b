# One file, two targets: `light` for every service without a language model, `model` for the Servers.
#
#   docker build --target light -t taonet:light .
#   docker build --target model -t taonet:model .
#
# The packages come by their hashes from PyPI, or from the index that PIP_INDEX_URL names; a private
# CA is handed in as the secret `ca`. torch has one version and another file for processors and for
# each kind of card, so it is pinned by its version alone and comes from TORCH_INDEX_URL:
#
#   docker build --target model --build-arg TORCH_INDEX_URL=https://download.pytorch.org/whl/cu130 …
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS packages
ARG PIP_INDEX_URL PIP_TRUSTED_HOST
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
# The environment holds no pip of its own, so the images hold none either: the builder's fills it.
RUN python3 -m venv --without-pip /opt/taonet
COPY requirements.lock ./
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m pip --python /opt/taonet/bin/python install --require-hashes -r requirements.lock

FROM packages AS model-packages
ARG TORCH_INDEX_URL=https://download.pytorch.org/whl/cpu
COPY constraints.txt requirements-model.lock ./
RUN --mount=type=secret,id=ca,required=false \
    if [ -s /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \
    python3 -m pip --python /opt/taonet/bin/python install --require-hashes --no-deps \
        -r requirements-model.lock \
    && python3 -m pip --python /opt/taonet/bin/python install -c constraints.txt \
        --extra-index-url "${TORCH_INDEX_URL}" torch

FROM ${PYTHON_IMAGE} AS source
WORKDIR /app
COPY services services
COPY chain-service chain-service
COPY server-service server-service
COPY validator-service validator-service
COPY exchange-service exchange-service
# The explorer draws Grafana's dashboards from their JSON.
COPY monitoring/grafana/provisioning/dashboards monitoring/grafana/provisioning/dashboards
# Compiled here, for the containers' root is read-only.
RUN python3 -m compileall -q .

FROM ${PYTHON_IMAGE} AS base
ENV PATH=/opt/taonet/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    PYTHONPATH=/app/services:/app/chain-service:/app/server-service:/app/validator-service:/app/exchange-service
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin taonet \
    && install -d -o 10001 -g 10001 /data /data/wallets /data/keys /data/corpus /data/treasury /data/keys/servers \
        /data/keys/validator-1 /data/keys/validator-2 /data/signer /data/wallets/chain /data/wallets/exchange
WORKDIR /app
USER 10001:10001

# The code comes last: a change of it copies a few megabytes and no package.
FROM base AS light
COPY --from=packages /opt/taonet /opt/taonet
COPY --from=source /app /app

FROM base AS model
COPY --from=model-packages /opt/taonet /opt/taonet
COPY --from=source /app /app
