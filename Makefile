# Everything one types here. `make help` lists it.
VENV := .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -c constraints.txt -e

.DEFAULT_GOAL := help
.PHONY: bench-peers compile chaos-exchange help setup up down status logs test kill-payments check bench build-models env-example compose-secrets compose-test lock check-monitoring exchange-clients chaos-chain parameters adversaries soak-server check-kubernetes

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## the virtual environment with what runs, made anew only when its packages changed

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: no $(PYTHON); name another: make PYTHON=python3.12 …" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[model,embedded,lab]'
	@touch $@

# What tests and checks need besides: other people's clients, linters, plots.
$(DEV_STAMP): $(STAMP)
	$(INSTALL) '.[model,embedded,lab,dev]'
	@touch $@

up: setup  ## start the whole network on this machine; returns once all of it is ready
	@$(BIN)/taonet up --detach

down: setup  ## stop it; what it holds is kept
	@$(BIN)/taonet down

status: setup  ## processes, addresses, head, supply
	@$(BIN)/taonet status

logs: setup  ## follow a process's log: make logs NAME=chain
	@$(BIN)/taonet logs $(or $(NAME),supervisor) -f

test: $(DEV_STAMP)  ## every test, on real stores, models and HTTP
	$(BIN)/python -m pytest $(ARGS)

check: $(DEV_STAMP)  ## style, types, and which part may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_STAMP)  ## how long a start takes and its memory; or make bench NAME=step: a consensus step
	$(BIN)/python $(if $(NAME),-m tests.bench.$(NAME),tools/measure_start.py)

chaos-chain: $(DEV_STAMP)  ## 1000 random histories against the model; 50 kills under load, and a count
	TAONET_EXAMPLES=1000 $(BIN)/python -m pytest -q tests/chain_service/domain/test_ledger.py
	$(BIN)/python -m tests.chaos.chain $(ARGS)
adversaries: $(DEV_STAMP)  ## what every cheat earns on a live cluster (about six minutes)
	$(BIN)/python -m tests.bench.adversaries

env-example: $(DEV_STAMP)  ## write .env.example from the settings classes
	$(BIN)/python tools/env_example.py

parameters: $(DEV_STAMP)  ## write docs/parameters.md from the code
	$(BIN)/python tools/parameters_page.py

compose-secrets: setup  ## make the passwords that docker-compose.yml reads, in secrets/
	$(BIN)/python tools/compose_secrets.py

soak-server: $(DEV_STAMP)  ## ten minutes of honest and harmful callers against one Server; plots its memory
	$(BIN)/python -m tests.bench.soak

compose-test: $(DEV_STAMP)  ## build the images, bring them up on a Docker Engine, use and hurt them
	$(BIN)/python -m tests.compose

build-models: setup  ## train the starter models anew (about an hour on two cores)
	$(BIN)/taonet model build --all

lock:  ## pin the newest packages that fit: constraints.txt, requirements.lock
	$(PYTHON) tools/lock.py

check-kubernetes: $(DEV_STAMP)  ## render the manifests and hold them against Kubernetes' schemas (needs kubectl)
	$(BIN)/python -m pip install -q -c constraints.txt kubernetes-validate
	mkdir -p build; for overlay in small grown; do \
		kubectl kustomize deploy/kubernetes/overlays/$$overlay >build/$$overlay.yaml || exit 1; \
		$(BIN)/kubernetes-validate --strict -k 1.32 build/$$overlay.yaml || exit 1; \
	done

check-monitoring: $(DEV_STAMP)  ## Prometheus' own checks and rule tests (needs promtool), and the dashboards
	promtool check config monitoring/prometheus/prometheus.yml
	promtool check rules monitoring/prometheus/rules/*.yml
	promtool test rules monitoring/prometheus/tests/*.yml
	$(BIN)/python -m monitoring.dashboards --check
