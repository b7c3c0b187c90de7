# Two commands are enough: `make demo` shows what innerworks does, `make test` proves that it works here.
# They need Python 3.11 or later, and a package index that pip can reach.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# A busy machine slows torch down many times over if its threads spin while they wait for each other.
export OMP_WAIT_POLICY ?= PASSIVE
export NO_MKDOCS_2_WARNING := 1

.DEFAULT_GOAL := help
.PHONY: help demo test test-floor test-families test-quantised test-all-models test-peers test-pages lint format docs pictures
.PHONY: web test-web bench bench-field bench-gpu clean distclean

help:
	@echo "make demo       install into $(VENV) and leave report/indirect_object.html"
	@echo "make test       run the tests; ARGS='-k sweep' says which, without it two at a time"
	@echo "make test-floor the same under the oldest transformers that is supported, in an environment of its own"
	@echo "make test-families  the rest of the contract on the families that make test only samples"
	@echo "make test-quantised  models in eight and four bits, in an environment with the packages they need"
	@echo "make test-all-models  open every causal architecture that transformers has"
	@echo "make test-pages  the code of the documentation that takes minutes"
	@echo "make test-peers  techniques beside TransformerLens' own and lenses beside tuned-lens', installed into .venv-bench"
	@echo "make web        rebuild the pictures' script in innerworks/results/render/built from web/; needs Node 20.19 or later"
	@echo "make test-web   its tests, by themselves and in Chromium on exported HTML; needs Node and Chromium"
	@echo "make lint       ruff, mypy and the import layers"
	@echo "make format     let ruff reformat and fix what it can"
	@echo "make docs       build the documentation into site/"
	@echo "make pictures   take the pictures of the documentation anew, with Chromium; ARGS=docs/ablation.md for one page"
	@echo "make bench      run the benchmarks; ARGS=... is passed on"
	@echo "make bench-field  beside TransformerLens, nnsight and pyvene, each in an environment of its own in .venv-bench"
	@echo "make bench-gpu  an 8B shape on the GPU, beside the same tools; says so where there is none"
	@echo "make clean      remove what was built; make distclean removes $(VENV) too"
	@echo "PYTHON=...      the Python to make $(VENV) with, 3.11 or later"

demo: $(VENV)/.installed
	$(BIN)/python examples/indirect_object.py

test: ARGS ?= -n 2
test: $(VENV)/.dev
	$(BIN)/python -m pytest $(ARGS)

test-floor: ARGS ?= -n 2
test-floor: $(VENV)-floor/.dev
	$(VENV)-floor/bin/python -m pytest tests/model tests/lab $(ARGS)

test-families: ARGS ?= -n 2
test-families: $(VENV)/.dev
	$(BIN)/python -m pytest -m families $(ARGS)

test-quantised: ARGS ?= -n 2
test-quantised: $(VENV)-quantised/.dev
	$(VENV)-quantised/bin/python -m pytest -m quantised $(ARGS)

test-all-models: ARGS ?= -n 2
test-all-models: $(VENV)/.dev
	$(BIN)/python -m pytest -m all_models $(ARGS)

test-pages: ARGS ?= -n 2
test-pages: $(VENV)/.dev
	$(BIN)/python -m pytest -m pages $(ARGS)

test-peers: $(VENV)/.dev
	$(BIN)/python -m pytest -m peers tests/peers $(ARGS)

web: web/node_modules/.installed
	npm --prefix web run check
	npm --prefix web run build

# Without Node or Chromium this fails: a test of the browser that is skipped proves nothing.
test-web: web/node_modules/.installed $(VENV)/.installed
	npm --prefix web run built
	npm --prefix web run check
	npm --prefix web run test
	PYTHON=$(abspath $(BIN)/python) npm --prefix web run browser

web/node_modules/.installed: web/package.json web/package-lock.json
	@command -v npm >/dev/null || { echo "the source of the pictures is built with Node 20.19 or later, which is not here" >&2; exit 1; }
	npm --prefix web ci --no-audit --no-fund
	@touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict --site-dir site

pictures: $(VENV)/.dev
	$(BIN)/python -m tests.docs.pictures $(ARGS)

bench: $(VENV)/.dev
	$(BIN)/python -m bench $(ARGS)

bench-field: $(VENV)/.dev
	$(BIN)/python -m bench.field $(ARGS)

bench-gpu: $(VENV)/.dev
	$(BIN)/python -m bench.gpu $(ARGS)

clean:
	rm -rf web/out report site dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	find . -name __pycache__ -not -path './$(VENV)*/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf web/node_modules $(VENV) $(VENV)-floor $(VENV)-quantised $(VENV)-bench

# -- the environment, made again only when what it is made from changes ---------------------------------------

$(VENV)/.installed: pyproject.toml constraints.txt
	@python="$$($(FIND_PYTHON))" && test -n "$$python" && \
	    { $(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "making $(VENV) with $$python"; "$$python" -m venv $(VENV); }; }
	@echo "installing innerworks and what it needs into $(VENV) (minutes the first time, never again until they change)"
	@$(PIP) -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@$(PIP) -e ".[dev]"
	@touch $@

FLOOR = $(shell sed -n 's/.*"transformers>=\([0-9.]*\),.*/\1.0/p' pyproject.toml)

$(VENV)-floor/.dev: $(VENV)/.installed
	@test -x $(VENV)-floor/bin/python || $(BIN)/python -m venv $(VENV)-floor
	@sed -e 's/^transformers==.*/transformers==$(FLOOR)/' -e '/^huggingface[-_]hub==/d' -e '/^tokenizers==/d' \
	    constraints.txt > $(VENV)-floor/constraints.txt
	@$(VENV)-floor/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c $(VENV)-floor/constraints.txt -e ".[dev]"
	@touch $@

$(VENV)-quantised/.dev: $(VENV)/.installed
	@test -x $(VENV)-quantised/bin/python || $(BIN)/python -m venv $(VENV)-quantised
	@$(VENV)-quantised/bin/python -m pip install --quiet --disable-pip-version-check \
	    -c constraints.txt -e ".[dev,quantised]"
	@touch $@

$(VENV)/.docs: $(VENV)/.installed
	@$(PIP) -e ".[docs]"
	@touch $@

ifdef PYTHON
CANDIDATES := $(PYTHON)
else
CANDIDATES := python3 python python3.14 python3.13 python3.12 python3.11
endif

# Prints the first candidate that is new enough; otherwise says what was found and fails.
define FIND_PYTHON
for python in $(CANDIDATES); do \
    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
        echo "$$python"; exit 0; \
    fi; \
done; \
echo "innerworks needs Python 3.11 or later. Tried: $(CANDIDATES). Give one: make PYTHON=/path/to/python3.11" >&2; \
exit 1
endef
