# `make run` does the whole job on this machine, `make test` passes the tests; `make help` lists the rest.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
export SAM_CLI_TELEMETRY := 0
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help

# Where `scones init` made this project: its photos and its preset, for run and up.
-include project.mk

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The development environment is made again when a requirement changes.
MEMBERS := layers/domain operator training local
$(VENV)/ready: requirements.lock training/requirements-torch.txt $(MEMBERS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; this is " + sys.version.split()[0] + ". Set PYTHON=python3.x") if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing packages into $(VENV), once: a minute or two, and the time to download PyTorch"
	@$(BIN)/python -m pip install --quiet --no-deps --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --requirement training/requirements-torch.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation $(MEMBERS:%=--editable ./%)
	@touch $@

.PHONY: setup
setup: $(VENV)/ready ## Install everything into .venv

# What is set on make's command line is in the environment too, where these commands read it.
.PHONY: run
run: $(VENV)/ready ## Deploy, train and classify photos on this computer (DATASET= PHOTOS=; README)
	@$(BIN)/python -m scones_local run

.PHONY: up
up: $(VENV)/ready ## The same without photos, and leave it running (KEEP=1, WATCH=0)
	@$(BIN)/python -m scones_local up

.PHONY: watch
watch: $(VENV)/ready ## Deploy saved changes to the running local cloud
	@$(BIN)/python -m scones_local watch

.PHONY: redeploy
redeploy: $(VENV)/ready ## Deploy a changed template.yaml to it, without training again
	@$(BIN)/python -m scones_local redeploy

.PHONY: logs
logs: $(VENV)/ready ## Follow all logs of the local cloud
	@$(BIN)/python -m scones_local logs

.PHONY: debug
debug: $(VENV)/ready ## Let a function wait for a debugger: FUNCTION=serialize (PORT=5678)
	@test -n "$(FUNCTION)" || { echo "Set FUNCTION to a folder of functions/, such as serialize" >&2; exit 2; }
	@$(BIN)/python -m scones_local logs --debug $(FUNCTION) $(if $(PORT),--port $(PORT))

.PHONY: down
down: $(VENV)/ready ## Stop what `make up` left running, and say what is kept or lost (KEEP=1)
	@$(BIN)/python -m scones_local down

# These tests record the requests to IAM in build/iam.
E2E = rm -rf build/iam && $(BIN)/pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --timeout 600 tests/e2e

# The parts of the tests note how long they take, which `make test` shows at its end.
STARTS = @mkdir -p build/times && date +%s > build/times/$@
ENDS = @echo "$@ took $$(($$(date +%s) - $$(cat build/times/$@))) s" > build/times/$@

.PHONY: test
test: test-fast test-integration test-browser test-e2e ## All tests
	@cat $(^:%=build/times/%)

.PHONY: test-fast
test-fast: $(VENV)/ready ## The unit tests
	$(STARTS)
	$(BIN)/pytest --numprocesses auto --dist loadfile tests/unit
	$(ENDS)

.PHONY: parameters
parameters: $(VENV)/ready ## Copy what `sam deploy --guided` saved to the build settings (ENVIRONMENT=default)
	$(BIN)/python -m tools.guided_parameters $(or $(ENVIRONMENT),default)

.PHONY: policies
policies: $(VENV)/ready ## Update the table of policies in docs/security.md
	$(BIN)/python -m tools.policy_table

.PHONY: tables
tables: policies ## Update all tables in docs/ that are generated from the code: policies, parameters, costs
	$(BIN)/python -m tools.parameter_table
	$(BIN)/python -c 'from tools.costs import write; write()'

# Values come from the environment, as those of ci.mk.
.PHONY: recover-stack
recover-stack: $(VENV)/ready ## Create a deleted stack again from what it has kept (STACK=scones RESOURCE=; docs/operations.md)
	@set -f; for one in $${RESOURCE-}; do set -- "$$@" --resource "$$one"; done; \
	$(BIN)/python -m tools.recover_stack --stack "$${STACK:-scones}" "$$@"

.PHONY: prove-iam
prove-iam: $(VENV)/ready ## Show what fails without each statement of each role (REAL='*': actually remove the matching ones; hours)
	$(E2E)
	$(BIN)/python -m tools.prove_iam $(if $(REAL),--real '$(REAL)')

.PHONY: fuzz
fuzz: $(VENV)/ready ## Read 50,000 mutated photos (FUZZ_INPUTS=); some minutes
	FUZZ_INPUTS=$(or $(FUZZ_INPUTS),50000) $(BIN)/pytest --numprocesses auto tests/integration/photos

.PHONY: benchmark
benchmark: $(VENV)/ready ## Measure the listing of a dataset of a million photos; some minutes
	$(BIN)/python -m benchmarks.list_dataset

.PHONY: benchmark-training
benchmark-training: $(VENV)/ready ## Cross-validate the trainer on DATASET= (OTHERS= IMAGE_SHAPE=); up to an hour
	@test -n "$(DATASET)" || { echo "Set DATASET to a folder of photos with one folder per class" >&2; exit 2; }
	$(BIN)/python -m benchmarks.learning $(DATASET) $(if $(OTHERS),--others $(OTHERS)) $(if $(IMAGE_SHAPE),--image-shape $(IMAGE_SHAPE))

# checkov pins older versions of boto3, packaging, and others: it has a separate environment.
$(VENV)/checkov/ready: tools/checkov/requirements.txt | $(VENV)/ready
	$(PYTHON) -m venv $(VENV)/checkov
	@$(VENV)/checkov/bin/python -m pip install --quiet --no-deps --require-hashes --requirement tools/checkov/requirements.txt
	@touch $@

# The SageMaker SDK needs older versions of rich, protobuf and others, and 1 GB: it has a separate environment.
$(VENV)/pipelines/ready: pipelines/requirements.lock pipelines/pyproject.toml
	$(PYTHON) -m venv $(VENV)/pipelines
	@echo "Installing the SageMaker SDK into $(VENV)/pipelines; a minute or two, once"
	@$(VENV)/pipelines/bin/python -m pip install --quiet --no-deps --require-hashes --requirement pipelines/requirements.lock
	@$(VENV)/pipelines/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable ./pipelines
	@touch $@

.PHONY: pipelines
pipelines: $(VENV)/pipelines/ready ## Install the SageMaker SDK into .venv/pipelines (1.2 GB)

.PHONY: test-pipelines
test-pipelines: $(VENV)/ready $(VENV)/pipelines/ready ## The tests of pipelines/, in their environment, and the pipelines in the local cloud
	cd pipelines && ../$(VENV)/pipelines/bin/pytest
	$(BIN)/pytest --timeout 900 tests/pipelines

.PHONY: lint-pipelines
lint-pipelines: $(VENV)/ready $(VENV)/pipelines/ready ## Types and template of pipelines/ (`make lint` has the rest)
	cd pipelines && ../$(VENV)/pipelines/bin/mypy
	$(BIN)/cfn-lint pipelines/template.yaml

.PHONY: pipeline-definitions
pipeline-definitions: $(VENV)/pipelines/ready ## Update the golden files of the definitions
	cd pipelines && ../$(VENV)/pipelines/bin/python -m tests.golden_files

.PHONY: lint
lint: lint-code types lint-template scan lint-workflows ## Formatting, lint, types, templates, state machines, workflows

.PHONY: audit
audit: $(VENV)/ready ## Look up known vulnerabilities of all locked packages
	@$(BIN)/python -m tools.audit

.PHONY: sbom
sbom: $(VENV)/ready ## List all locked packages in CycloneDX: build/sbom.cdx.json
	@$(BIN)/python -m tools.sbom

# One version for all Pythons from 3.11, where there is one, and the hashes of all its files.
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
  --no-header --no-annotate
.PHONY: lock
lock: $(VENV)/ready ## Resolve the requirements again and write the locks
	$(COMPILE) layers/dependencies/requirements.in -o layers/dependencies/requirements.txt
	$(COMPILE) layers/photos/requirements.in -o layers/photos/requirements.txt
	$(COMPILE) layers/plots/requirements.in -o layers/plots/requirements.txt
	$(COMPILE) requirements.in -o requirements.lock
	$(COMPILE) training/requirements.in -o training/requirements.txt
	$(COMPILE) tools/checkov/requirements.in -o tools/checkov/requirements.txt
	$(COMPILE) pipelines/requirements.in -o pipelines/requirements.lock
	$(COMPILE) pipelines/image.in -o pipelines/image.txt

include ci.mk

.PHONY: clean
clean: ## Delete everything that was built
	rm -rf $(VENV) .local .aws-sam build
