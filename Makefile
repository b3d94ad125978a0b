# Everything one types here. `make help` lists it.
VENV := .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || echo python3)
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEV_STAMP := $(VENV)/.installed-dev
WORKERS ?= 2
INSTALL = $(BIN)/python -m pip install --disable-pip-version-check --progress-bar on -c constraints.txt -e

.DEFAULT_GOAL := help
.PHONY: adversaries api-pages bench bench-peers browser build-models chaos chaos-alerts chaos-chain chaos-exchange check check-dashboards check-kubernetes check-monitoring compile compose-secrets compose-test down env-example exchange-clients help kill-payments lock logs monitoring-tools namespaces parameters setup simulate-faults soak-server status test up

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

# Debian packages the browser that the pages are tried in; without root the tests say what they leave out.
browser:  ## the browser for the tests of the pages, where root may install it
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null \
		&& apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } \
		|| echo "make: no chromium, and no root to install it: the pages are not tried in a browser" >&2

# What has a limit of time, or is a whole cluster, has the machine for itself; then the rest, by workers.
test: $(DEV_STAMP) browser  ## every test, on real stores, models and HTTP; some: make test ARGS=tests/kit
ifdef ARGS
	$(BIN)/python -m pytest --instafail $(ARGS)
else
	$(BIN)/python -m pytest --instafail -m alone
	$(BIN)/python -m pytest --quiet --instafail -m "not alone" --numprocesses $(WORKERS) --dist loadfile
endif

check: $(DEV_STAMP)  ## style, types, and which part may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(DEV_STAMP) $(if $(filter chain engine exchange recovery streams sync,$(NAME)),compile) $(if $(filter engine,$(NAME)),build/peers)  ## how long a start takes and its memory; or make bench NAME=step: a consensus step
	$(BIN)/python $(if $(NAME),-m tests.bench.$(NAME),tools/measure_start.py)

chaos-chain: $(DEV_STAMP)  ## 1000 random histories against the model; 65 kills under load, and a count
	TAONET_EXAMPLES=1000 $(BIN)/python -m pytest -q tests/chain_service/domain/test_ledger.py
	TAONET_EXAMPLES=1000 $(BIN)/python -m tests.chaos.chain $(ARGS)

namespaces: $(DEV_STAMP)  ## a Server and a worker on machines of their own: namespaces, slow wires, cuts (root)
	unshare --net $(BIN)/python -m tests.namespaces

simulate-faults: $(DEV_STAMP)  ## thousands of histories of the ledgers' cores, with crashes and lost messages
	$(BIN)/python -m tests.simulation $(ARGS)

chaos: $(DEV_STAMP)  ## kill, freeze and cut every process of a live box 210 times while users work; audit
	$(BIN)/python -m tests.chaos $(ARGS)

compile: $(DEV_STAMP)  ## have mypyc compile the exchange's and the chain's hot paths: about half the work; needs a C compiler
	$(BIN)/python tools/compile_services.py

bench-peers: build/peers  ## the engines that `make bench NAME=engine` compares with, in build/peers

build/peers: | $(DEV_STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --upgrade --target build/peers \
		lightmatchingengine==2019.1.4 order-matching==0.12.0 loguru pandera polars

chaos-exchange: export TAONET_EXAMPLES = 1000
chaos-exchange: export TAONET_TEST_TRADES = 1000000
chaos-exchange: $(DEV_STAMP)  ## 1000 random histories against the model; 50 kills of engine and Postgres, and a count
	$(BIN)/python -m pytest -q tests/exchange/domain/test_exchange_machine.py
	$(BIN)/python -m pytest -q tests/exchange/domain/test_failure_modes.py -k test_06
	$(BIN)/python -m tests.chaos.exchange $(ARGS)

exchange-clients: $(DEV_STAMP)  ## ccxt's own live suite and python-binance against the exchange, in a venv of theirs
	test -x .venv-clients/bin/python || $(PYTHON) -m venv .venv-clients
	.venv-clients/bin/python -m pip install --disable-pip-version-check -q -r tests/clients/requirements.txt
	$(BIN)/python -m tests.clients.run .venv-clients/bin/python

kill-payments: $(DEV_STAMP)  ## kill the exchange fifty times while it pays, and count what was paid twice
	TAONET_TEST_KILLS=50 $(BIN)/python -m pytest -q tests/exchange/test_kill_payments.py

adversaries: $(DEV_STAMP)  ## what every cheat earns on a live cluster (about six minutes)
	$(BIN)/python -m tests.bench.adversaries

env-example: $(DEV_STAMP)  ## write .env.example from the settings classes
	$(BIN)/python tools/env_example.py

parameters: $(DEV_STAMP)  ## write docs/parameters.md from the code
	$(BIN)/python tools/parameters_page.py

api-pages: $(DEV_STAMP)  ## write docs/api/ from what each service says of itself
	$(BIN)/python tools/api_pages.py

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

check-monitoring: $(DEV_STAMP) monitoring-tools  ## Prometheus' own checks and rule tests, and the dashboards
	$(BIN)/python -m pytest -q tests/monitoring

check-dashboards: $(DEV_STAMP)  ## ask every panel's question on the running cluster, by Prometheus and SQL
	$(BIN)/python -m monitoring.check_dashboards

chaos-alerts: $(DEV_STAMP)  ## hurt a box of its own, and see alerts fire and clear (needs Alertmanager)
	$(BIN)/python -m tests.chaos.alerts

monitoring-tools: $(STAMP)  ## Prometheus and promtool from Debian's package, into the virtual environment
	@command -v promtool >/dev/null || test -x $(BIN)/promtool || tools/monitoring_tools.sh $(BIN)

check-kubernetes: $(DEV_STAMP)  ## render the manifests and hold them against Kubernetes' schemas (needs kubectl)
	$(BIN)/python -m pip install -q -c constraints.txt kubernetes-validate
	mkdir -p build; for overlay in small grown; do \
		kubectl kustomize deploy/kubernetes/overlays/$$overlay >build/$$overlay.yaml || exit 1; \
		$(BIN)/kubernetes-validate --strict -k 1.32 build/$$overlay.yaml || exit 1; \
	done
