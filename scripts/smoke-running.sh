#!/usr/bin/env bash
# Loads a server that runs already, on gyms that are made for it and removed afterwards, and looks at what is left:
# `smoke-running.sh FOLDER`, where spotter and spotter-load are.
set -euo pipefail

programs=$1
folder=$(mktemp -d "${TMPDIR:-/tmp}/spotter-smoke-XXXXXX")
mkdir -m 700 "$folder/data"
port=$((20000 + RANDOM % 12000))
"$programs/spotter" serve --log-filter warn --data-dir "$folder/data" --listen 127.0.0.1:$port --admin-listen 127.0.0.1:$((port + 1)) \
    >"$folder/log" 2>&1 &
server=$!
finish() {
    status=$?
    kill "$server" 2>/dev/null && wait "$server" || true
    [[ $status == 0 ]] || cat "$folder/log" >&2
    rm -rf "$folder"
}
trap finish EXIT

cat >"$folder/scenario.toml" <<'SCENARIO'
name = "smoke-running"
about = "Does a server that runs keep what gyms log that come and go?"
gyms = 2
thresholds = ["set.count > 200"]

[gym]
athletes = 10
coaches = 1

[mix]
set = 8
message = 1

[[stages]]
name = "steady"
seconds = 5
per_second = 60
SCENARIO
until (exec 3<>/dev/tcp/127.0.0.1/$((port + 1))) 2>/dev/null; do
    kill -0 "$server"
    sleep 0.1
done
"$programs/spotter-load" run "$folder/scenario.toml" --target ws://127.0.0.1:$port \
    --admin http://127.0.0.1:$((port + 1)) --correctness --out "$folder/out"
kill "$server"
wait "$server"
left=$("$programs/spotter" verify --data-dir "$folder/data")
echo "$left"
[[ "$left" == *"0 entities, 0 events, 0 sets and 0 messages"* ]] || { echo "something is left of gyms that were removed" >&2; exit 1; }
