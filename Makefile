# Each target sets up all it needs in .venv. PYTHON=python3.13 chooses another Python; uv is used where it is found.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(if $(shell command -v uv),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install --disable-pip-version-check)
SOURCES := pyproject.toml setup.py $(wildcard src/chainrule/core/*.p[xy]* src/chainrule/core/*.h src/chainrule/core/machine/*.[ch])
# Hundreds of processes start in it, so what is compiled to bytecode is kept, whatever the shell says.
SUITE := OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --quiet --numprocesses=2
ENGINE := $(addprefix tests/,core laws micrograd nn optim program rules test_array_api.py test_custom.py test_reference.py \
	test_transforms.py test_transforms_as_in_jax.py test_vmap.py) --ignore=tests/rules/test_rooms.py
OLD := import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 ..." if sys.version_info < (3, 11) else 0)
venv = [ -x $(BIN)/python ] || { $(PYTHON) -c '$(OLD)' && $(PYTHON) -m venv .venv; }
say = printf '%s\n' "make $(@F): $(1)"
install = @$(call say,setting up .venv (this once; a minute or two)) && { $(venv); } \
	&& $(call say,fetching NumPy and what reads tables and draws$(2); a C compiler$(comma) where there is one$(comma) builds the engine) \
	&& $(PIP) --editable '.[data,draw,plot$(1)]' && touch .venv/demo $@ && $(call say,.venv is ready)
comma := ,
.PHONY: demo test lint sanitize soak bench docs derivatives stubs clean

demo: .venv/demo
	$(BIN)/chainrule demo

test: .venv/test
	$(SUITE)
	CHAINRULE_PLAIN=1 $(SUITE) $(ENGINE)

lint: .venv/test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/lint-imports
	$(BIN)/pyright --project pyproject.toml --pythonpath $(BIN)/python

sanitize: .venv/test
	$(BIN)/python tests/sanitize.py

soak: .venv/test
	$(SUITE) -m soak $(SOAK)

bench: .venv/bench
	$(BIN)/python -m benchmarks

derivatives: .venv/test
	$(BIN)/python docs/write_derivatives.py

stubs: .venv/test
	$(BIN)/python docs/write_stubs.py

docs: .venv/docs
	$(BIN)/python docs/book.py

.venv/demo: $(SOURCES)
	$(call install)
.venv/test: $(SOURCES)
	$(call install,$(comma)test,$(comma) and the tools that judge)
.venv/docs: $(SOURCES)
	$(call install,$(comma)docs,$(comma) and what builds the book)
.venv/bench: $(SOURCES)
	$(call install,$(comma)bench,$(comma) and the libraries to compare with)

clean:
	rm -rf .venv build dist .*_cache .hypothesis src/*.egg-info src/chainrule/core/*.so
	find src tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
