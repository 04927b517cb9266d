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

sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
if ! command -v apt-get >/dev/null; then
    echo "morgana: please install ${missing[*]} with your package manager, and call again" >&2
    exit 1
fi
echo "morgana: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
