# What a person and CI run. Needs a Go toolchain, make and git; the tools come from
# module files of their own below internal/tools, pinned.

tool = go tool -modfile=internal/tools/$(1)/go.mod

.PHONY: help demo test check generate drift tidy vet lint contract bench fuzz soak cover

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## do all six operations against an embedded sandbox
	go run ./cmd/customizers demo

test: ## run the tests, with the race detector
	go test -C internal/soak -race ./...
	go test -race ./...
	go test ./internal/bench # allocations and the heap, which are others with the race detector

soak: ## run mixed operations over a network that misbehaves, for SOAK_DURATION (5m)
	SOAK_DURATION=$${SOAK_DURATION:-5m} go test -C internal/soak -race -count=1 -timeout 15m -v -run '^TestSoak$$' .

check: drift contract tidy vet lint test ## everything that CI runs

generate: ## regenerate the code that openapi.yaml gives
	go generate ./...

drift: ## fail when generated code is not what openapi.yaml gives
	@internal/tools/drift.sh

contract: ## fail when openapi.yaml breaks with the published contract
	$(call tool,oasdiff) oasdiff breaking --fail-on WARN testdata/published.v2024.json openapi.yaml

tidy: ## fail when a module file is not tidy
	go mod tidy -diff
	@set -e; for m in internal/soak internal/tools/*/; do echo "go -C $$m mod tidy -diff"; go -C $$m mod tidy -diff; done

vet: ## run go vet
	go vet ./...
	go vet -C internal/soak ./...

lint: ## run golangci-lint
	$(call tool,lint) golangci-lint run
	cd internal/soak && go tool -modfile=../tools/lint/go.mod golangci-lint run --config ../../.golangci.yml

bench: ## compare the SDK with the same work by hand, and write BENCHMARKS.md
	go run ./internal/bench

fuzztime = 1m
fuzz: ## run each fuzz target for fuzztime (1m)
	go test -run '^$$' -fuzz FuzzTimestamp -fuzztime $(fuzztime) ./api
	go test -run '^$$' -fuzz FuzzRetryAfter -fuzztime $(fuzztime) .
	go test -run '^$$' -fuzz FuzzErrorBody -fuzztime $(fuzztime) .
	go test -run '^$$' -fuzz FuzzTenant -fuzztime $(fuzztime) ./internal/config
	go test -run '^$$' -fuzz FuzzConfig -fuzztime $(fuzztime) ./internal/config

cover: ## tell which part of the code the tests run
	go test -coverpkg=.,./api,./customizerstest -coverprofile=cover.out ./... >/dev/null
	go tool cover -func=cover.out | grep -v '\.gen\.go' | sort -k3 -n
