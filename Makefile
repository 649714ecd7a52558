# `make` alone lists what there is. Everything runs in .venv, made on first use.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
CODE := queuectl tests bench docs examples

.PHONY: help demo test test-all coverage check static format docs bench soak clean

help:                ## list the targets
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

$(READY): pyproject.toml requirements-dev.lock
	@$(PYTHON) -c 'import sys; sys.version_info < (3, 11) and sys.exit("queuectl needs Python 3.11 or newer; this is %d.%d: make PYTHON=python3.11" % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make a virtual environment; install what does: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock -e .
	@touch $@

demo: $(READY)       ## run a handful of real jobs in a temporary queue and look at what happened
	@$(BIN)/queuectl demo

test: $(READY)       ## run the tests: every kind of guarantee, without the slow ones, in four minutes at most
	$(BIN)/python -m pytest -n auto -m "not slow" --hypothesis-profile=quick

test-all: $(READY)   ## run all tests at full depth
	$(BIN)/python -m pytest -n auto --durations=25

coverage: $(READY)   ## run all tests, and list the lines that none of them and none of their processes reached
	$(BIN)/python -m coverage erase
	-$(BIN)/python -m coverage run -m pytest -n auto
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --show-missing --skip-covered

check: static test   ## everything that must hold: static, then test

static: $(READY)     ## format, lint, types, docs drift (import rules are a test)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/python docs/generate.py --check

format: $(READY)     ## put the code into its format
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

docs: $(READY)       ## write the generated pages of docs/, and record docs/tour.md anew
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/tour.py

bench: $(READY)      ## measure the engine at 10k, 100k and 1M jobs
	$(BIN)/python -m bench engine

soak: $(READY)       ## kill and freeze workers at random for two minutes, and check what came of it
	$(BIN)/python -m tests.soak

clean:               ## remove .venv and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build *.egg-info
