# `make` lists the targets.

.DEFAULT_GOAL := help
.PHONY: help run test autobahn schemathesis backup restore demo chat chaos soak mutants compat bench pgo microbench load alerts-check clients-check sdk-js-check sdk-js-test sdk-js-e2e sdk-js-generate web-check web-test web-e2e web-shots containers-check k8s k8s-check coverage check release-check fmt clean-data

CARGO ?= cargo
# Arguments for `cargo test`, for instance: make test ARGS='-p chat-service login'
ARGS ?= --workspace
export PYTHON2 ?= python2.7

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-16s %s\n", $$1, $$2 }'

run: ## Run Postgres, Redis and both services until Ctrl-C; data is kept in .neonchat/
	@testbed/install.sh
	@$(CARGO) build --profile quick --workspace --bins
	@exec target/quick/testbed run

test: ## Run all tests, with their own Postgres and Redis
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@# With --workspace, cargo builds the examples too, which tests run.
	@$(if $(findstring neonchat-testbed,$(ARGS)),$(CARGO) build --workspace --example chat)
	@target/debug/testbed exec $(CARGO) test $(ARGS)
ifeq ($(ARGS),--workspace)
	@$(MAKE) --no-print-directory sdk-js-test web-test web-e2e PART=brief
endif

coverage: ## Measure line coverage of all tests; fails below MINIMUM=80 percent
	@testbed/install.sh
	@CARGO="$(CARGO)" testbed/coverage.sh

autobahn: ## Run the Autobahn WebSocket test suite; PYTHON2=a Python 2.7 with pip (see docs/TESTING.md)
	@$(CARGO) build -p notification-service --features test-support --example echo
	@notification-service/tests/autobahn/run.sh

schemathesis: ## Test the REST API with requests generated from its OpenAPI document (see docs/TESTING.md)
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@chat-service/tests/schemathesis/run.sh

backup: ## Back up all data to FILE=… while the system runs; DATABASE_URL=… (default: the database of make run)
	@deploy/backup.sh $(FILE)

restore: ## Restore FILE=… into the empty database DATABASE_URL=…
	@deploy/restore.sh $(FILE)

demo: ## Play the demo scenario and print a transcript
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@exec target/debug/testbed demo

# The user of `make chat`.
NAME ?=

chat: ## Chat in the terminal as NAME=alice, on `make run`
	@[ -n "$(NAME)" ] || { echo "make chat NAME=alice" >&2; exit 1; }
	@exec $(CARGO) run --quiet -p neonchat-client --example chat -- "$(NAME)"

# Arguments for the `chaos` binary, for instance: make chaos CHAOS='--fault kill-chat --seed 7'
CHAOS ?=
# The duration of `make soak`.
MINUTES ?= 30

chaos: ## Inject every fault into a cluster under load, and check that every guarantee holds
	@testbed/install.sh
	@$(CARGO) build --profile quick --workspace --bins
	@exec target/quick/chaos $(CHAOS)

soak: ## Inject random faults for MINUTES=30, with the same checks
	@testbed/install.sh
	@$(CARGO) build --profile quick --workspace --bins
	@exec target/quick/chaos --minutes $(MINUTES) $(CHAOS)

mutants: ## Build services with deliberate defects, and check that chaos finds each one
	@testbed/install.sh
	@CARGO="$(CARGO)" testbed/mutants.sh

# The commit whose tests are played, for instance of the version that is deployed: make compat EARLIER=v0.1.0
EARLIER ?=

compat: ## Play end-to-end tests of an EARLIER commit against these services, and beside its own
	@testbed/install.sh
	@CARGO="$(CARGO)" testbed/compat.sh "$(EARLIER)"

microbench: ## Run micro-benchmarks: frames, fan-out, storing messages
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@$(CARGO) bench -p notification-service --features test-support --bench frames
	@exec target/debug/testbed exec $(CARGO) bench -p chat-service --features test-support --bench writer

# The scenario of `make load`: smoke, sockets, messages, rest or endurance.
SCENARIO ?= smoke

load: ## Load `make run`, or BASE_URL=… WS_URL=…, with k6; SCENARIO=smoke (see docs/TESTING.md)
	@k6/run.sh $(SCENARIO)

# Arguments for the `bench` binary, for instance: make bench BENCH='--only pairs-1 --seconds 30'
BENCH ?=

bench: ## Measure the release build under load, and compare with its targets
	@testbed/install.sh
	@$(CARGO) build --release --workspace --bins
	@exec target/release/bench $(BENCH)

pgo: ## Build the services with profile-guided optimisation (see docs/operations/release.md)
	@testbed/install.sh
	@CARGO="$(CARGO)" testbed/pgo.sh

# The checkers of Prometheus and of Alertmanager.
PROMTOOL ?= promtool
AMTOOL ?= amtool

alerts-check: ## Check the configuration of Prometheus, and test its alerts
	@command -v $(PROMTOOL) >/dev/null || { \
		echo "promtool is missing. On Debian or Ubuntu: sudo apt-get install prometheus" >&2; \
		echo "(and sudo systemctl disable --now prometheus, which the package starts), or set PROMTOOL=…" >&2; exit 1; }
	@$(PROMTOOL) check config deploy/prometheus/prometheus.yml
	@$(PROMTOOL) check rules --lint-fatal deploy/prometheus/alerts.yml
	@$(PROMTOOL) test rules deploy/prometheus/alerts.test.yml deploy/prometheus/alerts.recovery.test.yml
	@if command -v $(AMTOOL) >/dev/null; then $(AMTOOL) check-config deploy/prometheus/alertmanager.yml; \
	else echo "amtool is missing (Debian package prometheus-alertmanager): alertmanager.yml was not checked"; fi

containers-check: ## Build the images, run docker-compose.yml and test it; ENGINE=docker or podman (see docs/TESTING.md)
	@CARGO="$(CARGO)" deploy/containers-check/run.sh

k8s: ## List the commands make k8s-… for a Kubernetes cluster (see docs/operations/kubernetes.md)
	@deploy/k8s/deploy.sh

k8s-check: ## Check the manifests in deploy/k8s without a cluster
	@deploy/k8s/check.sh

k8s-%:
	@deploy/k8s/deploy.sh $*

check: ## Check formatting, lints, licences, advisories and generated clients
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	@if ! $(CARGO) deny --version >/dev/null 2>&1; then \
		echo "cargo deny: not installed, skipped (cargo install cargo-deny)"; \
	else \
		$(CARGO) deny check bans licenses sources && { \
			$(CARGO) deny --offline check advisories 2>/dev/null || $(CARGO) deny fetch db >/dev/null 2>&1 \
			&& $(CARGO) deny check advisories || echo "cargo deny: no advisory data available, advisories skipped"; }; \
	fi
	@$(MAKE) --no-print-directory clients-check sdk-js-check web-check

clients-check: ## Generate clients from the OpenAPI document and compile them; validate docs/asyncapi.json
	@$(CARGO) build --workspace --bins
	@docs/clients/check.sh

sdk-js-check: ## Check the types and the package of the JavaScript SDK
	@$(CARGO) build --workspace --bins
	@testbed/with-node.sh $@ sdk/js/check.sh

sdk-js-test: ## Run the shared cases and unit tests of the JavaScript SDK
	@testbed/with-node.sh $@ sh -c 'cd sdk/js && ./check.sh install && exec node --test test/*.test.js'

sdk-js-e2e: ## Test the JavaScript SDK, and the examples of docs/CLIENTS.md, against the services, in Node.js and Chromium
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@testbed/with-node.sh --chromium $@ sh -c 'sdk/js/check.sh install && exec target/debug/testbed exec node --test sdk/js/test/e2e/all.test.js'

web-check: ## Check the types, the vendored libraries and the size of the web client
	@testbed/with-node.sh $@ web/check/check.sh

web-test: ## Run the unit tests of the web client
	@testbed/with-node.sh $@ sh -c 'web/check/check.sh install && exec node --test web/check/units/*.test.mjs'

# What `make web-e2e` tests: chats, messages, groups, settings, actions, alone, or all of them.
WEB ?= all
# PART=brief: the tests that `make test` has time for. PART=rest: the others.
export PART ?=

web-e2e: ## Test the web client in Chromium, against the services; WEB=chats (or another subject), PART=brief or rest
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@testbed/with-node.sh --chromium $@ sh -c 'sdk/js/check.sh install && web/check/check.sh install && exec target/debug/testbed exec node --test web/check/e2e/$(WEB).test.mjs'

web-shots: ## Write screenshots of every view of the web client into target/web
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@testbed/with-node.sh --chromium $@ sh -c 'sdk/js/check.sh install && web/check/check.sh install && exec target/debug/testbed exec node web/check/shots.mjs'

sdk-js-generate: ## Generate the types of the JavaScript SDK from the OpenAPI document
	@sdk/js/check.sh install
	@$(CARGO) build --workspace --bins
	@target/debug/chat-service openapi | node sdk/js/scripts/generate.js

release-check: ## Check versions, licences, advisories and unused dependencies; write SBOMs
	@CARGO="$(CARGO)" deploy/release-check.sh

fmt: ## Format the code
	$(CARGO) fmt --all

clean-data: ## Remove the data of `make run`
	@target=$$(readlink -f .neonchat/postgres/data 2>/dev/null); rm -rf .neonchat $${target:+"$$target"}
