# What a person and CI run. Needs a Go toolchain, make and git; the tools come from
# module files of their own below internal/tools, pinned.

tool = go tool -modfile=internal/tools/$(1)/go.mod

# Modules of their own, so that users of the SDK do not inherit what they need. Three are
# tested by targets of their own: interop needs more than Go, the tools a newer one.
tools = internal/tools/upstream internal/tools/release
modules = $(patsubst %/go.mod,%,$(wildcard internal/*/go.mod examples/*/go.mod)) $(tools)
tested = $(filter-out internal/interop $(tools),$(modules))
# Of what only a release runs nothing is downloaded before: it is hundreds of modules.
untidied = $(patsubst %,internal/tools/%,goreleaser sbom cosign)

.PHONY: help demo test check generate drift tidy vet lint contract bench fuzz soak cover upstream-diff upstream-accept interop release-check release-test

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## do all six operations against an embedded sandbox
	go run ./cmd/customizers demo

test: ## run the tests, with the race detector
	@command -v redis-server >/dev/null || echo "no redis-server: the tests of examples/redis that need it are skipped"
	@command -v chromium chromium-browser google-chrome >/dev/null || echo "no chromium: the test of the sandbox's page is skipped"
	@set -e; for m in $(tested); do echo "go test -C $$m -race ./..."; go test -C $$m -race ./...; done
	go test -race ./...

soak: ## run mixed operations over a network that misbehaves, for SOAK_DURATION (5m)
	SOAK_DURATION=$${SOAK_DURATION:-5m} go test -C internal/soak -race -count=1 -timeout 15m -v -run '^TestSoak$$' .

interop: ## hold contract, sandbox and client against what others wrote (needs node 20 or later and npm)
	@for p in node npm; do command -v $$p >/dev/null || { echo "make interop needs $$p, and it is not on PATH" >&2; exit 1; }; done
	cd internal/interop && npm ci
	go test -C internal/interop -race -count=1 -timeout 5m .

check: drift contract release-test tidy vet lint test ## everything that CI runs

generate: ## regenerate the code, from openapi.yaml, and the man pages and completions
	go generate ./...

drift: ## fail when a generated file is not what its source gives
	@internal/tools/drift.sh

contract: ## fail when openapi.yaml breaks with the published contract
	$(call tool,oasdiff) oasdiff breaking --fail-on WARN testdata/published.v2024.json openapi.yaml
	go test -C internal/tools/upstream ./...

release-test: ## test what release-check runs
	go test -C internal/tools/release ./...

release-check: ## fail when HEAD can't be released, as VERSION or the version that CHANGELOG.md asks for
	@go run -C internal/tools/release . check

upstream-diff: ## tell what moved in the specification that SailPoint publishes, SPEC (a file or URL)
	@go run -C internal/tools/upstream . "$(SPEC)"

upstream-accept: ## make the operations of SPEC the published contract in testdata
	@go run -C internal/tools/upstream . -accept "$(SPEC)"

tidy: ## fail when a module file is not tidy
	go mod tidy -diff
	@set -e; for m in $(modules) $(filter-out $(tools) $(untidied),$(patsubst %/go.mod,%,$(wildcard internal/tools/*/go.mod))); do echo "go -C $$m mod tidy -diff"; go -C $$m mod tidy -diff; done

vet: ## run go vet
	go vet ./...
	@set -e; for m in $(modules); do echo "go vet -C $$m ./..."; go vet -C $$m ./...; done

lint: ## run golangci-lint, and actionlint on the workflows
	$(call tool,lint) golangci-lint run
	$(call tool,actionlint) actionlint -shellcheck= -pyflakes=
	@set -e; for m in $(modules); do echo "golangci-lint in $$m"; \
		(cd $$m && go tool -modfile=$(CURDIR)/internal/tools/lint/go.mod golangci-lint run --config $(CURDIR)/.golangci.yml); done

bench: ## compare the SDK with the same work by hand, and write BENCHMARKS.md
	go run ./internal/bench

fuzztime = 1m
fuzz: ## run each fuzz target for fuzztime (1m)
	go test -run '^$$' -fuzz FuzzRecord -fuzztime $(fuzztime) ./internal/record
	go test -run '^$$' -fuzz FuzzTimestamp -fuzztime $(fuzztime) ./api
	go test -run '^$$' -fuzz FuzzRetryAfter -fuzztime $(fuzztime) .
	go test -run '^$$' -fuzz FuzzErrorBody -fuzztime $(fuzztime) .
	go test -run '^$$' -fuzz FuzzTenant -fuzztime $(fuzztime) ./internal/config
	go test -run '^$$' -fuzz FuzzConfig -fuzztime $(fuzztime) ./internal/config

cover: ## tell which part of the code the tests run
	go test -coverpkg=.,./api,./customizerstest -coverprofile=cover.out ./... >/dev/null
	go tool cover -func=cover.out | grep -v '\.gen\.go' | sort -k3 -n
