#!/usr/bin/env bash
# Installs what building, testing and the demo need and is not there yet. A Rust toolchain is the
# one thing it asks for: which one, and where, is yours to choose.
set -euo pipefail

if ! command -v cargo >/dev/null; then
    echo "morgana: a Rust toolchain (1.95 or newer) is needed; see https://rustup.rs" >&2
    exit 1
fi

# command:package
wanted=(cc:build-essential curl:curl mosquitto_sub:mosquitto-clients python3:python3)
missing=()
for pair in "${wanted[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

exec "$(dirname "$0")/install.sh" "${missing[@]}"
