# Kanjo: one way in. `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-sites test-crash soak lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

$(VENV)/.ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(VENV)/.ready ## prepare .venv/bin/kanjo

demo: setup ## watch a bank live through a day (two minutes)
	$(BIN)/kanjo demo

lint: setup ## format, lint, types, floors
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint ## everything that must hold before a change lands
	$(BIN)/pytest

# Services that the packages bring are not wanted, only their programs; what was installed before is left alone.
test-sites: setup ## two clouds on this machine, broken in every way we know (as root: installs Debian's etcd, HAProxy, faketime)
	command -v etcd >/dev/null || { apt-get install -y --no-install-recommends etcd-server; systemctl disable --now etcd 2>/dev/null || true; }
	PATH="$$PATH:/usr/sbin" command -v haproxy >/dev/null || { apt-get install -y --no-install-recommends haproxy; systemctl disable --now haproxy 2>/dev/null || true; }
	command -v faketime >/dev/null || apt-get install -y --no-install-recommends faketime
	$(BIN)/pytest -n 0 -m "long or not long" tests/sites

# How many days are killed, and which: `make test-crash KANJO_CRASH_ROUNDS=500 KANJO_CRASH_SEED=7`.
KANJO_CRASH_ROUNDS ?= 54
KANJO_CRASH_SEED ?= $(shell date +%s)
KANJO_FUZZ_ROUNDS ?= 20000

test-crash: setup ## kill processes, fill disks, cut lines, bend files (half an hour)
	KANJO_CRASH_ROUNDS=$(KANJO_CRASH_ROUNDS) KANJO_CRASH_SEED=$(KANJO_CRASH_SEED) \
	  KANJO_FUZZ_ROUNDS=$(KANJO_FUZZ_ROUNDS) KANJO_FUZZ_SEED=$(KANJO_CRASH_SEED) \
	  $(BIN)/pytest -n 0 -s tests/crash tests/formats/test_zengin_mutations.py

# How long, and which kills: `make soak KANJO_SOAK_MINUTES=120 KANJO_SOAK_SEED=7`.
KANJO_SOAK_MINUTES ?= 30
KANJO_SOAK_SEED ?= $(shell date +%s)

soak: setup ## live on and on beside kills: does memory or a table grow? (half an hour)
	$(BIN)/kanjo soak --minutes $(KANJO_SOAK_MINUTES) --seed $(KANJO_SOAK_SEED)

format: setup ## put the source into the house's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

lock: setup ## write requirements.lock anew (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --all-extras \
	  --no-emit-index-url --output-file requirements.lock pyproject.toml

clean: ## remove what set-up and runs left behind
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
