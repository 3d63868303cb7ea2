# Two commands do everything: `make run` serves the API here, `make test` checks all of it.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
SAM := .tools/sam/bin/sam
STATE := .mlops
REGISTRY := $(STATE)/registry/registry.sqlite
CANDIDATE := $(STATE)/candidates/churn/candidate.json
# The first version is made for the local store only. Another one, named by MLOPS_STORE, is served as
# it is: what is registered there is not for make to decide.
ifeq ($(or $(strip $(MLOPS_STORE)),$(STATE)),$(STATE))
REGISTERED := $(REGISTRY)
PIN_FIRST = $(MAKE) --no-print-directory $(REGISTRY) && \
	  $(BIN)/mlops pin churn churn-model-v1.0.0 --store $(STATE)
else
REGISTERED := $(VENV)/.run
PIN_FIRST := true
endif
# A lock is whole: nothing is left for pip to resolve.
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes

export SAM_CLI_TELEMETRY := 0
# The AWS CLI and mlops let AWS_REGION win; SAM does not know it, and would deploy elsewhere.
ifneq ($(AWS_REGION),)
export AWS_DEFAULT_REGION := $(AWS_REGION)
endif

.DEFAULT_GOAL := help
.PHONY: help run test check unit rehearse train build local openapi lock clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(REGISTERED) ## Serve the API at http://127.0.0.1:8000 (PORT= changes it), reloading on change
	@$(BIN)/python -m functions.api --port '$(PORT)'

test: $(VENV)/.test $(patsubst %,.tools/%/.done,sam checkov ministack load generators) ## Run every check and test
	@$(BIN)/python -m tests

check: $(VENV)/.test ## Run the quick checks only: style, types, room borders
	@$(BIN)/python -m tests check

unit: $(VENV)/.test ## Run the unit tests only
	@$(BIN)/pytest tests/unit

# `make test` skips what it cannot try, but not in CI. Who rehearses has asked for it, too.
rehearse: $(VENV)/.test .tools/sam/.done .tools/ministack/.done ## Deploy and release on this machine; needs a Docker engine
	@CI=true $(BIN)/pytest tests/rehearsal

train: $(VENV)/.run ## Train the churn model and show its figures
	@$(BIN)/mlops train churn

build: $(VENV)/.run .tools/sam/.done ## Bake the pinned models and build the images (sam build)
	@grep -q '^[^#]*Pin=.*@sha256:' samconfig.toml || { $(PIN_FIRST); }
	@$(BIN)/mlops bake
	@$(SAM) build

local: build ## Serve the container behind a local API Gateway (sam local start-api)
	@$(SAM) local start-api --port $(PORT)

openapi: $(VENV)/.test ## Write docs/openapi.json and docs/batch-message.schema.json anew
	@$(BIN)/python -m tests.tools.openapi
	@$(BIN)/python -m tests.tools.message_schema

lock: $(VENV)/.test ## Resolve all requirements files anew
	@$(BIN)/python -m tests.tools.lock

clean: ## Remove what make made, but not the local models and registry
	rm -rf $(VENV) .tools .aws-sam .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	  .coverage .coverage.* htmlcov

include deploy.mk
include bench.mk
include load.mk

# --- local state: the first version of the first model -----------------------------------------
# In two steps, so that one that was interrupted goes on with the candidate it had. Models without a
# registry mean that it got lost; it is made from them.
$(CANDIDATE): | $(VENV)/.run
	@$(BIN)/mlops train churn

$(REGISTRY): | $(VENV)/.run
	@if ls $(STATE)/models/*/manifest.json >/dev/null 2>&1; then $(BIN)/mlops registry rebuild --store $(STATE); \
	  else $(MAKE) --no-print-directory $(CANDIDATE) && \
	    $(BIN)/mlops register churn --version churn-model-v1.0.0 --store $(STATE); fi

# --- environments: one for the project, one for each tool that pins what we use too ------------
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there). Name another: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV), once ..."
	@$(PYTHON) -m venv $(VENV) && $@ -m pip --version >/dev/null || { rm -rf $(VENV); \
	  echo "'$(PYTHON)' makes no environment with pip in it; on Debian that needs the package python3-venv"; exit 1; }

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python $(PIP_INSTALL) -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.test: tests/requirements.txt $(VENV)/.run
	@$(BIN)/python $(PIP_INSTALL) -r tests/requirements.txt
	@touch $@

.tools/%/.done: tests/tools/%.txt | $(VENV)/bin/python
	@echo "Setting up .tools/$*, once ..."
	@rm -f $@
	@$(PYTHON) -m venv --clear .tools/$*
	@.tools/$*/bin/python $(PIP_INSTALL) -r $<
	@touch $@
