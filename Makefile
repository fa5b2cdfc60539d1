# Everything runs in .venv, which is made on first use. `make help` lists the targets.
VENV ?= .venv
PYTHON ?= $(shell sh .ci/find-python)
BIN := $(VENV)/bin
INSTALL := python -m pip install --quiet
ARGS ?=
PROFILE ?= quick
RANGE ?= HEAD~10..HEAD
export PYTHON
export SCALABLE_BENCH_PROFILE ?= $(PROFILE)
export SCALABLE_PEERS_PYTHON ?= $(wildcard .venv-peers/bin/python)

.DEFAULT_GOAL := help
.PHONY: help check quickstart fraud-desk test test-slow fuzz lint docs wheel format bench bench-compare bench-history bench-continuous \
	bench-check gate-check versus billion peers peers-lleaves clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

check:  ## look for what pip cannot install
	@sh .ci/check-system

$(VENV)/.installed: pyproject.toml
	@sh .ci/check-system
	$(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV), a minute or two ..."
	@$(BIN)/python .ci/install.py
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	PYTHONWARNINGS=ignore $(BIN)/$(INSTALL) --editable '.[dev]'
	@touch $@

fraud-desk: $(VENV)/.installed-dev  ## drift, alarm, retraining, rollback, replayed end to end; ARGS="--days 18" passes options
	$(BIN)/python -m bench.desk $(ARGS)

quickstart: $(VENV)/.installed  ## generate, train, evaluate, serve; ARGS="--rows 1M" passes options
	$(BIN)/scalable quickstart $(ARGS)

# A module is run by one process: two would make its data, its models and its cluster twice. Four processes for two
# cores, as much of their time is spent waiting. Reordered, the long modules of few tests would come last, alone.
test: $(VENV)/.installed-dev  ## the whole test suite
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS)

test-slow: $(VENV)/.installed-dev  ## the long and destructive tests
	$(BIN)/python -m pytest -m slow --timeout=3600 $(ARGS)

# no cache: ruff keeps a verdict on import order when the folders it was reached with have changed
fuzz: $(VENV)/.installed-dev  ## change files at random and read them, ten minutes and compilation; ARGS=--bounds-only checks indices
	$(BIN)/python -m tests.fuzz --seconds 600 $(ARGS)

lint: $(VENV)/.installed-dev  ## ruff, mypy, links of the pages
	$(BIN)/ruff check --no-cache .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy tests/typed/program.py
	$(BIN)/python -m bench.links

wheel: $(VENV)/.installed  ## build a wheel with its kernels, for the versions installed here, in dist/
	$(BIN)/python .ci/wheel.py

docs: $(VENV)/.installed-dev  ## the pages as a site with an API reference, in build/site/index.html
	PYTHONWARNINGS=ignore $(BIN)/$(INSTALL) --editable '.[docs]'
	$(BIN)/python -m bench.site

format: $(VENV)/.installed-dev  ## let ruff rewrite the sources
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench-check: $(VENV)/.installed-dev  ## do the benchmarks import?
	$(BIN)/asv check -E existing:$(CURDIR)/$(BIN)/python

# in this environment, not in a wheel of its own as bench-history does: nothing to build, and the tree is what runs
bench: $(VENV)/.installed-dev  ## asv on the working tree, HTML to .asv/html; PROFILE=quick, standard, full
	@git diff --quiet HEAD || echo "note: uncommitted changes will be counted as $$(git rev-parse --short HEAD)"
	$(BIN)/asv machine --yes
	$(BIN)/asv run -E existing:$(CURDIR)/$(BIN)/python --set-commit-hash $$(git rev-parse HEAD) --show-stderr $(ARGS)
	$(BIN)/asv publish
	$(BIN)/scalable report --asv .asv/results --out .asv/report.html --quiet
	@echo "open .asv/report.html (whole, also offline) or .asv/html/index.html (asv's own; loads scripts from the net)"

BASE ?= HEAD~1
HEAD ?= HEAD
bench-compare: $(VENV)/.installed-dev  ## pull-request gate: BASE=... against HEAD=..., two wheels in turns
	$(BIN)/python -m bench.gate compare $(ARGS) $(BASE) $(HEAD)

bench-history: $(VENV)/.installed-dev  ## asv over RANGE=..., each commit built as its own wheel
	$(BIN)/asv machine --yes
	$(BIN)/asv run --skip-existing-successful --show-stderr $(ARGS) $(RANGE); status=$$?; \
		$(BIN)/asv publish && exit $$status  # one benchmark that failed at one commit hides no other

bench-continuous: $(VENV)/.installed-dev  ## all suites of BASE=... and HEAD=..., asv's own comparison
	$(BIN)/asv machine --yes
	$(BIN)/asv continuous --factor 1.1 --interleave-rounds $(ARGS) $(BASE) $(HEAD)

gate-check: $(VENV)/.installed-dev  ## does the gate stay silent on A/A and see injected slowdowns?
	$(BIN)/python -m bench.gate check --record docs/results/gate.json $(ARGS) $(HEAD)

versus: export SCALABLE_LLEAVES_PYTHON ?= $(wildcard .venv-lleaves/bin/python)
versus: $(VENV)/.installed  ## side by side with peers; PROFILE=quick, standard or full
	$(BIN)/scalable versus --profile $(PROFILE) --out versus $(ARGS)

billion: $(VENV)/.installed-dev  ## a billion rows on this machine, about two hours; goes on after a kill
	$(BIN)/python -m bench.billion --cluster-at 1e8 $(ARGS)

peers: $(VENV)/.installed  ## an environment of its own with every peer; `make versus` finds it
	$(PYTHON) -m venv .venv-peers
	PYTHONWARNINGS=ignore .venv-peers/bin/$(INSTALL) --editable '.[peers]'

peers-lleaves:  ## lleaves needs another llvmlite than all others, so an environment of its own
	$(PYTHON) -m venv .venv-lleaves
	.venv-lleaves/bin/$(INSTALL) lleaves 'llvmlite==0.44.*' 'numba<0.62' lightgbm

clean:  ## remove the environment and all that was generated
	rm -rf $(VENV) .venv-peers .venv-lleaves .asv quickstart versus desk billion build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
