# `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help run test autobahn schemathesis backup restore demo chaos soak mutants bench microbench load alerts-check clients-check containers-check k8s k8s-check coverage check release-check fmt clean-data

CARGO ?= cargo
# What `make test` hands on to `cargo test`, for instance: make test ARGS='-p chat-service login'
ARGS ?= --workspace
export PYTHON2 ?= python2.7

help: ## What there is
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

run: ## Postgres, Redis and both services, until Ctrl-C; the data stays in .neonchat/
	@testbed/install.sh
	@$(CARGO) build --profile quick --workspace --bins
	@exec target/quick/testbed run

test: ## The whole suite, on a Postgres and a Redis of its own
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@exec target/debug/testbed exec $(CARGO) test $(ARGS)

coverage: ## How many lines the whole suite runs; fails below MINIMUM=80 per cent
	@testbed/install.sh
	@CARGO="$(CARGO)" testbed/coverage.sh

autobahn: ## Autobahn's WebSocket test suite; PYTHON2=a Python 2.7 with pip (see docs/TESTING.md)
	@$(CARGO) build -p notification-service --features echo --example echo
	@notification-service/tests/autobahn/run.sh

schemathesis: ## The REST API against its OpenAPI document, with requests that schemathesis makes up (see docs/TESTING.md)
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@chat-service/tests/schemathesis/run.sh

backup: ## All data into a file, while it runs: FILE=… (DATABASE_URL=… of another database than that of make run)
	@deploy/backup.sh $(FILE)

restore: ## The data of FILE=… into the empty database of DATABASE_URL=…
	@deploy/restore.sh $(FILE)

demo: ## The specification's demo scenario, as a transcript
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@exec target/debug/testbed demo

# What `make chaos` hands on, for instance: make chaos CHAOS='--fault kill-chat --seed 7'
CHAOS ?=
# How long `make soak` lasts.
MINUTES ?= 30

chaos: ## Two instances of each service under traffic and every fault: what was promised is checked
	@testbed/install.sh
	@$(CARGO) build --profile quick --workspace --bins
	@exec target/quick/testbed chaos $(CHAOS)

soak: ## The same with faults at random, for MINUTES=30
	@testbed/install.sh
	@$(CARGO) build --profile quick --workspace --bins
	@exec target/quick/testbed chaos --minutes $(MINUTES) $(CHAOS)

mutants: ## Services with a defect put in: make chaos has to find each
	@testbed/install.sh
	@CARGO="$(CARGO)" testbed/mutants.sh

microbench: ## Micro-benchmarks: frames, fan-out, storing messages
	@testbed/install.sh
	@$(CARGO) build --workspace --bins
	@$(CARGO) bench -p notification-service --features bench --bench frames
	@exec target/debug/testbed exec $(CARGO) bench -p chat-service --bench writer

# What `make load` runs: smoke, sockets, messages, rest or endurance.
SCENARIO ?= smoke

load: ## k6 against `make run` or BASE_URL=… WS_URL=…: SCENARIO=smoke (see docs/TESTING.md)
	@k6/run.sh $(SCENARIO)

# What `make bench` hands on, for instance: make bench BENCH='--only pairs-1 --seconds 30'
BENCH ?=

bench: ## The system under load, in release mode, beside its targets
	@testbed/install.sh
	@$(CARGO) build --release --workspace --bins
	@exec target/release/testbed bench $(BENCH)

# Prometheus' own checker of rules, and Alertmanager's of its configuration.
PROMTOOL ?= promtool
AMTOOL ?= amtool

alerts-check: ## The configuration of Prometheus, and its alerts: each fires when it should, and only then
	@command -v $(PROMTOOL) >/dev/null || { \
		echo "promtool is missing. It comes with Prometheus, on Debian or Ubuntu: sudo apt-get install prometheus" >&2; \
		echo "(and sudo systemctl disable --now prometheus, which starts with it). PROMTOOL=… names one elsewhere." >&2; exit 1; }
	@$(PROMTOOL) check config deploy/prometheus/prometheus.yml
	@$(PROMTOOL) check rules --lint-fatal deploy/prometheus/alerts.yml
	@$(PROMTOOL) test rules deploy/prometheus/alerts.test.yml deploy/prometheus/alerts.recovery.test.yml
	@if command -v $(AMTOOL) >/dev/null; then $(AMTOOL) check-config deploy/prometheus/alertmanager.yml; \
	else echo "amtool is missing (prometheus-alertmanager of Debian): alertmanager.yml is not checked"; fi

containers-check: ## Builds the images, runs docker-compose.yml and drives it: ENGINE=docker or podman (see docs/TESTING.md)
	@CARGO="$(CARGO)" deploy/containers-check/run.sh

k8s: ## Kubernetes: what make k8s-… can do in the cluster of kubectl (see docs/OPERATIONS.md)
	@deploy/k8s/deploy.sh

k8s-check: ## What can be known of deploy/k8s without a cluster
	@deploy/k8s/check.sh

k8s-%:
	@deploy/k8s/deploy.sh $*

check: ## Formatting, lints (a warning is an error), licences and advisories, generated clients
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --all-features -- -D warnings
	@if ! $(CARGO) deny --version >/dev/null 2>&1; then \
		echo "cargo deny: not installed, skipped (cargo install cargo-deny)"; \
	else \
		$(CARGO) deny check bans licenses sources && { \
			$(CARGO) deny --offline check advisories 2>/dev/null || $(CARGO) deny fetch db >/dev/null 2>&1 \
			&& $(CARGO) deny check advisories || echo "cargo deny: no advisory data at hand, advisories skipped"; }; \
	fi
	@$(MAKE) --no-print-directory clients-check

clients-check: ## Clients generated from the OpenAPI document, and docs/asyncapi.json: all compile and are valid
	@$(CARGO) build --workspace --bins
	@docs/clients/check.sh

release-check: ## What a release needs beside the tests: versions, licences, advisories, unused dependencies, SBOMs
	@CARGO="$(CARGO)" deploy/release-check.sh

fmt: ## Formats the code
	$(CARGO) fmt --all

clean-data: ## Removes what `make run` has stored
	@target=$$(readlink -f .neonchat/postgres/data 2>/dev/null); rm -rf .neonchat $${target:+"$$target"}
