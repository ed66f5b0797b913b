# The commands of this repository; `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
# How many tests run side by side. They wait more than they compute, so there may be more of them than processors.
WORKERS ?= 3
BIN := $(VENV)/bin
# What the environment is made from. Its hash is in the stamps' names, so that any change, and only a change, installs again.
INPUTS := requirements/embedded.txt requirements/dev.txt pyproject.toml contracts/pyproject.toml
HASH := $(shell cat $(INPUTS) 2>/dev/null | cksum | cut -d ' ' -f 1)
# `make run` needs a third of what the tests and the checkers need, so it installs no more than that.
RUNNABLE := $(VENV)/.runnable-$(HASH)
STAMP := $(VENV)/.installed-$(HASH)
# The TypeScript client, where there is Node: scripts/node.py.
NODE = $(BIN)/python -m scripts.node
NODE_HASH := $(shell cat contracts/typescript/package.json contracts/typescript/package-lock.json | cksum | cut -d ' ' -f 1)
NODE_STAMP := contracts/typescript/node_modules/.installed-$(NODE_HASH)
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' contracts/denizen/__init__.py)
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install run build test test-slow test-fast test-containers bench lint format typecheck contract reference check check-locks env lock clean

help:  ## Show this list.
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(MAKEFILE_LIST) | while IFS='|' read -r name what; do printf '  make %-16s %s\n' "$$name" "$$what"; done

install: $(STAMP) $(NODE_STAMP)  ## Make .venv with everything in it (needs Python 3.11 or later; PYTHON=python3.13 chooses one).

$(RUNNABLE):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Denizen needs Python 3.11 or later; '$(PYTHON)' is `$(PYTHON) -V 2>&1`. Try: make PYTHON=python3.12 install" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	  echo "Making an environment of `$(PYTHON) -V` in $(VENV)"; $(PYTHON) -m venv --clear $(VENV); }
	@echo "Installing Denizen and `grep -c == requirements/embedded.txt` packages that it needs, each pinned by its hash"
	@$(PIP) --require-hashes -r requirements/embedded.txt
	@$(PIP) --no-deps --no-build-isolation -e contracts -e .
	@rm -f $(VENV)/.runnable-*
	@touch $@

$(STAMP): $(RUNNABLE)
	@echo "Installing what the tests and the checkers need"
	@$(PIP) --require-hashes -r requirements/dev.txt
	@rm -f $(VENV)/.installed-*
	@touch $@

$(NODE_STAMP): $(STAMP)
	@$(NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@mkdir -p $(@D)
	@touch $@

run: $(RUNNABLE)  ## Start everything (embedded PostgreSQL and NATS included) and say how to talk to it.
	@$(BIN)/denizen up

test: install  ## Run the tests that need no container and are not slow (WORKERS=1: one after another).
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not slow and not quiet"

test-slow: install  ## Run the slow tests (kills, floods, statistics), then those that compare times, one by one.
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "slow and not quiet"
	$(BIN)/pytest -m quiet

test-fast: install  ## Run the tests that need no server.
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not quiet" tests/unit tests/contract tests/importing

test-containers: install  ## Run what talks to servers on the images of compose.yaml (needs a Docker engine).
	TESTCONTAINERS_RYUK_DISABLED=true TESTCONTAINERS_CONNECTION_MODE=docker_host $(BIN)/pytest --servers=containers tests/integration tests/client tests/containers

bench: install  ## Measure against the machine's own limits.
	$(BIN)/python -m bench

lint: install  ## Check style, imports, names, and the language of every text.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m scripts.check_language
	$(NODE) biome ci --error-on-warnings .
	$(BIN)/python -m scripts.check_names

format: install  ## Rewrite the code in its one style.
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NODE) biome check --write .

typecheck: install  ## Check the types.
	$(BIN)/basedpyright
	$(NODE) tsc --build

contract: install  ## Write contracts/asyncapi.json and the types of the TypeScript client from the table of operations.
	$(BIN)/python -m services.endpoint.contract contracts/asyncapi.json
	$(BIN)/python -m scripts.typescript

reference: install  ## Write docs/reference/ and the index of decisions from the code.
	$(BIN)/python -m scripts.reference
	$(BIN)/python -m scripts.schema

check: lint typecheck  ## Everything short of the tests: style, types, contract, licences, documentation.
	$(BIN)/python -m scripts.check_contract
	$(BIN)/python -m scripts.typescript --check
	$(BIN)/python -m scripts.check_licences
	$(BIN)/python -m scripts.reference --check
	$(BIN)/python -m scripts.schema --check
	$(BIN)/python -m scripts.check_docs

check-locks: install  ## Check that what is pinned can be installed by every Python and on every platform of the README.
	$(BIN)/python -m scripts.check_locks

env:  ## Make the secrets for compose.yaml that are missing in .env.
	@umask 077 && $(PYTHON) -m scripts.make_env .env >>.env && echo "every secret is in .env"

lock: install  ## Pin what pyproject.toml needs, with the hashes of all files (LOCK=--upgrade takes newer versions).
	$(BIN)/python -m scripts.lock $(if $(AS_OF),--as-of $(AS_OF)) $(LOCK)

build: $(RUNNABLE) $(NODE_STAMP)  ## Make the wheels and the npm package in dist/, and the image where a Docker engine answers.
	@rm -rf dist
	@$(BIN)/python -m pip wheel -qq --no-deps --no-build-isolation --wheel-dir dist ./contracts .
	@$(NODE) npm pack --silent --pack-destination ../../dist
	@ls dist/*
	@if docker info >/dev/null 2>&1; then docker build --quiet -t denizen:$(VERSION) . && echo "image denizen:$(VERSION)"; \
	else echo "no image: docker info finds no engine"; fi

clean:  ## Remove what was made here; data in .denizen stays.
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist contracts/typescript/node_modules contracts/typescript/dist contracts/typescript/build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
