# RunnerHub. `make help` lists the verbs; all of them need only Python 3.11 to 3.13 and make.

# The first Python that fits and can make virtual environments; else one that fits; else any,
# whose unfitness tools/bootstrap.py then explains.
PYTHON ?= $(shell \
	for p in python3 python3.13 python3.12 python3.11 /usr/bin/python3; do \
	  $$p -c 'import sys, venv, ensurepip; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' \
	    2>/dev/null && { echo $$p; exit; }; done; \
	for p in python3 python3.13 python3.12 python3.11; do \
	  $$p -c 'import sys; sys.exit(not (3,11) <= sys.version_info[:2] <= (3,13))' \
	    2>/dev/null && { echo $$p; exit; }; done; \
	echo python3)

BIN := .venv/bin
IMAGE ?= runnerhub:latest
BASE ?= python:3.13-slim
ARGS ?=
SEEDS ?= 1000
JOBS ?= 1000
LANES ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test faults scale circle bench lint types contracts check format lock image clean runtime demo-ready dev

help: ## List the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo '  Pass arguments on with ARGS=…, choose an interpreter with PYTHON=…'

demo: demo-ready ## See real jobs run in sandboxes, then a summary (ARGS=--json for a program)
	@$(BIN)/runnerhub demo $(ARGS)

test: dev ## Run the tests; real servers that are missing are skipped with a reason (LANES=2 at a time)
	@$(BIN)/python -m pytest --numprocesses $(LANES) --dist loadgroup $(ARGS)

faults: dev ## Hold the promise under random faults (SEEDS=1000; a failing seed replays with SEED=n)
	@RUNNERHUB_SEEDS=$(SEEDS) $(if $(SEED),RUNNERHUB_SEED=$(SEED)) $(BIN)/python -m pytest tests/simulation/test_random_faults.py -q $(ARGS)

circle: dev ## Serve 500 workflow jobs by webhook and by scale set while all goes wrong (JOBS=500 SEED=1 SEEDS=1)
	@RUNNERHUB_CIRCLE_JOBS=$(if $(filter file,$(origin JOBS)),500,$(JOBS)) RUNNERHUB_SEED=$(or $(SEED),1) \
	  RUNNERHUB_SEEDS=$(if $(filter file,$(origin SEEDS)),1,$(SEEDS)) \
	  $(BIN)/python -m pytest tests/simulation/test_circle.py tests/simulation/test_scale_sets.py \
	  -k whatever_goes_wrong -q --timeout 900 $(ARGS)

scale: dev ## Let Redis forget everything while JOBS=1000 wait and run, on two real engines (minutes)
	@RUNNERHUB_SCALE=$(JOBS) $(BIN)/python -m pytest tests/e2e/test_flush_at_scale.py -q $(ARGS)

bench: dev ## Measure everything, on a machine with nothing else to do (an hour; ARGS=--quick to see it work)
	@$(BIN)/python -m bench.all $(ARGS)

lint: dev ## Check style and formatting (ruff)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: dev ## Check types (mypy --strict)
	@$(BIN)/mypy

contracts: dev ## Check the direction of imports (import-linter)
	@$(BIN)/lint-imports --no-cache

check: lint types contracts test ## All of the above, as CI does

format: dev ## Rewrite the sources in the house style
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

lock: dev ## Resolve pyproject.toml into requirements/*.txt again
	@tools/lock.sh

image: ## Build the container image (IMAGE=name:tag, BASE=python image)
	docker build --build-arg BASE=$(BASE) -t $(IMAGE) .

clean: ## Remove .venv and every cache
	rm -rf .venv .bootstrap.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -rf build dist .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

demo-ready:
	@$(PYTHON) tools/bootstrap.py demo

runtime:
	@$(PYTHON) tools/bootstrap.py runtime

dev:
	@$(PYTHON) tools/bootstrap.py dev
