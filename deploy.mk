# From what was built to what takes the traffic. CI/CD calls these one by one (docs/ci-cd.md); it
# names the stage and its image repository. On a laptop: make build deploy verdict smoke

# How long a release is waited for at most: its analyses, and the time that it needs around them.
# Two in a row take longer, but the credentials of a job in CI end after 60.
VERDICT_MINUTES := 50
# The commit that pins are compared with.
BASE ?= main
# Each stage is a stack of its own; without one it is that of samconfig.toml.
STACK ?= $(shell sed -n 's/^stack_name = "\(.*\)"$$/\1/p' samconfig.toml)$(if $(STAGE),-$(STAGE))
# A stack's API is asked where the stack says, unless it is known by another name.
ASKED_AT := $${API_URL:+--url "$$API_URL"}
BUILT := .aws-sam/build/template.yaml
PACKAGED := .aws-sam/packaged.yaml
# What samconfig.toml says for a laptop, to let SAM make repositories, would refuse one of our own.
ONLY_THIS := --config-env none
OVERRIDES = $(BIN)/python -m tests.tools.overrides PermissionsBoundary="$$PERMISSIONS_BOUNDARY" \
	  CodeSha="$$(git describe --always --abbrev=40 --exclude='*' --dirty 2>/dev/null)"

.PHONY: tools archive unarchive sbom changed-pins gate pin release-pr not-older deploy verdict smoke rollback

# CI runs this before it has credentials: no package that is installed gets to see them.
tools: $(VENV)/.run .tools/sam/.done .tools/syft/.done ## Install what the other targets of CI/CD need

archive: $(VENV)/.run ## Write the built images to files, to be scanned and deployed elsewhere
	@$(BIN)/python -m tests.tools.images archive

unarchive: $(VENV)/.run ## Give archived images to this machine's engine: IMAGES_DIGEST=sha256:... is what archive said
	@$(BIN)/python -m tests.tools.images unarchive

sbom: $(VENV)/.run .tools/syft/.done ## List what is in the archived images (CycloneDX)
	@$(BIN)/python -m tests.tools.images sbom

changed-pins: $(VENV)/.run ## Show the pins that differ from those at BASE=main
	@told=$$($(BIN)/python -m tests.tools.changed_pins '$(BASE)') && \
	  printf '%s\n' "$$told" | tee -a "$${GITHUB_STEP_SUMMARY:-/dev/null}"

gate: $(VENV)/.run ## Refuse pinned models that are worse than those at BASE=main
	@before=$$(mktemp) && trap 'rm -f "$$before"' EXIT && \
	  if git show '$(BASE):samconfig.toml' >"$$before" 2>/dev/null; \
	  then $(BIN)/mlops gate --against "$$before"; \
	  else echo "Compared with nothing, since there is no samconfig.toml at $(BASE)." && \
	    $(BIN)/mlops gate; fi

pin: $(VENV)/.run ## Pin a registered version: MODEL=churn VERSION=churn-model-v1.3.0
	@$(BIN)/mlops pin "$$MODEL" "$$VERSION"

# Looked for before anything is done: a push that is refused would leave a branch behind.
release-pr: ## Open a pull request of the pin that was changed: VERSION=churn-model-v1.3.0
	@! git diff --quiet HEAD -- samconfig.toml || { echo "$$VERSION is pinned already"; exit 1; }
	@gh auth setup-git
	@branch="release/$$VERSION" && \
	  there=$$(git ls-remote origin "refs/heads/$$branch") && \
	  if [ -n "$$there" ]; then \
	    echo "A release of $$VERSION is proposed already. Branch: $$branch. Pull request:" \
	      "$$(gh pr list --state all --head "$$branch" --json url --jq '[.[].url] | join(" ")')"; \
	    echo "Merge that one; or, to propose it again: git push origin --delete $$branch"; exit 1; \
	  fi
	@git switch --quiet --create "release/$$VERSION"
	@git commit --quiet --message "Release $$VERSION" -- samconfig.toml
	@git push --quiet --set-upstream origin HEAD
	@gh pr create --base main --title "Release $$VERSION" --body "Pins $$VERSION."

not-older: $(VENV)/.run ## Refuse to go on where a newer commit is deployed; ALLOW_OLDER=this one
	@$(BIN)/python -m tests.tools.not_older '$(STACK)'

# The models are there before the functions that want them; a stack that is new has its bucket only
# afterwards. Without a repository SAM makes one for each function.
deploy: $(VENV)/.run .tools/sam/.done ## Deploy what was built: STAGE= and IMAGE_REPOSITORY=, or neither
	@test -e $(BUILT) || { echo "Nothing is built yet: make build deploy"; exit 1; }
ifneq ($(and $(strip $(STAGE)),$(if $(strip $(IMAGE_REPOSITORY)),,none)),)
	@echo "STAGE=$$STAGE needs IMAGE_REPOSITORY, the one of its account (docs/ci-cd.md)"; exit 1
endif
	@$(BIN)/mlops copy --stack '$(STACK)'
ifneq ($(strip $(IMAGE_REPOSITORY)),)
	@$(SAM) package $(ONLY_THIS) --template-file $(BUILT) --output-template-file $(PACKAGED) \
	  --resolve-s3 --image-repository "$$IMAGE_REPOSITORY"
	@$(BIN)/python -m tests.tools.images by-digest
	@$(OVERRIDES) | xargs -0 $(SAM) deploy $(ONLY_THIS) --template-file $(PACKAGED) \
	  --stack-name '$(STACK)' --resolve-s3 --image-repository "$$IMAGE_REPOSITORY" \
	  --capabilities CAPABILITY_IAM --no-confirm-changeset --no-fail-on-empty-changeset \
	  --parameter-overrides
else
	@$(OVERRIDES) | xargs -0 $(SAM) deploy --stack-name '$(STACK)' --parameter-overrides
endif
	@$(BIN)/mlops copy --stack '$(STACK)'

# Where nobody else sends requests to the canary, TRAFFIC does. The analysis says what they prove.
verdict: $(VENV)/.run ## Wait until the release is promoted or rolled back; TRAFFIC= requests a second
	@if [ -n "$$TRAFFIC" ]; then \
	  $(BIN)/mlops smoke --stack '$(STACK)' $(ASKED_AT) --rate "$$TRAFFIC" --seconds $$(($(VERDICT_MINUTES) * 60)) & \
	  traffic=$$!; fi; \
	$(BIN)/mlops release status --wait --timeout $$(($(VERDICT_MINUTES) * 60)) --stack '$(STACK)'; \
	verdict=$$?; \
	if [ -n "$$traffic" ]; then kill "$$traffic" 2>/dev/null; wait "$$traffic"; fi; \
	if [ $$verdict = 124 ]; then \
	  echo "There is no verdict after $(VERDICT_MINUTES) minutes. The release goes on from there."; \
	  echo "To look again: mlops release status --stack $(STACK). To wait again: make verdict$(if $(STAGE), STAGE=$(STAGE))"; \
	fi; \
	exit $$verdict

smoke: $(VENV)/.run ## Ask the deployed API, and check its answers; API_URL= is where it is asked
	@$(BIN)/mlops smoke --stack '$(STACK)' $(ASKED_AT)

rollback: $(VENV)/.run ## Go back at once, to what was live before, or TO=churn-model-v1.2.0
	@$(BIN)/mlops rollback --stack '$(STACK)' $${TO:+--to "$$TO"}
