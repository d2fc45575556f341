# Everything that is done with this project, from a machine that has Python 3.11 or later and nothing else.
# `make help` lists it. The environment is .venv; it is made, and renewed when the lock changes, by what needs it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
FOLDER ?= milepost-demo
JOBS ?= 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test lint types check-format format torture bench lock clean strace pdfs

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp  ## install with the demo's data, run it, kill it, continue it (about a minute)
	@$(BIN)/milepost demo --folder "$(FOLDER)"

test: lint strace pdfs  ## format, lint, strict types, floors, and the fast tests (under 5 minutes; JOBS=2 at once)
	@echo "tests: pytest"
	@$(PYTEST) -m "not torture" -n $(JOBS) --dist loadgroup $(ARGS)

lint: $(VENV)/dev.stamp  ## all of `make test` but the tests
	@echo "format: ruff format --check"; $(BIN)/ruff format --quiet --check --output-format=concise . \
	    || { echo "  not formatted; run: make format"; exit 1; }
	@echo "lint: ruff check"; $(BIN)/ruff check --quiet --output-format=concise .
	@echo "types: mypy --strict"; $(BIN)/mypy --no-error-summary
	@echo "floors: lint-imports"; out=$$($(BIN)/lint-imports --no-cache 2>&1) || { echo "$$out"; exit 1; }

format: $(VENV)/dev.stamp  ## format the code and repair what ruff can
	@$(BIN)/ruff format --quiet . && $(BIN)/ruff check --quiet --fix .

torture: $(VENV)/dev.stamp strace  ## the long tests: kills, full disks, damaged files (hours at most)
	@$(PYTEST) -m torture $(ARGS)

bench: $(VENV)/dev.stamp  ## measure us beside the peers
	@$(BIN)/python benchmarks/run.py $(ARGS)

lock: $(VENV)/dev.stamp  ## renew requirements/*.txt from pyproject.toml (UPGRADE=1: to the newest)
	@echo "lock: requirements/demo.txt, requirements/dev.txt"
	@$(BIN)/python -m venv $(VENV)/lock && $(VENV)/lock/bin/pip install -q "pip-tools==7.6.2"
	@$(BIN)/python requirements/groups.py build > $(VENV)/lock/build.in
	@$(BIN)/python requirements/groups.py dev > $(VENV)/lock/dev.in
	@$(LOCK) --output-file requirements/demo.txt pyproject.toml $(VENV)/lock/build.in
	@$(LOCK) --output-file requirements/dev.txt --constraint requirements/demo.txt pyproject.toml $(VENV)/lock/dev.in
LOCK = CUSTOM_COMPILE_COMMAND="make lock" $(VENV)/lock/bin/pip-compile --quiet --extra demo --generate-hashes \
    --allow-unsafe --strip-extras --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host $(if $(UPGRADE),--upgrade)

clean:  ## remove the environment and whatever tools left behind
	@rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# A stamp is renewed only when the lock or pyproject.toml is newer. The demo's pins are a subset of the tests'.
$(VENV)/python.stamp: .ci/venv
	@.ci/venv $(VENV)
	@touch $@

$(VENV)/demo.stamp: $(VENV)/python.stamp requirements/demo.txt pyproject.toml
	@.ci/install $(VENV) requirements/demo.txt
	@touch $@

$(VENV)/dev.stamp: $(VENV)/python.stamp requirements/dev.txt pyproject.toml
	@.ci/install $(VENV) requirements/dev.txt
	@touch $@ $(VENV)/demo.stamp

# The crash tests stop a process at its n-th system call, which needs strace.
strace:
	@command -v strace > /dev/null || .ci/strace

# The job of tests/jobs reads real PDFs.
pdfs:
	@.ci/pdfs
