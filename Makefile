# Every target makes its own .venv; the stamp follows pyproject.toml, so a changed dependency is installed.
PYTHON ?= python3
# Tests that run at once; most of their time is spent waiting for real stacks.
JOBS ?= 2
VENV := .venv
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin/

.PHONY: demo demo-docker test check format bench bench-judge fuzz clean

demo: $(STAMP)
	$(RUN)splitter demo

demo-docker: $(STAMP)
	$(RUN)splitter demo --docker

check: $(STAMP)
	$(RUN)ruff check .
	$(RUN)ruff format --check .
	$(RUN)mypy
	$(RUN)lint-imports

test: check
	$(RUN)pytest -n $(JOBS) --dist worksteal

format: $(STAMP)
	$(RUN)ruff check --fix .
	$(RUN)ruff format .

bench: $(STAMP)
	$(RUN)python -m pip install --quiet --group bench
	$(RUN)python -m benchmarks

bench-judge: $(STAMP)
	$(RUN)python -m benchmarks.judge

fuzz: $(STAMP)
	$(RUN)pytest tests/fuzz --hypothesis-profile=long --timeout=0

clean:
	rm -rf $(VENV) build dist

$(STAMP): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "splitter needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say which to use: make PYTHON=python3.12 test")'
	$(PYTHON) -m venv $(VENV)
	$(RUN)python -m pip install --quiet --upgrade "pip>=25.1"
	$(RUN)python -m pip install --quiet --editable . --group dev
	@touch $(STAMP)
