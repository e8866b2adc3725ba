# The verbs of this project. `make demo` is the place to start.

GO      ?= go
# Without it, ingot also runs in containers: plays work through it there.
export CGO_ENABLED = 0
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

.PHONY: help setup build test demo bench leaks compat lint fuzz docs clean

help: ## show the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-7s %s\n", $$1, $$2}'

setup: ## install the Debian packages that builds and tests need
	@scripts/setup

build: ## build bin/ingot and what lies beside it: bin/ingot-machine, bin/buildkitd
	@mkdir -p bin
	$(GO) build -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ingot ./cmd/ingot
	$(GO) build -ldflags '-s -w' -o bin/ingot-machine ./cmd/ingot-machine
	$(GO) build -ldflags '-s -w' -o bin/buildkitd github.com/moby/buildkit/cmd/buildkitd

demo: setup build ## bake templates/quickstart: an AMI, a Google image and a container, one version
	@scripts/demo

test: setup build ## run every test
	@scripts/setup busybox libxml2-utils openssl
	@scripts/setup ansible awscli bzip2 lz4 puppet-agent python3-boto3 python3-winrm rpm tabix unzip vagrant xz-utils || true # a test that misses them says so
	@scripts/test

bench: setup build ## measure against what one would use instead
	@scripts/bench

leaks: setup build ## kill and trouble cloud builds at every single call; make test tries some
	@INGOT_TEST_LEAKS=all INGOT_TEST_KILLS=200 scripts/leaks

compat: build ## what of Packer is supported, tested or refused by name
	$(GO) run ./test/compat

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); echo "run gofmt -w on these"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz: ## run each fuzz target for a minute (FUZZTIME=10s for less)
	@scripts/fuzz

docs: ## write the reference pages from the config structs
	$(GO) run ./docs/generate

clean: ## remove what build and demo made
	rm -rf bin .ingot dist
