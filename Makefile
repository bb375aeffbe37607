# Everything starts from python3 and make; `make help` lists what there is.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
HEADSTART := $(VENV)/headstart
MOVED := $(shell deploy/make-venv.sh --moved $(VENV) && rm -f $(STAMP))
CODE := common db identity radius_server traffic captive_portal yuenyan

.PHONY: help setup run test test-all check lint bench soak fmt clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | \
	while IFS=$$'\t' read -r name text; do printf '  make %-9s %s\n' "$$name" "$$text"; done

setup: $(HEADSTART) ## virtual environment with everything installed; starts nothing

$(STAMP): setup.cfg pyproject.toml constraints.txt deploy/yuenyan
	@deploy/make-venv.sh $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-c constraints.txt -e '.[dev,pdf]'
	@touch $@

$(HEADSTART): $(STAMP) $(shell find common traffic yuenyan -name '*.py')
	@# Where Python may not write compiled code itself, each command would compile it anew.
	@$(BIN)/python -m compileall -q $(CODE)
	@$(BIN)/python -m yuenyan.headstart $(BIN)/yuenyan
	@touch $@

run: setup ## set up and run everything here, on SQLite under var/
	@exec deploy/run.sh $(BIN)

test: setup ## the whole suite; as root it installs what the tests need
	@deploy/test-packages.sh
	@deploy/fast-tmp.sh deploy/run-tests.sh $(BIN)

test-all: export YUENYAN_TEST_ALL = 1
test-all: check test ## check, then test, with an Active Directory too

check: lint ## lint, and the unit tests that need no database; a minute or two
	@deploy/fast-tmp.sh $(BIN)/python -m pytest -q -n 2 --without-sites -m 'not real' tests/unit

lint: setup ## format, lint, types, import contracts, file lengths
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy $(CODE) tests $(wildcard bench/*.py)
	@$(BIN)/lint-imports
	@$(BIN)/python tests/file_lengths.py

bench: setup ## the project's own measurements, as tables
	@for measurement in bench/{flows,lookup,district,radius,eap,portal,scale,vouchers}.py; do \
		echo "== $$measurement"; $(BIN)/python "$$measurement"; done

soak: setup ## a day's traffic in ten minutes while the database and a worker break
	@$(BIN)/python bench/soak.py

fmt: setup ## format the code and mend what ruff can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove what was built; var/ with its keys and records stays
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
