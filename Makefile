# Targets for developers, operators and CI. Requires Python 3.11 or newer and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .tools/bin
LOWEST := .lowest
GENCODE := .gencode
PIP := $(BIN)/python -m pip install --disable-pip-version-check --quiet --require-hashes
# Much faster than pip. pip is the fallback behind a mirror that only pip is configured for.
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes
PROJECT := $(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --editable clients/python --editable .
# Most tests wait for processes that they start, so two at a time keep two cores busy; 0 runs all in one process.
# The tests of a file run in one process, because they share fixtures, and files run in order, the long ones first.
TEST_PROCESSES ?= 2
PYTEST = PATH="$(CURDIR)/$(TOOLS):$$PATH" $(BIN)/python -m pytest
IN_PARALLEL = --numprocesses $(TEST_PROCESSES) --dist loadfile --no-loadscope-reorder

# Tests start hundreds of processes, which should not each recompile our code.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
# Every target with a plain name is a command, not a file.
.PHONY: $(shell grep -oE '^[a-z-]+:' $(firstword $(MAKEFILE_LIST)) | tr -d :)

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/bin/python:
	@echo "==> creating $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "This project needs Python 3.11 or newer. Choose one with: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)

# A separate target from the project, so that an image has a layer for the packages that source edits do not invalidate.
$(VENV)/.packages: requirements.lock | $(VENV)/bin/python
	@echo "==> installing the packages of the service"
	@$(PIP) -r requirements.lock
	@touch $@

$(VENV)/.runtime: $(VENV)/.packages pyproject.toml clients/python/pyproject.toml
	@$(PROJECT)
	@touch $@

$(VENV)/.dev: requirements-dev.lock pyproject.toml clients/python/pyproject.toml | $(VENV)/bin/python
	@echo "==> installing the packages for development"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements-dev.lock | $(PIP) -r /dev/stdin
	@$(UV) -r requirements-dev.lock || $(PIP) -r requirements-dev.lock
	@$(PROJECT)
	@touch $(VENV)/.packages $(VENV)/.runtime $@

up: $(VENV)/.runtime ## Install the service and run it
	@exec $(BIN)/analytics up

demo: $(VENV)/.runtime ## Import a real data set over gRPC and print reports on it
	@exec $(BIN)/python -m examples.demo

test: ## Install everything and run the tests, without the slow ones
	@$(MAKE) --silent --no-print-directory --jobs=2 $(VENV)/.dev .deps/googleapis tools
	@echo "==> tests"
	@$(PYTEST) $(IN_PARALLEL) -m "not slow"

test-fast: $(VENV)/.dev .deps/googleapis ## Run the unit tests that start no processes, in less than half a minute
	@$(PYTEST) $(IN_PARALLEL) --quiet --no-header tests/unit -m fast --durations=5 --durations-min=2

test-slow: ## Run the slow tests, which `make test` leaves out
	@$(MAKE) --silent --no-print-directory --jobs=2 $(VENV)/.dev .deps/googleapis tools
	@echo "==> slow tests"
	@$(PYTEST) $(IN_PARALLEL) -m slow

# The oldest versions that pyproject.toml allows, in an environment of their own.
$(LOWEST)/.installed: pyproject.toml clients/python/pyproject.toml | $(VENV)/.dev
	@echo "==> installing the oldest dependencies that pyproject.toml allows"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(LOWEST)
	@$(BIN)/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --requirement pyproject.toml --all-extras
	@touch $@

test-lowest: $(LOWEST)/.installed ## Test the service with the oldest dependencies that pyproject.toml allows
	@echo "==> tests with the oldest dependencies"
	@$(LOWEST)/bin/python -m tools.lowest_bounds
	@PYTHONPATH=.:generated $(LOWEST)/bin/python -m tools.smoke

test-matrix: $(VENV)/.dev .deps/googleapis ## Test on each supported Python and Postgres; ONLY="python3.12 postgres16" chooses
	@$(BIN)/python -m tools.matrix $(ONLY)

coverage: $(VENV)/.dev .deps/googleapis ## Report which lines the tests reach, in the processes that they start too; TESTS=tests/unit chooses
	@mkdir -p .coverage
	@$(BIN)/coverage erase
	@-PATH="$(CURDIR)/$(TOOLS):$$PATH" $(BIN)/coverage run -m pytest $(IN_PARALLEL) --quiet -m "not slow" $(TESTS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report

findings: $(VENV)/.dev ## List the known bugs without a test that proves their fix
	@$(BIN)/python -m tools.findings

check: ## Run all checks that a change must pass: format, lint, types, contracts, generated code, migrations, tests
	@$(MAKE) --silent --no-print-directory --jobs=2 static tools
	@echo "==> generated code and compatibility"
	@$(MAKE) --silent --no-print-directory $(GENCODE)/.installed
	@tools/check_generated
	@$(BIN)/python -m tools.released_schemas
	@tools/check_breaking
	@$(MAKE) --no-print-directory test

ci: check ## Run the checks of CI: check, then the slower ones
	@$(MAKE) --no-print-directory test-slow
	@$(MAKE) --no-print-directory clients
	@$(MAKE) --no-print-directory test-lowest

static: $(VENV)/.dev .deps/googleapis
	@echo "==> format and lint"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/hadolint Dockerfile
	@echo "==> types"
	@$(BIN)/mypy
	@echo "==> import contracts"
	@$(BIN)/lint-imports
	@echo "==> protos"
	@$(BIN)/buf format --diff --exit-code proto
	@$(BIN)/buf lint proto

bench: bench-ingest ## Measure ingestion end to end and compare it with its ceilings

bench-ingest: $(VENV)/.dev ## Same as bench
	@PATH="$(CURDIR)/$(TOOLS):$$PATH" $(BIN)/python -m bench.ingest

bench-soak: $(VENV)/.dev ## Stream 5,000,000 events and measure rate and memory
	@$(BIN)/python -m bench.soak

bench-hostile: $(VENV)/.dev ## Measure valid events beside 1,000,000 invalid ones, and idle or dropped connections
	@$(BIN)/python -m bench.hostile

bench-reports: $(VENV)/.dev ## Time the reports on 1,000,000 and 5,000,000 events in segments
	@$(BIN)/python -m bench.reports

bench-jobs: $(VENV)/.dev ## Measure dashboards, merging and deleting a day, at 100,000 to 10,000,000 events
	@$(BIN)/python -m bench.jobs

bench-validate: $(VENV)/.dev ## Time parsing, validating and normalizing valid and invalid events
	@$(BIN)/python -m bench.validate

bench-segments: $(VENV)/.dev ## Measure blocks and segments: processor time and bytes an event
	@$(BIN)/python -m bench.segments

bench-gateway: $(VENV)/.dev ## Compare REST through the gateway with direct gRPC
	@$(BIN)/python -m bench.gateway

bench-client: $(VENV)/.dev ## Track 50,000 events a second for 10 s with the Python client, and see that all are stored
	@$(BIN)/python -m bench.client

clients: $(VENV)/.dev ## Build and check the packages of all clients
	@for check in clients/*/check; do echo "==> $$check"; $$check || exit 1; done

conformance: $(VENV)/.dev ## Run every client against the service behind faults: 10,000 events each, none lost or doubled
	@$(BIN)/python -m clients.conformance

bench-access: $(VENV)/.dev ## Measure what keys, tokens and quotas cost
	@$(BIN)/python -m bench.access

sbom: $(VENV)/.dev ## Write the software bill of materials (CycloneDX) to dist/sbom.json
	@mkdir -p dist
	@$(BIN)/python -m tools.sbom > dist/sbom.json
	@echo "==> dist/sbom.json"

chaos: $(VENV)/.dev ## Inject faults under load and verify that no acknowledged event is lost or duplicated
	@$(BIN)/python -m tests.chaos

chaos-jobs: $(VENV)/.dev ## Run three schedulers for a minute at a tick a second and repeatedly kill the active one
	@$(BIN)/python -m tests.chaos.schedulers

.deps/googleapis: Makefile | $(VENV)/.dev
	@mkdir -p $@/google/api $@/google/rpc
	@$(BIN)/python -c 'import google.api, pathlib, shutil; source = pathlib.Path(list(google.api.__path__)[0]).parent; \
		[shutil.copy(source / name, "$@/google/" + name) for name in ("api/annotations.proto", "api/http.proto", "api/httpbody.proto", "rpc/code.proto")]'
	@touch $@

release: $(VENV)/.dev ## Release a version: make release VERSION=1.2.0 (docs/releasing.md)
	@$(BIN)/python -m tools.release "$(VERSION)"
docs: $(VENV)/.dev ## Build the documentation as a site into .site; fails on a broken link or anchor
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "==> the site is in .site; .venv/bin/mkdocs serve shows it while you edit"

# An environment of its own, because the generators for protobuf 6 cannot stand beside protobuf 7. What they generate
# runs on both.
$(GENCODE)/.installed: requirements-gencode.lock | $(VENV)/.dev
	@echo "==> installing the code generators"
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $(GENCODE)
	@$(BIN)/uv pip install --quiet --python $(GENCODE)/bin/python --require-hashes -r requirements-gencode.lock
	@touch $@

gen: $(VENV)/.dev $(GENCODE)/.installed .deps/googleapis ## Generate what comes from proto/: generated/, the types of clients, docs/events.md, docs/errors.md, gateway/openapi.json
	@$(BIN)/buf generate proto
	@$(BIN)/buf build proto --output generated/descriptors.binpb
	@$(BIN)/python -m tools.event_docs generated/descriptors.binpb > docs/events.md
	@$(BIN)/python -m tools.error_docs generated/descriptors.binpb > docs/errors.md
	@$(BIN)/python -m tools.released_schemas --write
	@$(BIN)/python -m tools.openapi generated/descriptors.binpb > gateway/openapi.json
	@$(BIN)/python -m tools.dart_types generated/descriptors.binpb > clients/dart/analytics_service/lib/src/generated/payloads.dart
	@$(BIN)/python -m tools.python_client generated/descriptors.binpb > clients/python/src/sociallive_analytics/catalogue.py
	@$(BIN)/python -m tools.js_client generated/descriptors.binpb clients/js/packages
	@echo "==> what comes from proto/ is up to date"

tools: $(VENV)/.dev ## Install the programs that tests use: Go programs into .tools; a browser, curl, h2load and Prometheus with apt-get
	@tools/install_programs

lock: | $(VENV)/bin/python ## Resolve the dependencies and rewrite the lock files
	@$(BIN)/python -m pip install --quiet uv
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--custom-compile-command "make lock" --no-emit-package sociallive-analytics-client \
		--group build pyproject.toml --output-file requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--custom-compile-command "make lock" --no-emit-package sociallive-analytics-client \
		--group dev pyproject.toml --constraint requirements.lock --output-file requirements-dev.lock
	@$(BIN)/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 \
		--custom-compile-command "make lock" --group gencode --output-file requirements-gencode.lock

fmt: $(VENV)/.dev ## Format Python and protos
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/buf format --write proto

clean: ## Remove everything that other targets created, except the databases in .analytics*
	rm -rf $(VENV) $(LOWEST) $(GENCODE) .tools .deps .coverage .site dist .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
