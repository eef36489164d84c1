# What continuous integration runs, in .github/workflows and elsewhere (docs/ci.md).
# Values from outside are read from environment variables in the shell: they never become part of a recipe.

# The stack of an environment of samconfig.toml, for the shell.
STACK_OF = $$($(BIN)/python -m tools.stack_name $(ENVIRONMENT))

# Photos of the smoke test, and the lowest accuracy of the deployed model on them.
SMOKE_PHOTOS ?= 50
SMOKE_ACCURACY ?= 0.8

.PHONY: lint-code
lint-code: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

.PHONY: types
types: $(VENV)/ready
	$(BIN)/mypy

.PHONY: lint-template
lint-template: $(VENV)/ready
	$(BIN)/sam validate --lint
	$(BIN)/cfn-lint bootstrap/template.yaml
	$(BIN)/python -m tools.lint_asl

.PHONY: scan
scan: $(VENV)/ready $(VENV)/checkov/ready
	$(BIN)/python -m tools.scan_template

.PHONY: lint-workflows
lint-workflows: $(VENV)/ready
	$(BIN)/actionlint
	$(BIN)/zizmor --quiet --offline --strict-collection .github

.PHONY: test-integration
test-integration: $(VENV)/ready $(VENV)/checkov/ready
	$(STARTS)
	$(BIN)/pytest --numprocesses auto --dist loadfile tests/integration
	$(ENDS)

.PHONY: test-browser
test-browser: $(VENV)/ready
	$(STARTS)
	$(BIN)/pytest --numprocesses auto tests/browser
	$(ENDS)

.PHONY: test-e2e
test-e2e: $(VENV)/ready
	$(STARTS)
	$(E2E)
	$(BIN)/python -m tools.prove_iam --summary
	$(ENDS)

.PHONY: test-docs
test-docs: $(VENV)/ready ## Follow the pages of docs/ that lead from a clone to a deployment; some minutes
	$(BIN)/pytest --numprocesses auto --timeout 1200 tests/docs

.PHONY: iam-diff
iam-diff: $(VENV)/ready ## Show what changed in IAM since a git revision (BASE=origin/main)
	@$(BIN)/python -m tools.iam_diff "$${BASE:-origin/main}"

.PHONY: pull-request-report
pull-request-report: $(VENV)/ready ## Write build/pull-request.md: figures of `make run`, changes in IAM (BASE=origin/main)
	@$(BIN)/python -m tools.pull_request_report "$${BASE:-origin/main}"

.PHONY: pull-request-comment
pull-request-comment: # PULL_REQUEST: its number
	gh pr comment "$$PULL_REQUEST" --edit-last --create-if-none --body-file build/pull-request.md

.PHONY: deploy
deploy: $(VENV)/ready ## Build and deploy to ENVIRONMENT=staging or production (docs/ci.md)
	@$(BIN)/python -m tools.deploy $(ENVIRONMENT)

.PHONY: smoke-test
smoke-test: $(VENV)/ready ## Classify test photos of the dataset in ENVIRONMENT=staging or production
	@$(BIN)/scones --stack "$(STACK_OF)" simulate --count $(SMOKE_PHOTOS) --minimum-accuracy $(SMOKE_ACCURACY) --capture-timeout 0

.PHONY: retrain
retrain: $(VENV)/ready ## Start a retraining in ENVIRONMENT=staging or production
	@$(BIN)/scones --stack "$(STACK_OF)" retrain --force

# The profiles of the AWS configuration are named like the environments.
.PHONY: copy-model
copy-model: $(VENV)/ready ## Copy a model of staging to ENVIRONMENT=production (VERSION=3; docs/ci.md)
	@source="$$($(BIN)/python -m tools.stack_name staging)" && $(BIN)/scones --stack "$(STACK_OF)" \
	  --profile $(ENVIRONMENT) copy "$$VERSION" --from-stack "$$source" --from-profile staging

# The name begins with the stack's: environments of one account have separate pipelines.
.PHONY: run-vehicles-pipeline
run-vehicles-pipeline: pipelines ## Start the pipeline vehicles in ENVIRONMENT=staging (DATA_BUCKET= PIPELINE_ROLE= TRAINING_IMAGE=)
	stack="$(STACK_OF)" && $(VENV)/pipelines/bin/run-pipeline --module-name vehicles --no-wait \
	  --role-arn "$$PIPELINE_ROLE" --bucket "$$DATA_BUCKET" \
	  --kwargs "{\"pipeline_name\": \"$$stack-vehicles\", \"model_package_group_name\": \"$$stack\", \"training_image\": \"$$TRAINING_IMAGE\"}"

# TRAINING_IMAGE is the URI of the image, with its tag.
.PHONY: training-image
training-image: ## Build the training image with Docker (TRAINING_IMAGE=)
	docker buildx build --provenance=false --output type=docker --platform linux/amd64 \
	  --file training/Dockerfile --tag "$$TRAINING_IMAGE" .

# Tags are immutable: a repeated job finds the image that it pushed before.
.PHONY: push-training-image
push-training-image: ## Push the training image to ECR (TRAINING_IMAGE=)
	aws ecr get-login-password | docker login --username AWS --password-stdin "$${TRAINING_IMAGE%%/*}"
	docker manifest inspect "$$TRAINING_IMAGE" >/dev/null 2>&1 || docker push "$$TRAINING_IMAGE"

.PHONY: release-notes
release-notes: $(VENV)/ready ## Write build/release-notes.md from CHANGELOG.md (TAG=v1.2.0)
	@$(BIN)/python -m tools.release_notes "$$TAG"

.PHONY: wheels
wheels: $(VENV)/ready ## Build the wheels of all distributions: build/dist
	@set -e; for member in $(MEMBERS); do \
	  (cd $$member && "$(CURDIR)/$(BIN)/python" -m hatchling build --target wheel --directory "$(CURDIR)/build/dist"); done

.PHONY: release
release: # TAG: the tag that was pushed
	gh release create "$$TAG" --verify-tag --title "$$TAG" --notes-file build/release-notes.md \
	  build/dist/*.whl build/sbom.cdx.json
