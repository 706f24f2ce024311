# The verbs of this project. `make` lists them; each installs what it lacks and says so.
SHELL := /bin/bash
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 600
# ON: eight files of src are compiled as one, where a preset does not do so anyway. From nothing it is sooner there.
UNITY ?=
# A file for "PASSED FAILED", of the verbs that count.
SUM ?=
PREFIX ?= /usr/local
IMAGE ?= sluice:dev
# The optimised binaries, with the load tools of the debug build.
LONG = TOOLS=$(CURDIR)/build/dev/tests/support tests/chaos/run.sh build/release
SOURCES = $(shell git ls-files -co --exclude-standard 'src/*.cpp' 'src/*.h' 'include/*.h' 'tests/*.cpp' 'tests/*.h' 'bench/*.cpp')

help:  ## list the verbs
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps:  ## install the packages that building and testing need (packages.txt says why each)
	@tools/deps.sh build test lint

deps-build:
	@tools/deps.sh build

# $(call compile,PRESET,TARGETS)
compile = @cmake --preset $(1) $(if $(UNITY),-DSLUICE_UNITY=$(UNITY)) >build/configure-$(1).log 2>&1 || { cat build/configure-$(1).log; exit 1; }; ninja -C build/$(1) -j$(JOBS) --quiet $(2)

build/.made:
	@mkdir -p build && touch $@

build: deps-build build/.made  ## optimised binaries with LTO: build/release/sluice and sluice-echo
	$(call compile,release,sluice sluice-echo)
	@ls -lh build/release/sluice build/release/sluice-echo | awk '{ print $$9, $$5 }'

dev: deps build/.made  ## debug build of everything, tests too: build/dev
	$(call compile,dev,all)

run: build/.made  ## build without optimising for speed, start demo pods and sluice in front of them, print requests to try
	@tools/deps.sh build run
	@echo "building what runs, into build/quick (some minutes on two cores; a second time it is there):"
	@cmake --preset quick >build/configure-quick.log 2>&1 || { cat build/configure-quick.log; exit 1; }
	@NINJA_STATUS='[%f/%t, %e s] ' ninja -C build/quick -j$(JOBS) sluice sluice-echo
	@exec config/quickstart/run.sh build/quick

quick: deps-build build/.made  ## compile what make run compiles, eight files as one, without starting it
	$(call compile,quick,sluice sluice-echo)

first-answer:  ## how long a newcomer waits for the first answer of make run, in a fresh clone; fails above five minutes
	@tools/first_answer.py

test: dev  ## arch and format check, unit, golden and integration tests, the oracle
	@tools/test.py build/dev arch format unit integration oracle $(SUM:%=--sum %)

unit: dev  ## unit and golden tests alone
	@tools/test.py build/dev unit

test-integration: dev  ## the real binary with real clients and pods; FILTER=name for some
	@tools/test.py build/dev integration $(if $(FILTER),--filter '$(FILTER)')

test-conformance: dev build  ## suites of other projects: h2spec, gRPC interop, Autobahn; FILTER=name for some
	@tools/deps.sh conformance
	@tools/conformance.sh
	@tools/test.py build/release conformance $(if $(FILTER),--filter '$(FILTER)')

test-k8s: build  ## the binary against a real API server, built here (Go, root; minutes the first time); FILTER=name for some
	@tools/deps.sh build test
	$(call compile,release,load strict-pod)
	@tests/k8s/build.sh
	$(call compile,release,support-tools)
	@tools/test.py build/release k8s $(if $(FILTER),--filter '$(FILTER)')

k8s-harness:  ## build the API server that those tests need, without running any (Go; minutes the first time)
	@tests/k8s/build.sh

test-k8s-dev: dev  ## the same with the debug build, whose promised times are three times as long; not in a large cluster
	@tests/k8s/build.sh
	@tools/test.py build/dev k8s $(if $(FILTER),--filter '$(FILTER)') $(SUM:%=--sum %)

test-k8s-long: build  ## those tests against a real API server that have a long form: 10 minutes without it, 10 minutes of churn
	@tools/deps.sh build test
	@tests/k8s/build.sh
	@K8S_LONG=1 tests/k8s/run.sh build/release -n 0 -s -k 'away or churn'

test-oracle: build  ## replay recorded answers of ingress-nginx; CASES='group case …' for some (root: network namespace)
	@tools/deps.sh test
	@SLUICE=build/release/sluice tests/oracle/run.sh $(CASES)

asan-build: deps build/.made  ## compile what `make asan` runs
	$(call compile,asan,all)

asan: deps build/.made  ## unit and integration tests under AddressSanitizer and UBSan
	$(call compile,asan,all)
	@tools/test.py build/asan unit integration $(SUM:%=--sum %)

asan-short: asan-build  ## the same of unit tests and of the integration tests that ask most of what lives how long
	@tools/test.py build/asan unit $(SUM:%=--sum %-unit)
	@tools/test.py build/asan integration --filter lifetimes $(SUM:%=--sum %)

tsan: deps build/.made  ## unit and integration tests under ThreadSanitizer
	$(call compile,tsan,all)
	@tools/test.py build/tsan unit integration

fuzz: build/.made  ## every fuzz target for FUZZ_SECONDS (600); KEEP=1 keeps what was learnt in tests/fuzz/corpora
	@tools/deps.sh build fuzz
	@tests/fuzz/run.sh $(FUZZ_SECONDS) $(TARGETS)

soak: dev build  ## 30 minutes of load with faults: flat memory and descriptors
	@$(LONG) --record soak

chaos: dev build  ## the long guarantees: changes, SIGTERMs, certificate swaps, slow clients, descriptors, a million mutations
	@$(LONG) --record $(NAMES)

chaos-short: dev build  ## the same, in a short form
	@$(LONG) --short $(NAMES)

chaos-k8s: build  ## 20 minutes of random changes and API faults on a real API server, under load (Go, root); SEED=n
	@tools/deps.sh build test
	@tests/k8s/build.sh
	$(call compile,release,support-tools)
	@tests/chaos/run.sh build/release --record k8s $(if $(SEED),--seed=$(SEED))

bench: build  ## micro benchmarks, then Sluice beside the peers that are installed: table and plot in bench/results
	@tools/deps.sh build test bench
	$(call compile,bench,all)
	@shopt -s nullglob; for b in build/bench/bench/*_bench; do [ -x $$b ] && [ -f $$b ] && $$b --benchmark_min_time=0.5; done
	@bench/macro/run.sh $(or $(SCENARIOS),h1-1k,h1-64k,h1-1m,h1-1k-10k-hosts,tls-1k,tls-64k,tls-handshake,everything-on)

peers: build  ## side by side with nginx, HAProxy and others, ratios with intervals; SCENARIOS='h1-1k,everything-on' ROUNDS=10
	@tools/deps.sh build test bench
	@bench/macro/run.sh $(or $(SCENARIOS),h1-1k) $(if $(ROUNDS),--rounds $(ROUNDS))

peers-test: build  ## that the checks of `make peers` refuse a row that leaves its work out
	@tools/deps.sh build test bench
	@SLUICE_BIN=build/release/sluice /usr/bin/python3 bench/macro/self_test.py

instructions: build  ## user-space instructions of one exchange (callgrind), of six kinds, against the recorded baseline; REASON='…' writes a new one
	@tools/deps.sh test bench
	@bench/instructions/measure.py build/release/sluice $(if $(REASON),--record '$(REASON)')

scale: build  ## what a request costs as hosts, endpoints, workers and idle connections grow; PARTS='hosts workers'
	@tools/deps.sh test bench
	@bench/macro/scale.py $(or $(PARTS),all)

tail: build  ## latency at 60 % load beside nginx, HAProxy and Envoy, at rest and with 20 changes a second; CASES='all-on,h1-1k'
	@tools/deps.sh build test bench
	@/usr/bin/python3 bench/macro/tail.py build/release/sluice $(if $(CASES),--cases $(CASES))

balance: deps-build build/.made  ## how well the policies of balancing balance, simulated; SCENARIOS='skew burst'
	@tools/deps.sh bench
	$(call compile,bench,balance_quality)
	@bench/balance/run.sh $(SCENARIOS)

asio: build  ## Sluice over its own loop, and over Asio's reactor: CPU a request, instructions, system calls; SCENARIOS='h1-1k' ROUNDS=10
	@tools/deps.sh build test bench
	$(call compile,asio,sluice)
	@set -o pipefail; out=bench/results/$$(date -u +%F)-asio; bench/asio/measure.py build/release/sluice build/asio/sluice --json $$out.json $(if $(SCENARIOS),--scenarios $(SCENARIOS)) $(if $(ROUNDS),--rounds $(ROUNDS)) | tee $$out.md

beast: deps-build build/.made  ## heads of HTTP/1.1 by our parser, and by Beast's under the same checks: instructions and time
	@tools/deps.sh bench
	$(call compile,bench,beast_heads)
	@set -o pipefail; bench/beast/measure.py build/bench/bench/beast_heads | tee bench/results/$$(date -u +%F)-beast.md

arch:  ## directions of include, forbidden words, and that this check can fail
	@tests/arch/check.py . && tests/arch/self_test.py

headers: deps-build  ## every header compiles alone (HEADERS='…' for some)
	@tools/alone.sh headers $(HEADERS)

sources:  ## every source of src and of the benchmarks compiles alone, as in make build (FILES='…' for some)
	@tools/deps.sh build test
	@tools/alone.sh sources $(FILES)

fmt:  ## format the sources in place
	@tools/deps.sh lint
	@clang-format-19 -i $(SOURCES)

fmt-check:  ## say which sources are not formatted
	@tools/deps.sh lint
	@clang-format-19 --dry-run -Werror $(SOURCES)

tidy: dev  ## clang-tidy over the files that differ from BASE (HEAD~1)
	@tools/tidy.sh build/dev $(or $(BASE),HEAD~1)

docs: build  ## generate docs/configmap.md, annotations.md and metrics.md from the binary
	@for page in configmap annotations metrics; do build/release/sluice docs $$page > build/$$page.md && mv build/$$page.md docs/$$page.md && echo docs/$$page.md; done

image:  ## container image IMAGE (sluice:dev) with docker, podman or buildah
	@tools/image.sh $(IMAGE)

test-image:  ## build the image twice with buildah (root), compare, and run what is in it; minutes, not part of .ci/run
	@tools/deps.sh image test
	@tests/image/run.sh

install-completions:  ## completions for bash and zsh below PREFIX (/usr/local)
	@install -D -m 644 config/completions/sluice.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/sluice
	@install -D -m 644 config/completions/_sluice $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_sluice
	@echo "installed below $(DESTDIR)$(PREFIX)/share; a new shell has them"

clean:  ## remove everything that was built
	@rm -rf build

.PHONY: help deps deps-build build dev run quick first-answer test unit test-integration test-conformance k8s-harness test-k8s test-k8s-dev test-k8s-long test-oracle asan-build asan asan-short tsan fuzz soak chaos chaos-short chaos-k8s bench peers peers-test instructions scale tail balance asio beast arch headers sources fmt fmt-check tidy docs image test-image install-completions clean
