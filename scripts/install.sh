#!/usr/bin/env bash
# Installs Debian packages. usage: install.sh PACKAGE...
set -euo pipefail

sudo=""
[ "$(id -u)" -eq 0 ] || sudo=sudo
if ! command -v apt-get >/dev/null; then
    echo "morgana: please install $* with your package manager, and call again" >&2
    exit 1
fi
echo "morgana: installing $*"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
$sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
