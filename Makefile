# make quick: set up, measure, and end with a table, results/ and reports/index.html.   make test: set up and run the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core-installed
DEV := $(VENV)/.dev-installed
# A second, older Python on which the contract tests run again, but for the slow ones; CI sets it.
OLDEST_PYTHON ?=
# What the tests in a browser look for faults of accessibility with.
AXE := .browser/node_modules/axe-core/axe.min.js
# Tests side by side, more than there are processors, as many wait for a process of their own; those of one file stay together.
PYTEST := python -m pytest --numprocesses=3 --dist=loadfile --no-loadscope-reorder

# Modules are compiled when they are first imported, and kept: to compile all of them is half of the time of an installation. Where
# Python is told not to keep them, each process compiles again what it imports, for longer than most of them work.
unexport PYTHONDONTWRITEBYTECODE
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile

.PHONY: quick test check format lint types tests axe oldest contract-oldest report baseline proof clean

quick: $(CORE)
	$(BIN)/storebench quick

test: tests

# Two at a time where nothing is measured. The tests run alone: some of them count what the machine does meanwhile.
check:
	$(MAKE) --jobs=2 $(DEV) oldest
	$(MAKE) --jobs=2 lint types contract-oldest
	$(MAKE) tests

tests: $(DEV)
	$(BIN)/$(PYTEST)

# Without it, or without Chromium, make test skips the tests that need it and says so.
axe: $(AXE)

$(AXE):
	npm install --ignore-scripts --no-audit --no-fund --no-package-lock --prefix .browser axe-core@4

lint: $(DEV)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(DEV)
	$(BIN)/mypy

format: $(DEV)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

report: $(CORE)
	$(BIN)/storebench report

# What results/ was made with; about an hour on 2 cores.
baseline: $(CORE)
	$(BIN)/storebench run --tier core --machine baseline

# storebench measured by its own rules, into docs/proof.md; about an hour on 2 cores, and best on a quiet machine.
proof: $(DEV)
	$(BIN)/python tests/proof

oldest:
ifneq ($(OLDEST_PYTHON),)
	$(MAKE) VENV=.venv-oldest PYTHON=$(OLDEST_PYTHON) .venv-oldest/.dev-installed
endif

contract-oldest: oldest
ifneq ($(OLDEST_PYTHON),)
	.venv-oldest/bin/$(PYTEST) -m 'not slow' tests/contract tests/backends
endif

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "storebench needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(CORE): pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) -e .
	touch $@

# All that the core has and more: installed at once.
$(DEV): pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) -e '.[dev]'
	touch $(CORE) $@

clean:
	rm -rf .venv .venv-oldest .browser .asv .mypy_cache .ruff_cache .pytest_cache build dist
