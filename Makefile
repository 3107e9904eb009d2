# Each target sets up all it needs in .venv. PYTHON=python3.13 chooses another Python; uv is used where it is found.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(if $(shell command -v uv),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --quiet)
SOURCES := pyproject.toml setup.py $(wildcard src/chainrule/core/*.p[xy]* src/chainrule/core/*.h)
SUITE := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --quiet --numprocesses=2
OLD := import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)
venv = [ -x $(BIN)/python ] || { $(PYTHON) -c '$(OLD)' && $(PYTHON) -m venv .venv; }
install = @echo "setting up .venv (this once)" && { $(venv); } && $(PIP) --editable '.$(1)' && touch .venv/demo $@
.PHONY: demo test bench clean

demo: .venv/demo
	$(BIN)/chainrule demo

test: .venv/test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright --project pyproject.toml --pythonpath $(BIN)/python
	$(BIN)/lint-imports
	$(SUITE)
	CHAINRULE_PLAIN=1 $(SUITE)

bench: .venv/bench
	$(BIN)/python -m benchmarks

.venv/demo: $(SOURCES)
	$(call install,)
.venv/test: $(SOURCES)
	$(call install,[test])
.venv/bench: $(SOURCES)
	$(call install,[bench])

clean:
	rm -rf .venv build dist .*_cache .hypothesis src/*.egg-info src/chainrule/core/*.so
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
