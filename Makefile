# Two commands from a fresh clone: `make run` and `make test`.
#
#   make run                     predict on the example clips
#   make run AUDIO="my file.wav" predict on a file, a folder or a glob of yours
#   make test                    lint, types, tests
#   make bench                   speed and memory, written to docs/results/speed.md
#   make docs                    the pages that are written from the code
#
# All use .venv, made with $(PYTHON), and install into it only when pyproject.toml has changed.

PYTHON ?= python3
AUDIO ?= examples/clips
VENV := .venv
BIN := $(VENV)/bin
# uv, where it is there, installs the same in a fifth of the time. It does not read pip's settings: UV= does without.
UV := $(shell command -v uv 2> /dev/null)
INSTALL := $(if $(UV),"$(UV)" pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip --disable-pip-version-check --quiet install)
# Set TORCH_OPTIONS to name an index of CPU builds where the plain one brings gigabytes for GPUs.
TORCH ?= torch==2.13.0
TORCH_OPTIONS ?=
# Test files run beside one another, in so many processes.
WORKERS ?= logical

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint bench docs clean

help:
	@sed -n '/^#   /s/^#   //p' Makefile

# AUDIO reaches the shell as one word, whatever characters it holds; the program expands globs itself.
run: export VOCALICS_AUDIO := $(AUDIO)
run: $(VENV)/.core
	@$(BIN)/vocalics predict -- "$$VOCALICS_AUDIO"

# Tests start Python hundreds of times: what it compiles is kept, whatever the environment says.
test: export PYTHONDONTWRITEBYTECODE :=
test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.test
	$(BIN)/python benchmarks/run_all.py

docs: $(VENV)/.test
	$(BIN)/python tools/write_docs.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "vocalics needs Python 3.11 or later; set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	@echo "Installing vocalics into $(VENV) ..."
	@$(INSTALL) --editable .
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "Installing vocalics and all that its tests need into $(VENV) ..."
	@$(BIN)/python -c 'from importlib.metadata import version; version("torch")' 2>/dev/null || $(INSTALL) --no-deps $(TORCH_OPTIONS) "$(TORCH)"
	@$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/.core
