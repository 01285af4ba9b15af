# SPDX-License-Identifier: Apache-2.0

# Needs Go, git and make; `make help` lists what there is. The tools that it uses
# are pinned in go.mod and hack/tools/go.mod and are built when first needed.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO ?= go
# Of its own module, so that its two hundred dependencies are not ours.
LINT := $(GO) tool -modfile=hack/tools/go.mod golangci-lint

# The longest that the tests of one package may take on two cores, with -race.
TIMEOUT ?= 15m
# Which packages `make test` tests: make test PKG=./proxy/route
PKG ?= ./...
# How long `make fuzz` lets each target run.
FUZZTIME ?= 30s
# How many games `make soak` plays.
SEEDS ?= 20000
# Where `make bench` writes its figures as JSON as well: make bench OUT=bench.json
OUT ?=

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: ## Show it: the shopping cart behind the proxy, killed under load and back with all its state
	$(GO) run ./hack/demo

# The tests come last, so that what is printed last is what they say.
.PHONY: test
test: check ## Check and test everything, with the race detector
	@race=$$(hack/race.sh); set -x; $(GO) test $$race -shuffle=on -timeout=$(TIMEOUT) $(PKG)

.PHONY: check
check: generated vet lint ## All checks that are not tests: generated code, vet, lint

.PHONY: generated
generated:
	$(GO) run ./hack/generate -check

.PHONY: vet
vet:
	$(GO) vet ./...

.PHONY: lint
lint: ## Run the linters that .golangci.yml lists
	@echo "The first run builds golangci-lint, which takes some minutes; later ones take seconds."
	$(LINT) run ./...

.PHONY: fix
fix: ## Format the Go files, and let the linters repair what they can
	$(LINT) run --fix ./...

.PHONY: generate
generate: ## Generate the Go code of the .proto files
	$(GO) run ./hack/generate

# grpcnotrace leaves html/template out of grpc-go: see docs/performance.md, idle memory.
.PHONY: build
build: ## Build bin/kairn-proxy and bin/shoppingcart
	$(GO) build -tags=grpcnotrace -o bin/kairn-proxy ./proxy
	$(GO) build -o bin/shoppingcart ./samples/shoppingcart

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME (30s)
	FUZZTIME=$(FUZZTIME) hack/fuzz.sh

.PHONY: soak
soak: ## Play SEEDS (20000) games of a simulated cluster, other ones each time
	$(GO) test ./proxy/cluster/simulation -run=TestService -v -timeout=0 -seeds=$(SEEDS) -from=$$(date +%s)000

.PHONY: tck
tck: build ## Run the conformance suite against our function and our proxy, with both stores; reports in out/
	@mkdir -p out && rm -rf out/tck
	$(GO) build -o bin/tck ./tck
	bin/tck -proxy-command "bin/kairn-proxy --store=memory" -json out/tck-memory.json -junit out/tck-memory.xml
	bin/tck -proxy-command "bin/kairn-proxy --data-dir=out/tck" -json out/tck-embedded.json -junit out/tck-embedded.xml

.PHONY: bench
bench: ## Measure the proxy against the floor under it; OUT=file.json for the figures
	$(GO) run ./hack/bench $(if $(OUT),-out $(OUT))

.PHONY: clean
clean: ## Remove what was built here
	rm -rf bin out
