# `make` lists what there is. Every target installs what it needs first (.ci/install); done again that takes no time.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
# Where it is set, each of the many hundred processes of a run would compile the same modules again.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help demo demo-clean serve test suites check lint format messages screenshots fuzz worlds chaos bench-agent bench-timing load-data load-data-clean bench-console requirements sbom clean

PYTHON := .venv/bin/python
# The plugin starts the private servers, and gives Django a database before its settings are read.
PYTEST := $(PYTHON) -m pytest -p tests.servers.plugin -q
WORKERS := 2
# The slow ones wait for servers and deadlines much of the time.
SLOW_WORKERS := 3
QUICK := not slow and not browser
# These do not depend on the database Django runs on.
NOT_ON_POSTGRESQL := servers agent chaos contract demo deployment browser faults load domain dbpower test_translations.py
SHELL_SCRIPTS := .ci/install .ci/run .ci/advisories .ci/translations $(wildcard *.sh tests/*.sh agent/*.sh)

LOAD = --collectors $(or $(COLLECTORS),100000) --fingerprints $(or $(FINGERPRINTS),10000) --days $(or $(DAYS),90) \
	--bucket-days $(or $(BUCKET_DAYS),3) --seed $(or $(SEED),1) $(if $(ANEW),--anew) $(if $(HOLD),--hold)

say = printf '\033[1m==> %s\033[0m\n'

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Start everything with two live databases to look at; Ctrl-C stops it, started again it goes on
	@.ci/install demo
	@$(PYTHON) -m tests.demo

demo-clean: ## Remove the demo's data
	@.ci/install demo
	@$(PYTHON) -m tests.demo clean

serve: ## Start the control plane: embedded, or on DATABASE_URL and REDIS_URL when they are set
	@.ci/install serve
	@exec $(PYTHON) manage.py serve

test: ## Run the checks and all tests: SQLite, PostgreSQL, real servers, a browser (about eighteen minutes on two cores)
	@.ci/install test
	@$(MAKE) --jobs 2 check suites
	@$(say) "tests, 1 of 3: everything quick, on SQLite"
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m '$(QUICK)'
	@$(say) "tests, 2 of 3: the control plane again, on PostgreSQL"
	@DBPOWER_TEST_DATABASE=postgresql $(PYTEST) -n $(WORKERS) --dist worksteal -m '$(QUICK)' $(NOT_ON_POSTGRESQL:%=--ignore=tests/%)
	@$(say) "tests, 3 of 3: the slow ones and the browser"
	@$(PYTEST) -n $(SLOW_WORKERS) --dist worksteal -m 'slow or browser'
	@$(say) "all passed"

suites: ## Fetch the other versions of the database servers that tests run on (var/suites)
	@.ci/install test
	@$(say) "other versions of the database servers"
	@$(PYTHON) -m tests.servers.suites

check: ## Run linters, types, import rules, and look for missing migrations
	@.ci/install test
	@$(say) "ruff"
	@.venv/bin/ruff check -q
	@.venv/bin/ruff format -q --check
	@$(say) "import rules"
	@.venv/bin/lint-imports --no-logo | tail -n 4
	@$(say) "types"
	@.venv/bin/mypy manage.py dbpower collectors agent/dbpower_agent tests
	@$(say) "migrations"
	@DBPOWER_DATA_DIR=var/check $(PYTHON) manage.py makemigrations --check --dry-run
	@$(say) "shell scripts"
	@shellcheck $(SHELL_SCRIPTS)
	@$(say) "advisories"
	@.ci/advisories

sbom: ## Write what the control plane and the agent are made of, as CycloneDX, to var/sbom
	@.ci/install test
	@mkdir -p var/sbom
	@.venv/bin/cyclonedx-py requirements requirements.txt --output-reproducible --validate -o var/sbom/control-plane.cdx.json
	@.venv/bin/cyclonedx-py requirements agent/requirements.txt --output-reproducible --validate -o var/sbom/agent.cdx.json
	@echo "var/sbom/control-plane.cdx.json var/sbom/agent.cdx.json"

lint: check ## The same as check

format: ## Format the code and mend what ruff can mend
	@.ci/install test
	@.venv/bin/ruff check -q --fix-only
	@.venv/bin/ruff format

messages: ## Bring the catalogues of translations up to date with the code, and compile them
	@.ci/install test
	@$(PYTHON) -m tests.messages
	@.ci/translations

screenshots: ## Take the pictures that README and docs show anew
	@.ci/install test
	@DBPOWER_SCREENSHOTS=docs/images $(PYTEST) -n 0 tests/browser/test_screenshots.py

fuzz: ## Fingerprint a million statements (INPUTS=1000000), then run the property tests for long (EXAMPLES=2000 each)
	@.ci/install test
	@$(PYTHON) tests/agent/fuzz_fingerprint.py --inputs $(or $(INPUTS),1000000) $(if $(SEED),--seed $(SEED))
	@DBPOWER_FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) $(PYTEST) -n $(WORKERS) -m hypothesis --hypothesis-profile=fuzz --timeout=0

worlds: ## Build random worlds of tenants and look for anything that tells one of another (WORLDS=100 for each property)
	@.ci/install test
	@DBPOWER_WORLDS=$(or $(WORLDS),100) $(PYTEST) -n $(WORKERS) --timeout=0 tests/access/test_worlds.py

chaos: ## Load on real servers while everything is killed at random, then the ledger (FOR=600 seconds, SEED=)
	@.ci/install test
	@$(PYTHON) -m tests.chaos --seconds $(or $(FOR),600) $(if $(SEED),--seed $(SEED))

bench-agent: ## Measure what an agent costs: the server's CPU under load (ROUNDS=3, SECONDS=20), its own memory
	@.ci/install test
	@$(PYTHON) -m tests.load.bench_agent_overhead --rounds $(or $(ROUNDS),3) --seconds $(or $(SECONDS),20)
	@$(PYTHON) -m tests.load.bench_agent_memory --rows $(or $(ROWS),1000000)

bench-timing: ## Measure what can be told from how long refusals take (ROUNDS=200)
	@.ci/install test
	@$(PYTHON) -m tests.load.bench_timing --rounds $(or $(ROUNDS),200)

load-data: ## Fill a database with a fleet (COLLECTORS=100000 FINGERPRINTS=10000 DAYS=90 BUCKET_DAYS=3 SEED=1 ANEW=1): DATABASE_URL or a private one
	@.ci/install test
	@$(PYTHON) -m tests.load.load_data $(LOAD)

load-data-clean: ## Remove the private database that load-data keeps under var/load
	@$(PYTHON) -c 'from tests.load.fleet import place; place.remove()'

bench-console: ## Load every page of the console from that data and print how long it takes (ROUNDS=7)
	@.ci/install test
	@$(PYTHON) -m tests.load.bench_console --rounds $(or $(ROUNDS),7)

requirements: ## Pin the newest allowed versions anew (needs uv)
	@$(say) "requirements.txt, requirements-dev.txt, agent/requirements.txt"
	@uv pip compile -q --no-header --upgrade --python-version 3.11.0 --generate-hashes requirements.in -o requirements.txt
	@uv pip compile -q --no-header --upgrade --python-version 3.11.0 --generate-hashes requirements-dev.in -o requirements-dev.txt
	@uv pip compile -q --no-header --upgrade --python-version 3.11.0 --generate-hashes -c requirements.txt agent/requirements.in -o agent/requirements.txt

clean: ## Remove .venv and all caches; data in var/ stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis build dist agent/build
	@find . -name __pycache__ -not -path './var/*' -prune -exec rm -rf {} +
