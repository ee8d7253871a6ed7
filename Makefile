# Two commands matter: `make run` and `make test`. Both work on a fresh machine.
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := .venv/bin

.PHONY: help
help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

.PHONY: run
run: setup ## start Tertulia and open it in a browser
	@exec $(BIN)/tertulia serve --open

.PHONY: test
test: dev ## everything that must hold before a change lands
	@$(BIN)/python scripts/check.py

.PHONY: setup
setup: ## make .venv and the web client, as far as they changed
	@python=$$(scripts/python.sh) && "$$python" scripts/setup.py

.PHONY: dev
dev: ## the same, with the tools that tests need
	@python=$$(scripts/python.sh) && "$$python" scripts/setup.py --dev

.PHONY: lint
lint: dev ## style, types and import rules
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports --no-logo

.PHONY: format
format: dev ## lay the code out, and fix what can be fixed safely
	@$(BIN)/ruff check --fix-only . ; $(BIN)/ruff format .

.PHONY: unit
unit: dev ## the quick tests
	@$(BIN)/python -m pytest -q tests/unit

.PHONY: faults
faults: dev ## kill, stop and starve a cluster, ten minutes a queue; ARGS="--kind nats --minutes 3"
	@$(BIN)/python -m tests.faults $(ARGS)

.PHONY: bench
bench: dev ## what it costs beside a bare relay, in ten minutes; ARGS="--only chat20 --runs 1"
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: standard
standard: dev ## hold what a server sends against the standard's document; SPEC=openapi.json
	@$(BIN)/python scripts/standard.py $(SPEC)

.PHONY: docs
docs: setup ## make the reference pages again
	@$(BIN)/tertulia config doc > docs/reference/settings.md
	@$(BIN)/tertulia config doc --cli > docs/reference/cli.md
	@$(BIN)/tertulia config doc --http > docs/reference/http.md
	@$(BIN)/tertulia config doc --events > docs/reference/events.md
	@$(BIN)/tertulia config doc --metrics > docs/reference/metrics.md
	@$(BIN)/tertulia config doc --openapi > docs/reference/openapi.json
	@$(BIN)/python -m tests.suites.snippets

.PHONY: wheel
wheel: setup ## a wheel with the web client in it, in dist/
	@rm -f dist/*.whl && $(BIN)/hatchling build -t wheel

.PHONY: lock
lock: ## resolve the locks again; UPGRADE=--upgrade takes the newest versions
	@sh scripts/lock.sh $(UPGRADE)

.PHONY: clean
clean: ## remove all that was made here, but no data
	@rm -rf .venv build dist src/tertulia/web web/node_modules .mypy_cache .ruff_cache \
		.pytest_cache .hypothesis .import_linter_cache
