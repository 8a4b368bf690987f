# The one door: every target sets up what it needs. `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
CDK := node_modules/.bin/cdk
JOBS ?= 2
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-root benchmark template test thorough compat soak mutants check format formatted lint types layers deploy destroy clean

help: ## List the targets.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1\t\2/' | expand -t 18

setup: .venv/.ready node_modules/.ready ## Make the virtual environment and fetch the pinned CDK command line.

demo: setup ## The life of a key on an AWS account embedded in this machine. STEPS=basic, rotation or consumer: one part.
	$(BIN)/python -m demo --steps $(or $(STEPS),all) $(ARGS)

demo-root: setup ## Root access keys in an organization of 500 accounts embedded in this machine.
	$(BIN)/python -m demo.root_keys

benchmark: setup ## Print the figures of docs/performance.md, as ratios of one run.
	$(BIN)/python benchmarks/calls.py
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/sweep.py
	$(BIN)/python benchmarks/synthesis.py
	$(BIN)/python benchmarks/organization_size.py
	$(BIN)/python benchmarks/client.py
	$(BIN)/python benchmarks/fleet.py

template: setup ## Write dist/cdk-iam-access-key.template.json, for CloudFormation without Python, and the code beside it.
	$(BIN)/python -m cdk_iam_access_key.template dist

test: setup ## Run the tests that prove the product, in a few minutes. ARGS=... goes to pytest.
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal -m "not thorough" $(ARGS)

thorough: setup compat ## Run all tests: full matrices, long random lives, the tests of the tools, and `compat`.
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

compat: setup ## The oldest and the newest versions of the CDK and boto3, on each Python from 3.11 on that there is.
	$(BIN)/python -m tests.compat $(ARGS)

soak: setup ## Try LIVES=30000 random lives of keys.
	SOAK_LIVES=$(or $(LIVES),30000) $(BIN)/python -m pytest tests/faults/test_random_lives.py -k many -p no:cacheprovider

mutants: setup ## Plant bugs in a copy of the provider and show which test finds each.
	$(BIN)/python -m tests.mutants $(ARGS)

check: formatted lint types layers test ## Everything that must pass before a commit.

format: setup ## Format the code.
	$(BIN)/ruff format --quiet .

formatted: setup
	$(BIN)/ruff format --quiet --check .

lint: setup
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

layers: setup
	PYTHONPATH=constructs:lambda:client $(BIN)/lint-imports --no-cache

deploy: setup ## Deploy the example app to your own AWS account, with your credentials. ARGS="-c serial=2" rotates.
	$(CDK) deploy $(ARGS)

destroy: setup ## Destroy what `make deploy` deployed.
	$(CDK) destroy $(ARGS)

clean: ## Remove everything that the targets above made.
	rm -rf .venv node_modules cdk.out dist .local-cloud .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/.ready: requirements.txt requirements-dev.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or later is needed, $(PYTHON) is older: make PYTHON=python3.13 ..."; exit 1; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		-r requirements.txt -r requirements-dev.txt -c constraints.txt
	@touch $@

node_modules/.ready: package.json package-lock.json .venv/.ready
	$(BIN)/npm ci --no-audit --no-fund --loglevel=error
	@touch $@
