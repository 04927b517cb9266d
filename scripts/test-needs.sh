#!/usr/bin/env bash
# Installs what the tests need beyond scripts/needs.sh and is not there yet: servers from Debian's packages,
# and for each folder dev/clients/<name> a client that others wrote: with requirements.txt a virtual
# environment of Python, with package.json a node_modules, in target/clients/<name>.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/needs.sh

# file:package
wanted=(/usr/sbin/mosquitto:mosquitto /usr/bin/mosquitto_sub:mosquitto-clients /usr/bin/node:nodejs /usr/bin/npm:npm)
missing=()
for pair in "${wanted[@]}"; do
    file=${pair%%:*}
    [ -e "$file" ] || command -v "$(basename "$file")" >/dev/null || missing+=("${pair##*:}")
done
# The module that makes virtual environments is a package of its own in Debian.
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
if [ ${#missing[@]} -gt 0 ]; then
    scripts/install.sh "${missing[@]}"
fi

for folder in dev/clients/*/; do
    [ -d "$folder" ] || continue
    name=$(basename "$folder")
    at=target/clients/$name
    if [ -f "$folder/requirements.txt" ]; then
        list=requirements.txt
    elif [ -f "$folder/package.json" ]; then
        list=package-lock.json
    else
        echo "morgana: $folder has neither requirements.txt nor package.json" >&2
        exit 1
    fi
    # Installed once for each list of what it needs.
    if cmp -s "$folder/$list" "$at/.installed"; then
        continue
    fi
    echo "morgana: installing the client $name for the tests"
    rm -rf "$at"
    mkdir -p "$at"
    if [ "$list" = requirements.txt ]; then
        python3 -m venv "$at"
        "$at/bin/pip" install --quiet --disable-pip-version-check --requirement "$folder/requirements.txt"
    else
        cp "$folder/package.json" "$folder/package-lock.json" "$at/"
        npm ci --prefix "$at" --no-audit --no-fund --loglevel=error
    fi
    cp "$folder/$list" "$at/.installed"
done
