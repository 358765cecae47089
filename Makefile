# TORCH=preinstalled uses the torch of the Python that runs make, for example a CUDA build.
PYTHON ?= python3
VENV ?= .venv
TORCH ?= pinned
BIN := $(VENV)/bin
WORKERS ?= 2

ifeq ($(TORCH),preinstalled)
VENV_FLAGS := --system-site-packages
CONSTRAINTS := $(VENV)/constraints-own-torch.txt
else
CONSTRAINTS := constraints.txt
endif

.PHONY: demo serve test test-fast lint docs examples bench wheel everything clean

demo: $(VENV)/.installed
	$(BIN)/kappatune demo

serve: $(VENV)/.installed
	$(BIN)/kappatune serve

test: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

test-fast: $(VENV)/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not slow and not potential"

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx --fail-on-warning --keep-going -q -b html docs docs/_site
	@echo "docs/_site/index.html"

examples: $(VENV)/.installed-test
	ls examples/*.py | OMP_NUM_THREADS=1 xargs -P $(WORKERS) -n 1 $(BIN)/python

bench: $(VENV)/.installed-test
	$(BIN)/python -m studies

wheel: $(BIN)/python
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist .

$(BIN)/python:
	$(PYTHON) -m venv $(VENV_FLAGS) $(VENV)

$(VENV)/constraints-own-torch.txt: $(BIN)/python constraints.txt
	@$(BIN)/python -c "import torch" || { echo "TORCH=preinstalled: $(PYTHON) has no torch; install it there first"; exit 1; }
	grep -v '^torch==' constraints.txt > $@

$(VENV)/.installed: $(BIN)/python pyproject.toml $(CONSTRAINTS)
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[web]'
	touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[test]'
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed-test
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[dev]'
	touch $@

# One run of pip for what the other targets install one after the other.
everything: $(BIN)/python $(CONSTRAINTS)
	$(BIN)/pip install --quiet -c $(CONSTRAINTS) -e '.[dev]'
	touch $(VENV)/.installed $(VENV)/.installed-test $(VENV)/.installed-dev

clean:
	rm -rf $(VENV) build dist docs/_site src/*.egg-info
