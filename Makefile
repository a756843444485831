# The static binary plays every role, so that is all there is to build.
BINARY := bin/codastress

# Pinned, and built by `go run` when they are asked for: nothing has to be installed.
GOLANGCI_LINT := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

.DEFAULT_GOAL := help
.PHONY: help run build test race lint bench large image clean

help: ## say what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-7s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: build ## build, and run the main job with three clients
	$(BINARY) run mass-delete --clients 3

build: ## build the static binary, bin/codastress
	flags=$$(go run ./scripts/overlay -optional) && CGO_ENABLED=0 go build $$flags -trimpath -o $(BINARY) ./cmd/codastress

test: ## vet and test everything; ends with what was left out and why
	scripts/test

race: ## the same under the race detector (needs a C compiler)
	CGO_ENABLED=1 scripts/test -race

lint: ## formatting and golangci-lint, at pinned versions
	go run $(GOLANGCI_LINT) run ./...

bench: ## print the figures of docs/performance.md
	scripts/bench

large: ## tests of the mount at full size: 100,000 files, 4 GiB, and a build of this repository (half an hour)
	go test ./system/venusfs -v -count=1 -timeout 60m -run 'TestManyFiles|TestLargeFile|TestPrograms/.*/go' \
		-tree.files 100000 -large.mib 4096 -programs.build ./cmd/codastress

image: build ## load the container image of the nodes into the container engine
	$(BINARY) image

clean: ## remove what was built, and what an older crash left behind
	if [ -x $(BINARY) ]; then $(BINARY) clean; fi
	rm -rf bin
