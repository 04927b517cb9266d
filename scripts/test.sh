#!/usr/bin/env bash
# Runs every test: with cargo-nextest where it is installed, else with cargo's own runner.
set -euo pipefail
cd "$(dirname "$0")/.."

if command -v cargo-nextest >/dev/null; then
    # nextest runs no documentation tests.
    cargo test --workspace --locked --doc --quiet
    cargo nextest run --workspace --locked --no-fail-fast "$@"
else
    cargo test --workspace --locked --no-fail-fast "$@"
fi
