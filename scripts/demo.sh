#!/usr/bin/env bash
# The whole road on this machine: a platform, two ThingVisors, a tenant with two silos, vThings
# plugged in, and the commands that show live data arriving. Runs until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

morgana=$(realpath "${1:-target/release/morgana}")
demo=$(mktemp -d -t morgana-demo.XXXXXX)
trap 'trap - EXIT INT TERM; kill "$platform" 2>/dev/null && wait "$platform" 2>/dev/null; rm -rf "$demo"' EXIT INT TERM
platform=

password() { head -c 12 /dev/urandom | base64 | tr '+/' '-_'; }
say() { printf '\n\033[1m%s\033[0m\n' "$*"; }
# Administrator and tenant each have a folder of their own for their login.
as() { local who=$1; shift; XDG_CONFIG_HOME="$demo/$who" MORGANA_URL="$url" "$morgana" "$@"; }
field() { python3 -c 'import json,sys; v=json.load(sys.stdin)
for k in sys.argv[1:]: v=v[k]
print(v)' "$@"; }

say "1. Starting the platform"
admin_password=$(password)
MORGANA_ADMIN_PASSWORD=$admin_password "$morgana" up --data "$demo/data" --port 0 --mqtt-port 0 --log warn \
    >"$demo/ready" 2>"$demo/log" &
platform=$!
until grep -q '^morgana is ready' "$demo/ready"; do
    kill -0 "$platform" 2>/dev/null || { cat "$demo/log" >&2; exit 1; }
    sleep 0.05
done
cat "$demo/ready"
url=$(field rest url <"$demo/data/endpoints.json")

say "2. The administrator adds two ThingVisors: this machine's sensors, and person counters from a file"
as admin login -u admin -p "$admin_password"
as admin add-thingvisor -n host -i builtin:host -p '{"intervalSeconds": 2}' -d 'sensors of this machine' --wait
sed "s|/path/to/morgana|$PWD|" examples/replay-person-counters.json >"$demo/replay.json"
as admin add-thingvisor -n counters -i builtin:replay -p "@$demo/replay.json" -d 'person counters' --wait
as admin list-vthings

say "3. The administrator registers a tenant, who creates two silos and plugs vThings in"
tenant_password=$(password)
as admin register -u tenant1 -p "$tenant_password"
as tenant1 login -u tenant1 -p "$tenant_password"
as tenant1 create-vsilo -s context -f ngsi-ld --wait
as tenant1 create-vsilo -s messages -f mqtt --wait
for silo in context messages; do
    as tenant1 add-vthing -s "$silo" -v host/load
    as tenant1 add-vthing -s "$silo" -v counters/counters
done

context=$(as tenant1 inspect-vsilo -v tenant1_context --output json)
messages=$(as tenant1 inspect-vsilo -v tenant1_messages --output json)
context_port=$(field status endpoints 9090/tcp <<<"$context")
context_token=$(field token <<<"$context")
messages_port=$(field status endpoints 1883/tcp <<<"$messages")
messages_token=$(field token <<<"$messages")

say "4. Live data, as the tenant's applications see it (five messages)"
mosquitto_sub -h 127.0.0.1 -p "$messages_port" -u tenant1 -P "$messages_token" -t 'tenant1/#' -C 5 -W 30 -v

say "The platform runs until Ctrl-C. In another terminal:"
cat <<EOF

  # the NGSI-LD silo
  curl -s -H 'Authorization: Bearer $context_token' \\
    'http://127.0.0.1:$context_port/ngsi-ld/v1/entities?type=PersonCounter&limit=2&options=keyValues'

  # the MQTT silo
  mosquitto_sub -h 127.0.0.1 -p $messages_port -u tenant1 -P '$messages_token' -t 'tenant1/#' -v

  # the control plane
  curl -s $url/v1/openapi.json
  curl -s $url/metrics | grep '^morgana_'
  XDG_CONFIG_HOME=$demo/tenant1 MORGANA_URL=$url $morgana list-vsilos
  XDG_CONFIG_HOME=$demo/admin MORGANA_URL=$url $morgana logs thingvisor/counters -f
EOF
wait "$platform"
