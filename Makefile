# Two commands do everything: `make run` serves the API here, `make test` checks all of it.
PYTHON ?= python3
PORT ?= 8000
VENV := .venv
BIN := $(VENV)/bin
SAM := .tools/sam/bin/sam
STATE := .mlops
REGISTRY := $(STATE)/registry/registry.sqlite
# The models that are trained here, each with a version to begin with, and those that have none yet.
MODELS := churn ridership sentiment
CANDIDATES := $(MODELS:%=$(STATE)/candidates/%/candidate.json)
MISSING := $(foreach model,$(MODELS),$(if $(wildcard $(STATE)/models/$(model)-model-v*/manifest.json),,$(model)))
# First versions are made for the local store only. Another one, named by MLOPS_STORE, is served as
# it is: what is registered there is not for make to decide.
ifeq ($(or $(strip $(MLOPS_STORE)),$(STATE)),$(STATE))
REGISTERED := $(REGISTRY)
PIN_FIRST = $(MAKE) --no-print-directory $(REGISTRY) && \
	  $(foreach model,$(MODELS),$(BIN)/mlops pin $(model) $(model)-model-v1.0.0 --store $(STATE) &&) true
else
REGISTERED := $(VENV)/.run
PIN_FIRST := true
endif
# Install into the environment $(1), wherever the user's pip is configured to install. The
# requirements are complete, so pip resolves nothing.
install = $(1)/bin/python -m pip install $(COMPILE) --quiet --disable-pip-version-check --no-deps \
	  --no-user --target= --root=/ --prefix="$$PWD/$(1)"

# Set up the environments of the tests side by side. This is a make of its own, because the tests
# call make too, and must not inherit its jobs. To compile all packages takes longer than to install
# them, and Python compiles what it imports anyway. GOALS: what the user asked for.
TESTED_WITH := $(VENV)/.test $(patsubst %,.tools/%/.done,sam checkov ministack load generators)
SET_UP_TESTS = $(MAKE) --silent --no-print-directory --jobs=$(words $(TESTED_WITH)) \
	  GOALS='$(MAKECMDGOALS)' COMPILE=--no-compile $(TESTED_WITH)

# Variables that change where pip installs, or what Python imports, would break the environments.
# pip keeps those that say where packages come from. Without bytecode each of the many processes that
# the tests start would compile all its packages, again and again.
PIP_SOURCES := INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS TRUSTED_HOST PROXY CERT CLIENT_CERT \
  KEYRING_PROVIDER CACHE_DIR NO_CACHE_DIR CONFIG_FILE TIMEOUT DEFAULT_TIMEOUT RETRIES \
  RESUME_RETRIES USE_FEATURE USE_DEPRECATED NO_INPUT LOG NO_COLOR PROGRESS_BAR
unexport $(filter-out $(addprefix PIP_,$(PIP_SOURCES)),$(filter PIP_%,$(.VARIABLES)))
unexport PYTHONHOME PYTHONPLATLIBDIR PYTHONSTARTUP PYTHONINSPECT PYTHONOPTIMIZE \
  PYTHONWARNINGS PYTHONEXECUTABLE PYTHONUSERBASE PYTHONSAFEPATH PYTHONDONTWRITEBYTECODE __PYVENV_LAUNCHER__
# This folder's packages, even if it borrows the environment of another clone.
export PYTHONPATH := $(CURDIR):$(CURDIR)/layers/mlops/python

export SAM_CLI_TELEMETRY := 0
# The AWS CLI and mlops let AWS_REGION win; SAM does not know it, and would deploy elsewhere.
ifneq ($(AWS_REGION),)
export AWS_DEFAULT_REGION := $(AWS_REGION)
endif

.DEFAULT_GOAL := help
.PHONY: help run test test-without-engine check unit rehearse train build local openapi lock clean

help: ## Show the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-19s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(REGISTERED) ## Serve the API at http://127.0.0.1:8000 (PORT= changes it), reloading on change
	@$(BIN)/python -m functions.api --port '$(PORT)'

test: ## Run every check and test
	@$(SET_UP_TESTS)
	@$(BIN)/python -m tests

test-without-engine: ## Run the tests that need no Docker engine
	@$(SET_UP_TESTS)
	@$(BIN)/python -m tests without-engine

check: $(VENV)/.test ## Run the quick checks only: style, types, layers
	@$(BIN)/python -m tests check

unit: $(VENV)/.test ## Run the unit tests only
	@$(BIN)/python -m tests unit

# `make test` skips what it cannot try, but not in CI. Who rehearses has asked for it, too.
rehearse: $(VENV)/.test .tools/sam/.done .tools/ministack/.done ## Deploy and release on this machine; needs a Docker engine
	@CI=true $(BIN)/pytest tests/rehearsal

train: $(VENV)/.run ## Train the models and show their figures
	@$(foreach model,$(MODELS),$(BIN)/mlops train $(model) &&) true

build: $(VENV)/.run .tools/sam/.done ## Bake the pinned models and build the images (sam build)
	@grep -q '^[^#]*-model-v.*@sha256:' samconfig.toml || { $(PIN_FIRST); }
	@$(BIN)/mlops bake
	@$(SAM) build

local: build ## Serve the container behind a local API Gateway (sam local start-api)
	@$(SAM) local start-api --port $(PORT)

openapi: $(VENV)/.test ## Write docs/openapi.json and docs/batch-message.schema.json again
	@$(BIN)/python -m tests.tools.openapi
	@$(BIN)/python -m tests.tools.message_schema

lock: $(VENV)/.test ## Resolve all requirements files again
	@$(BIN)/python -m tests.tools.lock

clean: ## Remove all that make has set up, except the local models and registry
	rm -rf $(VENV) .tools .aws-sam .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis \
	  .coverage .coverage.* htmlcov

include deploy.mk
include bench.mk
include load.mk

# --- what is set up once: environments, and the first version of each model --------------------
# One make at a time for $(VENV) and the models, and one for each tool: another one waits for the
# lock, and then finds that nothing is left to do. So each of these files has two rules: the first
# takes the lock, and calls make again for the second.
$(VENV)/.run: requirements.txt pyproject.toml
$(VENV)/.test: tests/requirements.txt $(VENV)/.run
$(CANDIDATES) $(REGISTRY): | $(VENV)/.run
ifneq ($(strip $(MISSING)),)
  .PHONY: $(REGISTRY)
endif

ifneq ($(SETUP_LOCK),held)
SET_UP = @+$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or later is needed; '$(PYTHON)' is $$($(PYTHON) --version 2>/dev/null || echo not there). Name another: make PYTHON=python3.13 $(or $(GOALS),$(MAKECMDGOALS))"; exit 1; }; \
	  SETUP_LOCK=held $(PYTHON) tests/tools/locked.py $(1) $(MAKE) --silent --no-print-directory $@

$(VENV)/.run $(VENV)/.test $(CANDIDATES) $(REGISTRY):
	$(call SET_UP,$(STATE)/.make.lock)

.tools/%/.done: tests/tools/%.txt
	$(call SET_UP,.tools/.$*.lock)
else
# Two models are trained at a time, each by one processor. A run that was interrupted goes on with its
# candidates. Models
# without a registry mean that the registry was lost. It is rebuilt from them.
$(CANDIDATES): $(STATE)/candidates/%/candidate.json:
	@$(BIN)/mlops train $*

$(REGISTRY):
	@if [ ! -e $@ ] && ls $(STATE)/models/*/manifest.json >/dev/null 2>&1; then \
	  $(BIN)/mlops registry rebuild --store $(STATE); fi
	@$(if $(MISSING),$(MAKE) --no-print-directory --jobs=2 $(MISSING:%=$(STATE)/candidates/%/candidate.json))
	@$(foreach model,$(MISSING),$(BIN)/mlops register $(model) --version $(model)-model-v1.0.0 --store $(STATE) &&) true

# An environment that was interrupted while it was made has no pip yet.
$(VENV)/.run:
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { echo "Setting up $(VENV), once ..."; \
	  $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip --version >/dev/null || { rm -rf $(VENV); \
	  echo "'$(PYTHON)' cannot make an environment; the lines above say why. On Debian and Ubuntu, install the package python3-venv."; exit 1; }; }
	@$(call install,$(VENV)) --require-hashes -r requirements.txt
	@$(call install,$(VENV)) --no-build-isolation -e .
	@touch $@

$(VENV)/.test:
	@$(call install,$(VENV)) --require-hashes -r tests/requirements.txt
	@touch $@

# One environment for each tool that pins packages which the project pins too.
.tools/%/.done: tests/tools/%.txt
	@echo "Setting up .tools/$*, once ..."
	@rm -f $@
	@$(PYTHON) -m venv --clear .tools/$*
	@$(call install,.tools/$*) --require-hashes -r $<
	@touch $@
endif
