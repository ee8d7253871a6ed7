# Two commands matter: `make run` and `make test`. Both work on a fresh machine.
.DEFAULT_GOAL := help
SHELL := /bin/sh

BIN := .venv/bin

.PHONY: help
help: ## what there is to make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

.PHONY: run
run: setup ## start Tertulia and open it in a browser
	@$(BIN)/tertulia serve --open

.PHONY: test
test: dev ## everything that must hold before a change lands
	@$(BIN)/python scripts/check.py

.PHONY: setup
setup: ## make .venv and the web client, as far as they changed
	@python=$$(scripts/python.sh) && "$$python" scripts/setup.py

.PHONY: dev
dev: ## the same, with the tools that tests need
	@python=$$(scripts/python.sh) && "$$python" scripts/setup.py --dev

.PHONY: lock
lock: dev ## resolve the locks again, newest versions allowed
	@sh scripts/lock.sh --upgrade
