# Everything starts here: bare `make` lists the targets, each with its one line.
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
HOME_FOLDER := .outfitter
IS_311 := import sys; sys.exit(sys.version_info[:2] != (3, 11))

.DEFAULT_GOAL := help
.PHONY: help environment run test lint slow clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

environment: $(INSTALLED) ## make .venv and install what pyproject.toml and constraints.txt name; nothing to do when neither changed

run: environment ## run the whole pipeline, on a synthetic shop unless settings say otherwise
	$(BIN)/outfitter run

test: lint ## lint, then all tests but the slow ones, with the coverage of what runs without Prefect
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not slow" --cov --cov-report=term:skip-covered --cov-fail-under=90

lint: environment ## check style, formatting and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

slow: environment ## the tests that take minutes
	$(BIN)/pytest -m slow

clean: ## remove .venv, caches and the default home .outfitter with everything learnt in it
	@echo "removing $(VENV), the caches and the home $(HOME_FOLDER) (data, models, lists, reports)"
	rm -rf $(VENV) $(HOME_FOLDER) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last, so that an install that was interrupted is done again.
$(INSTALLED): pyproject.toml constraints.txt
	@for python in python3.11 python3 python; do \
		if $$python -c '$(IS_311)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "Outfitter needs Python 3.11: no python3.11 here, and python3 is another version." >&2; exit 1; fi; \
	if [ -x $(BIN)/python ] && ! $(BIN)/python -c '$(IS_311)'; then echo "$(VENV) holds another Python: remove it first (make clean)." >&2; exit 1; fi; \
	$$found -m venv $(VENV)
	@echo "installing into $(VENV): a few minutes and several gigabytes the first time, seconds afterwards"
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@
