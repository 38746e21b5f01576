# Every target sets up what it needs, in .venv, from the locks. Only Python 3.11+ (with venv and pip) and make are
# taken for granted. ARGS passes options on: make test ARGS='-k warden', make demo ARGS=--serve.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# Bytecode is written when a module is first imported: most modules of the libraries never are.
INSTALL := $(PIP) install --quiet --no-compile --no-deps --require-hashes
ARGS :=
# The seed and the epochs of each run of which the shipped encoder is the mean.
ENCODER_RUNS := 3:2 7:3 11:3
# Test processes: two save a third of the time on two cores; more would load the model once more each.
WORKERS ?= $(shell [ "$$(nproc 2>/dev/null || echo 1)" -gt 1 ] && echo 2 || echo 0)

# The first of these that is new enough; `make PYTHON=/path/to/python` chooses another.
OLD = import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for p in python3 python3.11 python3.12 python3.13 python; do \
	$$p -c '$(OLD)' 2>/dev/null && { echo $$p; break; }; done)

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(VENV)/.installed ## Install what SISF needs to run into .venv
	@echo "Ready: $(BIN)/sisf ($$(du -sm $(VENV) | cut -f1) MB installed). Next: make demo"

.PHONY: demo
demo: $(VENV)/.installed ## Watch an unprotected model become protected
	@$(BIN)/sisf demo $(ARGS)

.PHONY: test
test: $(VENV)/.installed-dev ## Run the tests
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: test-integrations
test-integrations: $(VENV)/.installed-integrations ## Run the tests against SDKs, LangChain, agents and the AI SDK
	@SISF_TEST_NPM=1 $(BIN)/python -m pytest tests/integrations tests/examples $(ARGS)

.PHONY: test-litellm
test-litellm: $(VENV)-litellm/.installed $(VENV)/.installed-dev ## Run the tests against LiteLLM's SDK and proxy
	@PATH="$(CURDIR)/$(VENV)-litellm/bin:$$PATH" $(BIN)/python -m pytest tests/gateway/test_litellm.py tests/integrations/test_matrix_litellm.py $(ARGS)

.PHONY: bench-gateway
bench-gateway: $(VENV)-litellm/.installed $(VENV)/.installed ## Measure the gateway against a bare proxy and LiteLLM's
	@PATH="$(CURDIR)/$(VENV)-litellm/bin:$$PATH" $(BIN)/sisf bench gateway $(ARGS)

.PHONY: test-hf
test-hf: $(VENV)-hf/.installed ## Run the tests of `sisf model serve` with transformers and torch
	@$(VENV)-hf/bin/python -m pytest tests/hf $(ARGS)

.PHONY: encoder
encoder: $(VENV)-hf/.installed ## Train the harm-aware encoder anew from the corpus (an hour and a half on one core)
	@mkdir -p out
	for run in $(ENCODER_RUNS); do
		$(VENV)-hf/bin/python scripts/train_encoder.py --seed $${run%:*} --epochs $${run#*:} --out out/encoder-$${run%:*}.pt $(ARGS)
	done
	$(VENV)-hf/bin/python scripts/ship_encoder.py $(foreach run,$(ENCODER_RUNS),out/encoder-$(firstword $(subst :, ,$(run))).pt)
	$(VENV)-hf/bin/python scripts/landmarks.py
	$(MAKE) first-look ARGS=

.PHONY: first-look
first-look: $(VENV)-hf/.installed ## Teach the first look anew (some 20 minutes; after each new encoder)
	$(VENV)-hf/bin/python scripts/distil_first_look.py $(ARGS)

.PHONY: check
check: $(VENV)/.installed-dev ## Check format, lint, types and import directions
	@$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PYTHONPATH=src $(BIN)/lint-imports

.PHONY: docs
docs: $(VENV)-docs/.installed $(VENV)/.installed ## Build the documentation site into site/, strictly
	@$(BIN)/python scripts/commands.py
	NO_MKDOCS_2_WARNING=1 $(VENV)-docs/bin/mkdocs build --strict --quiet --clean
	@echo "Ready: site/index.html"

.PHONY: soak
soak: $(VENV)/.installed-dev ## Run the long campaigns (hours; ARGS='tests/text tests/warden': minutes)
	@$(BIN)/python -m pytest -m soak --timeout 0 $(ARGS)

.PHONY: lock
lock: $(VENV)-lock/.installed ## Pin the newest versions that requirements*.in allow
	@$(VENV)-lock/bin/python scripts/lock.py

.PHONY: clean
clean: ## Remove what make made
	@rm -rf $(VENV) $(VENV)-lock $(VENV)-hf $(VENV)-litellm $(VENV)-docs site .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests scripts -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.made $(VENV)-lock/.made $(VENV)-hf/.made $(VENV)-litellm/.made $(VENV)-docs/.made:
	@test -n "$(PYTHON)" || { echo "SISF needs Python 3.11 or newer: install it, or name it with make PYTHON=PATH" >&2; exit 2; }
	$(PYTHON) -c '$(OLD)' 2>/dev/null || { echo "$(PYTHON) is not Python 3.11 or newer: name another with make PYTHON=PATH" >&2; exit 2; }
	rm -rf $(@D)
	$(PYTHON) -m venv $(@D) || { rm -rf $(@D); echo "$(PYTHON) cannot make an environment: install its venv and pip (Debian: python3-venv)" >&2; exit 2; }
	touch $@

$(VENV)/.installed: requirements.lock scripts/link_package.py | $(VENV)/.made
	@echo "Installing $$(grep -c '==' requirements.lock) packages into $(VENV) (about a minute)"
	$(INSTALL) -r requirements.lock
	$(BIN)/python scripts/link_package.py
	touch $@

$(VENV)/.installed-dev: requirements-otel.lock requirements-dev.lock $(VENV)/.installed
	@echo "Installing $$(cat requirements-otel.lock requirements-dev.lock | grep -c '==') packages for checks and tests"
	$(INSTALL) -r requirements-otel.lock -r requirements-dev.lock
	touch $@

$(VENV)/.installed-integrations: requirements-integrations.lock $(VENV)/.installed-dev
	@echo "Installing $$(grep -c '==' requirements-integrations.lock) packages for the integrations"
	$(INSTALL) -r requirements-integrations.lock
	touch $@

# An environment that sees the packages of .venv and holds nothing but torch and what needs it.
$(VENV)-hf/.installed: requirements-hf.lock requirements-torch.lock $(VENV)/.installed-dev | $(VENV)-hf/.made
	@echo "Installing torch and $$(grep -c '==' requirements-hf.lock) packages into $(VENV)-hf"
	$(VENV)-hf/bin/python scripts/link_package.py $(VENV)/lib/python*/site-packages
	$(VENV)-hf/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes -r requirements-hf.lock
	$(VENV)-hf/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes -r requirements-torch.lock
	touch $@

# Its packages are not ours: an environment that sees nothing of .venv.
$(VENV)-litellm/.installed: requirements-litellm.lock | $(VENV)-litellm/.made
	@echo "Installing LiteLLM and $$(grep -c '==' requirements-litellm.lock) packages into $(VENV)-litellm"
	$(VENV)-litellm/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes -r requirements-litellm.lock
	touch $@

# What makes the documentation site; it sees nothing of .venv either.
$(VENV)-docs/.installed: requirements-docs.lock | $(VENV)-docs/.made
	@echo "Installing $$(grep -c '==' requirements-docs.lock) packages for the documentation into $(VENV)-docs"
	$(VENV)-docs/bin/python -m pip --disable-pip-version-check install --quiet --no-compile --no-deps --require-hashes -r requirements-docs.lock
	touch $@

$(VENV)-lock/.installed: scripts/lock.py | $(VENV)-lock/.made
	@$(VENV)-lock/bin/python -m pip --disable-pip-version-check install --quiet 'pip-tools==7.6.2'
	touch $@
