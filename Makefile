# Morgana: what a newcomer types. `make help` lists it.

.DEFAULT_GOAL := help
SHELL := /bin/bash

.PHONY: help needs build demo test soak lint bench clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

needs: ## install what building, testing and the demo need (Debian packages, with apt-get)
	@scripts/needs.sh

build: needs ## build the release binary, target/release/morgana
	cargo build --release --locked -p morgana

demo: build ## run the whole platform with two ThingVisors and two silos until Ctrl-C
	@scripts/demo.sh target/release/morgana

test: ## run every test (installs the servers and clients that the tests talk to)
	@scripts/test-needs.sh
	@scripts/test.sh

soak: needs ## kill a platform with 500 silos and 100 ThingVisors again and again (some minutes, 8 GiB)
	MORGANA_SOAK_SILOS=500 MORGANA_SOAK_VISORS=100 MORGANA_SOAK_CLIENTS=20 \
	cargo test --release --locked -p morgana --test soak -- --nocapture

lint: ## check format and lints, as CI does
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings

bench: build ## measure latency, throughput, memory; prints tables, writes target/bench/*.json
	cargo run --release --locked -p morgana-bench -- --morgana target/release/morgana

clean: ## remove what was built
	cargo clean
