# Every task of the project. `make help` lists them; CI calls the same ones (.ci/run).

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
SOURCE := services operator tests tools
LANES  ?=

.DEFAULT_GOAL := help
.PHONY: help install run demo demo-group cluster test chaos check format lint types layers protos protos-check breaking charts charts-check docs docs-check lock bench images sbom clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  \033[36mmake %-14s\033[0m %s\n", $$1, $$2}'

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Signet needs Python 3.11 or later; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "installing into $(VENV) (once; about a minute) …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

install: $(READY) ## the local environment in .venv, from requirements.lock

run: $(READY) ## start everything in one process, and say how to chat
	@$(BIN)/signet run

demo: $(READY) ## two people talk, the server is killed, nothing is lost
	@$(BIN)/signet demo

demo-group: $(READY) ## five people, nine devices, one group; one is removed, one catches up
	@$(BIN)/signet demo-group

cluster: $(READY) ## many processes, as a live table with keys that kill and drain them
	@$(BIN)/signet cluster up $(ARGS)

test: $(READY) ## every suite and every lane that this machine can run (LANES=name,name for some alone)
	@$(BIN)/python -m pytest $(if $(LANES),--lanes $(LANES)) $(ARGS)

chaos: $(READY) ## people talk while every second something breaks: MINUTES=1 SEED=7 STORES=embedded|real MEMBERS=redis|zookeeper
	@$(BIN)/python -m tests.faults.chaos --minutes $(or $(MINUTES),1) --seed $(or $(SEED),7) --stores $(or $(STORES),embedded) --members $(or $(MEMBERS),redis)

check: $(READY) lint types layers protos-check docs-check charts-check ## everything that is checked without running it

lint: $(READY) ## ruff: lint and format
	@$(BIN)/ruff check $(SOURCE)
	@$(BIN)/ruff format --check $(SOURCE)

types: $(READY) ## mypy, strict, tests too
	@$(BIN)/mypy $(SOURCE)

layers: $(READY) ## import-linter: the layers, and that servers cannot read messages
	@$(BIN)/lint-imports --no-logo

protos-check: $(READY) ## buf lint, and that the generated code is what protos/ says
	@cd protos && ../$(BIN)/buf lint
	@$(BIN)/python tools/generate_protos.py --check

breaking: $(READY) ## does protos/ break clients of BASE (a git revision)?
	@cd protos && ../$(BIN)/buf breaking --against '../.git#ref=$(BASE),subdir=protos'

charts: $(READY) ## put crds/ into the charts
	@$(BIN)/python tools/package_crds.py

charts-check: $(READY) ## that the charts have crds/ as they are, and helm lint
	@$(BIN)/python tools/package_crds.py --check
	@$(BIN)/python -m tools.lint_charts

format: $(READY) ## ruff: put the format right
	@$(BIN)/ruff check --fix $(SOURCE)
	@$(BIN)/ruff format $(SOURCE)

protos: $(READY) ## generate the Python code of protos/
	@$(BIN)/python tools/generate_protos.py

docs: $(READY) ## write the tables in docs/ that come from the code
	@$(BIN)/python tools/generate_docs.py

docs-check: $(READY) ## that those tables are what the code says
	@$(BIN)/python tools/generate_docs.py --check

lock: ## resolve pyproject.toml into requirements.lock (needs uv)
	@uv pip compile -q pyproject.toml --group dev --extra operator --universal --no-emit-index-url --generate-hashes --upgrade -o requirements.lock

bench: $(READY) ## CPU a message, latencies, KiB a connection
	@$(BIN)/signet bench

images: $(READY) ## one container image a role, by buildah: BASE=image TAG=dev (deploy/docker)
	@$(BIN)/python -m tools.images $(if $(BASE),--base $(BASE)) $(if $(TAG),--tag $(TAG))

sbom: $(READY) ## the same, with a bill of materials of each in build/sbom (CycloneDX)
	@$(BIN)/python -m tools.images $(if $(BASE),--base $(BASE)) $(if $(TAG),--tag $(TAG)) --bills build/sbom

clean: ## remove what was built here (not the cache of lanes)
	@rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
