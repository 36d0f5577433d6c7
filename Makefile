# Every recipe of the project; CI calls these and no others.
.DEFAULT_GOAL := help
SHELL := /bin/bash
CARGO ?= cargo
CLUSTER ?= /tmp/mailward-cluster
FMT := $(CARGO) fmt --all -- --config-path .ci/rustfmt.toml
export PATH := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/mailward/tools/bin:$(PATH)

.PHONY: help setup fmt lint test test-pure test-kubernetes test-cluster test-suspend cluster-up cluster-down image deny generate check-generated bench bench-operator mutants fuzz transcripts advisories ci

help: ## this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## installs what the tests need and the machine lacks (Debian packages, cargo tools)
	.ci/setup

fmt: ## formats the source
	$(FMT)

lint: ## format and clippy pedantic
	$(FMT) --check
	$(CARGO) clippy --workspace --all-targets --all-features --locked -- -D warnings
	$(CARGO) clippy -p mailward --no-default-features --lib --locked -- -D warnings
	$(CARGO) clippy -p mailward-controller --locked -- -D warnings

deny: ## dependencies: licences, bans, sources
	.ci/setup deny
	cargo-deny --config .ci/deny.toml --workspace --all-features --locked check bans licenses sources

test-pure: ## the pure half alone: no tokio, no socket, no process, no clock
	$(CARGO) test -p mailward --no-default-features --profile lives --locked

test: ## every test: real Dovecot, Postfix and nginx, a real control plane, a whole cluster (root; Go)
	.ci/test

test-kubernetes: ## agent, resource definition and operator against a real control plane (Go; no root)
	.ci/cluster build
	$(CARGO) test --workspace --all-features --locked --test kubernetes --test charts --test control_plane --test operator

test-cluster: ## the proofs on a real, whole Kubernetes that it brings up and ends (root)
	.ci/test-cluster

test-suspend: ## a machine that is really suspended and resumed, in QEMU (root)
	.ci/test-suspend

cluster-up: ## a whole Kubernetes of one node with the images loaded, in the folder CLUSTER (root)
	.ci/cluster build
	.ci/image all target/images
	.ci/cluster up $(CLUSTER)
	.ci/cluster load $(CLUSTER) target/images/mail.tar
	.ci/cluster load $(CLUSTER) target/images/mailward.tar

cluster-down: ## ends it, with everything it has
	.ci/cluster down $(CLUSTER)

image: ## the image of agent and operator, a docker archive: target/images/mailward.tar
	.ci/image release target/images/mailward.tar

generate: ## writes every generated file anew (schema, man pages, completions, reference, OpenAPI)
	.ci/generate

check-generated: ## fails when a generated file is not what the source says
	.ci/generate --check

bench: ## crash to restart, start of 1,000, idle cost, memory: beside a bare C loop and six peers
	.ci/bench

bench-operator: ## the operator with 1 to 5,000 resources on a real API server (Go; most of an hour, with ten idle minutes a number)
	.ci/bench-operator

mutants: ## changes planner and policy in every way cargo-mutants knows; each survivor needs a reason
	.ci/mutants

fuzz: ## fuzzes every parser for a bounded time
	.ci/fuzz

transcripts: ## records anew what Debian's mail servers answer to the words of a probe (root)
	.ci/transcripts

advisories: ## known vulnerabilities (needs a network)
	.ci/setup deny
	cargo-deny --config .ci/deny.toml --workspace --all-features --locked check advisories

ci: ## what CI runs
	.ci/run
