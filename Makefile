.DEFAULT_GOAL := help
PYTHON ?= python3
MINUTES ?= 30
DATABASE ?= postgresql
BIN := .venv/bin
NODE := tests/sdks/node_modules/.installed
DEBIAN := .venv/debian/.unpacked
LINKKIT := .venv/linkkit/.installed

# Tests start hundreds of programs; each would compile all of them anew.
unexport PYTHONDONTWRITEBYTECODE

help: ## Show this map
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

demo: $(BIN)/.demo ## Register 10,000 devices with the vendor's SDK on a throw-away server
	$(BIN)/nameplate demo

serve: $(BIN)/.demo ## Run a server on 127.0.0.1:8420, its data in ./nameplate-data
	$(BIN)/nameplate serve

test: check $(NODE) $(DEBIAN) $(LINKKIT) ## Check everything, then run every test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

cover: $(BIN)/.test $(NODE) $(DEBIAN) $(LINKKIT) ## Run every test and show which lines none of them reaches, in the servers too
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

check: $(BIN)/.test ## Format, lint, types, imports, generated docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check

format: $(BIN)/.test ## Format the code and mend what can be mended
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(BIN)/.test ## Write the pages that come from the code or from results
	$(BIN)/python -m docs.generate

bench: $(BIN)/.test ## Measure everything, print a table, write docs/performance.md
	$(BIN)/python -m bench --merge

crash: $(BIN)/.test ## Kill an installation for MINUTES (30) on DATABASE (postgresql), check it, write docs/crash.md
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m tests.crash --minutes $(MINUTES) --database $(DATABASE) \
	    --json crash-results.json
	$(BIN)/python -m tests.crash.page crash-results.json

lock: $(BIN)/.test ## Resolve the dependencies anew
	$(BIN)/pip install --quiet 'uv<1'
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --extra demo pyproject.toml -o requirements/demo.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
	    --extra demo --group test pyproject.toml -o requirements/test.txt

clean: ## Remove what the other targets made
	rm -rf .venv tests/sdks/node_modules .coverage .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

$(BIN)/python:
	$(PYTHON) -m venv .venv

# A lock names everything there is to install. Left to look for itself, pip takes a newer release than the one that is
# locked for what another needs with an extra, and then misses its hash.
$(BIN)/.demo: requirements/demo.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/demo.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

$(BIN)/.test: requirements/test.txt pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/test.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@ $(BIN)/.demo

$(NODE): tests/sdks/package-lock.json | $(BIN)/.test
	cd tests/sdks && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --silent --no-fund --no-audit
	@touch $@

$(DEBIAN): tests/support/unpack-debian.sh requirements/debian.txt | $(BIN)/.test
	tests/support/unpack-debian.sh $(@D) $$(cat requirements/debian.txt)
	@touch $@

$(LINKKIT): requirements/linkkit.txt | $(BIN)/.test
	$(PYTHON) -m venv .venv/linkkit
	.venv/linkkit/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements/linkkit.txt
	@touch $@

.PHONY: help demo serve test cover check format docs bench crash lock clean
