# libmimir. `make help` lists the targets.

PY ?= python3
GO ?= go
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2

LIBRARY_FILE = $(if $(filter Darwin,$(shell uname -s)),libmimir.dylib,libmimir.so)
LIBRARY = build/$(LIBRARY_FILE)
PACKAGED = python/libmimir/$(LIBRARY_FILE)
VENV = .venv/installed
# Everything that the library is made of, for make to see when it is out of date.
SOURCES = go.mod go.sum $(shell find cbuild core export include -type f ! -name '*_test.go' ! -path '*/testdata/*')
PYTHON_TREES = python tests
TESTS = test-go test-abi test-python test-fork test-docs test-unified

.DEFAULT_GOAL = help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help build generate check test test-pure $(TESTS) lint stress fuzz cross wheels test-wheels test-arm64 test-windows bench demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(PACKAGED) $(VENV) ## build the library in build/ and install the Python package in .venv/

$(LIBRARY): $(SOURCES)
	$(GO) run ./cbuild build
	@touch $@

# Put in place by a rename: a process that runs with the former library keeps it whole.
$(PACKAGED): $(LIBRARY)
	@cp $< $@.new && mv -f $@.new $@

$(VENV): python/pyproject.toml
	@test -x .venv/bin/python || $(PY) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --editable 'python[dev]'
	@touch $@

generate: ## write the C header, the C entry points and the Python bindings from the Go source
	$(GO) run ./cbuild generate

# The C compiler of PyPI's ziglang: it links for Linux, against an old glibc, and for macOS.
ZIGLANG = ziglang==0.17.1
ZIG_INSTALLED = build/zig/ziglang/zig

$(ZIG_INSTALLED):
	$(PY) -m pip install --quiet --disable-pip-version-check --target build/zig '$(ZIGLANG)'

cross: $(ZIG_INSTALLED) ## build the library for every platform from this one (in build/cross/)
	$(GO) run ./cbuild cross
	@for library in build/cross/*/libmimir.so build/cross/*/libmimir.dylib build/cross/*/libmimir.dll; do \
		$(GO) run ./cbuild check --library $$library || exit 1; done

wheels: cross ## build a Python wheel for every platform from this one (in build/wheels/)
	PYTHON=$(PY) $(GO) run ./cbuild wheel

check: ## fail when generated files are stale, imports run the wrong way, or the library shows other symbols
	$(GO) run ./cbuild check
	@$(MAKE) --no-print-directory $(LIBRARY)
	$(GO) run ./cbuild check --library $(LIBRARY)

test: check $(TESTS) lint ## run check, every test below and lint
	@echo "make test: all passed"

test-go: ## run the Go tests, and vet the code for each operating system
	$(GO) vet ./...
	GOOS=linux CGO_ENABLED=0 $(GO) vet ./core/... ./cbuild/...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./core/... ./cbuild/...
	GOOS=windows CGO_ENABLED=0 $(GO) vet ./core/... ./cbuild/...
	$(GO) test -race -timeout 8m ./...

test-abi: build ## compile and run the C99 and C++17 programs, and compare struct layouts in C, Go and Python
	PYTHON=.venv/bin/python GO=$(GO) tests/abi/run.sh

test-python: build ## run the tests of the Python package and of the command
	.venv/bin/pytest tests/python

test-fork: build ## run the tests of forked children (MIMIR_FORKS=1000)
	.venv/bin/pytest tests/fork

test-docs: build ## run the README's examples, the demo and the benchmark in their small modes
	.venv/bin/pytest tests/readme tests/demo tests/bench

test-windows: ## build the DLL and run the Windows tests under Wine (says what has to be installed)
	$(GO) run ./cbuild cross windows-x86_64
	GO=$(GO) PYTHON=$(PY) tests/windows/run.sh

test-pure: ## vet and test what needs no C compiler, on any operating system
	CGO_ENABLED=0 $(GO) vet ./core/... ./cbuild/...
	CGO_ENABLED=0 $(GO) test ./core/... ./cbuild/...

lint: build ## check style: gofmt, staticcheck (for each operating system), ruff, mypy
	@unformatted=$$(gofmt -l cbuild core export tests); test -z "$$unformatted" || { echo "gofmt: $$unformatted"; exit 1; }
	GOBIN=$(CURDIR)/build/tools $(GO) install $(STATICCHECK)
	build/tools/staticcheck ./...
	GOOS=darwin CGO_ENABLED=0 build/tools/staticcheck ./core/... ./cbuild/...
	GOOS=windows CGO_ENABLED=0 build/tools/staticcheck ./core/... ./cbuild/...
	.venv/bin/ruff check --config python/pyproject.toml $(PYTHON_TREES)
	.venv/bin/ruff format --check --config python/pyproject.toml $(PYTHON_TREES)
	.venv/bin/mypy --config-file python/pyproject.toml

test-arm64: $(ZIG_INSTALLED) ## run the Go, C and Python tests of Linux arm64 under qemu's user emulation
	$(GO) run ./cbuild cross linux-arm64
	GO=$(GO) tests/arm64/run.sh

test-wheels: wheels ## install the wheel for this machine, use it and take it away again
	PYTHON=$(PY) tests/wheel/run.sh

test-unified: ## run jobs in control groups of version 2, in a machine of qemu's with Debian's kernel
	tests/unified/run.sh

stress: export MIMIR_FORKS = 10000
stress: export MIMIR_CALLS = 1000000
stress: export MIMIR_LIMIT_CALLS = 1000000
stress: export MIMIR_IDLE_SECONDS = 300
stress: export MIMIR_SECONDS = 60
stress: export MIMIR_JOBS = 1000
stress: test-fork test-python ## run the tests of forks, limits, leaks and jobs at full length: an hour

fuzz: build ## ten minutes of bad input at the C boundary
	MIMIR_FUZZ_SECONDS=600 .venv/bin/pytest tests/fork/test_fuzz.py

bench: build ## measure readings and starts against what people use today
	.venv/bin/python tests/bench/bench.py

demo: build ## run real commands under limits and show their verdicts
	.venv/bin/python tests/demo/demo.py

clean: ## remove everything that was built
	rm -rf build .venv $(PACKAGED) python/build python/dist python/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis python/.ruff_cache python/.mypy_cache
