# Targets for developers and CI. They need Go, make and git. Each tool is pinned in its own module
# under internal/tools, or by the version in its command.

tool = go tool -modfile=internal/tools/$(1)/go.mod
gorelease = go run golang.org/x/exp/cmd/gorelease@v0.0.0-20261014143641-f0251eb4aa3e
goreleaser = go run github.com/goreleaser/goreleaser/v2@v2.16.0

# Separate modules, so that users of the SDK don't inherit their dependencies.
modules = $(patsubst %/go.mod,%,$(wildcard internal/*/go.mod examples/*/go.mod))
tools = $(patsubst %/go.mod,%,$(wildcard internal/tools/*/go.mod))
# internal/interop needs Node.js: make interop tests it.
tested = $(filter-out internal/interop,$(modules))

.PHONY: help demo check test test-next soak interop generate drift contract upstream-diff upstream-diff-v1 tidy vet cross lint bench fuzz api-check release-check

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z0-9 -]+:.*## /{printf "%-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## run each operation against an embedded sandbox that injects faults
	go run ./cmd/customizers demo

node = $(shell command -v npm)
check: drift contract tidy vet cross lint demo test-next test $(if $(node),interop) ## run what CI runs on each change; without npm, not make interop

# The race detector needs cgo and a C compiler. CI insists on it.
race = $(if $(filter true,$(CI)),-race,$(shell test "$$(go env CGO_ENABLED)" = 1 && command -v $$(go env CC) >/dev/null && echo -race))

test: ## run the tests, with the race detector if there is a C compiler
	go test $(race) ./...
	@$(MAKE) --no-print-directory --output-sync -j 2 $(tested:%=%/test)

# Go does not see that a file outside a module changed, so the results of other modules are not cached.
%/test:
	go test -C $* $(race) -count=1 ./...

test-next: ## run the SDK's and the command's tests on the newest Go
	GOTOOLCHAIN=go1.27.3 go test ./...

soak: ## run mixed operations over an unreliable network, for SOAK_DURATION (5m)
	SOAK_DURATION=$${SOAK_DURATION:-5m} go test -C internal/soak -race -count=1 -parallel 4 -timeout 15m -v -run '^Test(Soak|Blackhole)$$' .

interop: ## test with TypeScript clients, Prism and a project created by init (needs Node.js 20)
	cd internal/interop && npm ci
	go test -C internal/interop $(race) -count=1 -timeout 5m .

generate: ## generate the code from openapi.yaml and examples/otherapi/openapi.yaml, and docs/command/
	go generate ./...
	go generate -C examples/otherapi ./...
	go run -C internal/tools/docs . markdown ../../../docs/command

generated = '*.gen.go' docs/command
drift: generate ## generate, and fail if a file then differs from the staged or committed one
	@set -e; changed=$$(git diff --name-only -- $(generated)); new=$$(git ls-files --others --exclude-standard -- $(generated)); \
	if [ -n "$$changed$$new" ]; then git --no-pager diff -- $(generated); \
		printf '%s\n' 'Generated files are out of date, or not staged. Review them, then git add:' $$changed $$new; exit 1; fi

oasdiff = $(call tool,oasdiff) oasdiff
changes = --flatten-params --fail-on WARN --severity-levels internal/tools/oasdiff/severity.txt
v2024 = testdata/published.v2024.json
v1 = testdata/published.v1.json

contract: ## fail if openapi.yaml, or the published v1, breaks clients of the published v2024
	$(oasdiff) breaking $(changes) $(v2024) openapi.yaml
	$(oasdiff) breaking $(changes) --flatten-allof --strip-prefix-revision /connector-customizers/v1 --prefix-revision /connector-customizers $(v2024) $(v1)

upstream-diff: ## fail if SPEC, SailPoint's yearly specification (file or URL), breaks clients of the published v2024
	$(oasdiff) changelog $(changes) --match-path connector-customizers $(v2024) "$(SPEC)"

upstream-diff-v1: ## fail if SPEC, SailPoint's specification of the service, breaks clients of the published v1
	$(oasdiff) changelog $(changes) --flatten-allof $(v1) "$(SPEC)"

tidy: ## fail if a module file is not tidy
	go mod tidy -diff
	@set -e; for m in $(modules) $(tools); do (set -x; go -C $$m mod tidy -diff); done

vet: ## run go vet
	go vet ./...
	@set -e; for m in $(modules); do (set -x; go vet -C $$m ./...); done

cross: ## compile the code and the tests for Windows, macOS and 32-bit systems
	GOOS=windows go vet ./...
	GOOS=darwin GOARCH=arm64 go vet ./...
	GOARCH=386 go vet ./...

lint: ## run golangci-lint, and actionlint on the workflows
	$(call tool,lint) golangci-lint run
	$(call tool,actionlint) actionlint -shellcheck= -pyflakes=
	@set -e; for m in $(modules); do \
		(set -x; cd $$m; go tool -modfile=$(CURDIR)/internal/tools/lint/go.mod golangci-lint run --config $(CURDIR)/.golangci.yml); done

bench: ## compare the SDK with hand-written code: SDK/plain is the ratio of their times
	go test -run '^$$' -bench . -benchtime 10s -timeout 20m ./internal/bench

fuzztime = 1m
fuzz: ## run each fuzz target for fuzztime (1m)
	@set -e; for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		(set -x; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(fuzztime) $$p); done; done

api-check: ## compare the Go API with the last release, and check that VERSION (v1.2.3) permits the changes
	$(gorelease) $(if $(VERSION),-version=$(VERSION))

release-check: ## build a release of HEAD, without publishing it
	$(goreleaser) check
	$(goreleaser) release --snapshot --clean
