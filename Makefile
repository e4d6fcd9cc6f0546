# Two commands for a newcomer: `make up` and `make test`. The rest is for those who stay.
SHELL := /bin/sh
PYTHON ?= python3
UV := .uv/bin/uv
BIN := .venv/bin
ARGS ?= --demo
WORKERS ?= 2
SEEDS ?= 28
export UV_PYTHON_DOWNLOADS := never
export UV_NO_PROGRESS := 1
# A mirror behind a company's own certificate authority is trusted as the system trusts it.
export UV_SYSTEM_CERTS := 1

.PHONY: help up test check fix fuzz schemathesis bench bench-read drills chaos setup lock docs day
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

up: .venv/.product ## start everything and open the console; ARGS="…" goes to `guardian up`
	@exec $(BIN)/guardian up --stop-with-parent $(ARGS)

test: .venv/.dev ## run the whole suite on servers that it starts itself
	@exec $(BIN)/pytest -n $(WORKERS) $(ARGS_TEST)

check: .venv/.dev ## lint, format, types, arrows, spelling, tests, coverage
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/pyright
	$(BIN)/pytest -n $(WORKERS) --cov --cov-report=
	$(BIN)/coverage report --include='shared/domain/*,worker/delivery/*,api/services/*,shared/success/*' --fail-under=90

fix: .venv/.dev ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: ARGS =
fuzz: .venv/.dev ## send 100,000 hostile requests, and ask for another tenant's things 50,000 times
	FUZZ_REQUESTS=$${FUZZ_REQUESTS:-100000} FOREIGN_REQUESTS=$${FOREIGN_REQUESTS:-50000} $(BIN)/pytest -q tests/safety/test_hostile.py tests/safety/test_foreign_keys.py

schemathesis: .venv/.dev ## ask for every operation of the OpenAPI document, fit and unfit, and judge each answer
	SCHEMATHESIS_EXAMPLES=$${SCHEMATHESIS_EXAMPLES:-60} $(BIN)/pytest -q tests/safety/test_openapi.py

bench: .venv/.dev ## measure; prints ratios within one run; ARGS="latency --rounds 5" names what
	$(BIN)/python -m tests.bench $(ARGS)

bench-read: ARGS =
bench-read: .venv/.dev ## measure success questions on 4.4 and 44 million rows; ARGS="--thickness 1" on the first alone
	@$(BIN)/python -m tests.bench.reads $(ARGS)

chaos: .venv/.dev ## many seeded runs of 500 deliveries with one failure each: make chaos SEEDS=200
	@$(BIN)/python -m tests.chaos --seeds $(SEEDS)

drills: .venv/.dev ## play crashes, outages, upgrades, restores on servers of its own; count what was lost
	$(BIN)/python -m tests.drills $(DRILLS)

bench-tui: .venv/.dev ## measure the console through a real terminal, against its goals
	@$(BIN)/python -m tests.bench_tui $(ARGS_BENCH)

docs: .venv/.dev ## build the pages as a site in dist/site; a dead link fails it
	$(BIN)/python -m tests.site dist/site

day: .venv/.dev ## a day of 1,000,000 deliveries in some minutes, with retention; sizes, claims, memory
	$(BIN)/python -m tests.drills.day $(ARGS_DAY)

setup: .venv/.dev ## install everything, and the commit hooks where this is a git checkout
	@[ ! -d .git ] || $(BIN)/prek install -q

lock: $(UV) ## renew the pinned versions and their hashes
	$(UV) pip compile -q -U --universal --python-version 3.11 --generate-hashes --no-annotate pyproject.toml -o requirements.lock
	$(UV) pip compile -q -U --universal --python-version 3.11 --generate-hashes --no-annotate pyproject.toml --group dev -o requirements-dev.lock

# pip's --target needs neither venv nor ensurepip, and is allowed where the system's Python is managed.
$(UV): .ci/uv.txt
	@$(PYTHON) -m pip install -q --disable-pip-version-check --root-user-action=ignore --no-deps --require-hashes --upgrade --target .uv -r .ci/uv.txt
	@touch $@

.venv/bin/python: | $(UV)
	@$(UV) venv -q --allow-existing --python $(PYTHON) .venv

.venv/.product: requirements.lock pyproject.toml | .venv/bin/python
	@[ -e .venv/.dev ] || { $(UV) pip install -q --require-hashes -r requirements.lock && $(UV) pip install -q --no-deps -e .; }
	@touch $@

.venv/.dev: requirements-dev.lock pyproject.toml | .venv/bin/python
	@$(UV) pip install -q --require-hashes -r requirements-dev.lock
	@$(UV) pip install -q --no-deps --no-build-isolation -e .
	@touch $@ .venv/.product
