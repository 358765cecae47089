# TORCH=preinstalled uses the torch of the Python that runs make, for example a CUDA build.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= pinned
BIN := $(VENV)/bin

ifeq ($(TORCH),preinstalled)
VENV_FLAGS := --system-site-packages
CONSTRAINTS := $(VENV)/constraints-own-torch.txt
else
CONSTRAINTS := constraints.txt
endif

.PHONY: demo test serve lint bench clean

demo: $(VENV)/.installed
	$(BIN)/kappatune demo

serve: $(VENV)/.installed
	$(BIN)/kappatune serve

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	$(BIN)/python -m studies

$(BIN)/python:
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)

$(VENV)/constraints-own-torch.txt: $(BIN)/python constraints.txt
	@$(BIN)/python -c "import torch" || { echo "TORCH=preinstalled: $(PYTHON) has no torch; install it there first"; exit 1; }
	grep -v '^torch==' constraints.txt > $@

$(VENV)/.installed: $(BIN)/python pyproject.toml $(CONSTRAINTS)
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[web]'
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[all,test]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist src/*.egg-info
