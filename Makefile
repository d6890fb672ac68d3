# Every target sets up what it needs: python3 >= 3.11 with venv, and make, are enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: setup demo demo-serve test check slow postgres real bench compile clean

setup: $(READY)

$(READY): pyproject.toml
	@echo "Setting up $(VENV) (about two minutes, once)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "python3 3.11 or newer is needed; name one with make PYTHON=..."; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

demo: setup            ## the whole story on the embedded chain
	@$(BIN)/python -m sim demo

demo-serve: setup      ## the same story, left running to look around
	@$(BIN)/python -m sim demo --serve

test: setup            ## format, lint, types, imports, tests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n auto -m "not slow and not real_node"

check: test

slow: setup            ## the long suites, after make test
	@$(BIN)/python -m pytest -n auto -m "slow and not real_node" --timeout 1800

postgres: setup        ## the engine's tests once more, on PostgreSQL; but for those that write nothing, or ask no database
	@$(BIN)/python -m pytest tests/engine -n auto -m "not slow and not real_node" --database postgresql \
		$(addprefix --ignore tests/engine/,migrations api/test_fuzz.py api/test_openapi.py cadt/test_hostile.py \
		cadt/test_stops.py sheets/test_hostile.py register/test_vocabulary.py register/test_lifecycle.py test_start.py)

real: setup            ## the suites on a real full node and the official wallet: two workers, a node each (plots: made once)
	@$(BIN)/python -m pytest tests/real_node -n 2 --dist loadgroup -m real_node --timeout 1200

bench: setup
	@$(BIN)/python -m bench

compile: setup         ## compile every .clsp beside its .hex, and write hashes.json
	@$(BIN)/python -m puzzles.compile

clean:
	rm -rf $(VENV) .demo
