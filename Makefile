# Everything runs in .venv, which is made on first use. `make help` lists the targets.
VENV ?= .venv
PYTHON ?= $(shell sh .ci/find-python)
BIN := $(VENV)/bin
ARGS ?=
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help check quickstart test test-slow lint format bench bench-compare bench-check clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

check:  ## look for what pip cannot install
	@sh .ci/check-system

$(VENV)/.installed: pyproject.toml
	@sh .ci/check-system
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

quickstart: $(VENV)/.installed  ## generate, train, evaluate, serve; ARGS="--rows 1M" passes options
	$(BIN)/scalable quickstart $(ARGS)

test: $(VENV)/.installed-dev  ## the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-slow: $(VENV)/.installed-dev  ## the long and destructive tests
	$(BIN)/python -m pytest -m slow --timeout=3600 $(ARGS)

lint: $(VENV)/.installed-dev  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-dev  ## let ruff rewrite the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-check: $(VENV)/.installed-dev  ## do the benchmarks import?
	$(BIN)/asv check -E existing:$(CURDIR)/$(BIN)/python

bench: $(VENV)/.installed-dev  ## run asv on the current commit and publish HTML to .asv/html
	$(BIN)/asv machine --yes
	$(BIN)/asv run --show-stderr $(ARGS) HEAD^!
	$(BIN)/asv publish
	@echo "open .asv/html/index.html (or: $(BIN)/asv preview)"

BASE ?= HEAD~1
bench-compare: $(VENV)/.installed-dev  ## compare HEAD with BASE=..., each built as a wheel
	$(BIN)/asv machine --yes
	$(BIN)/asv continuous --factor 1.1 --interleave-rounds $(ARGS) $(BASE) HEAD

clean:  ## remove the environment and all that was generated
	rm -rf $(VENV) .asv quickstart build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
