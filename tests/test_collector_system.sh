#!/usr/bin/env bash
# The life of a collector in eleven steps, with curl and jq against a running control plane.
#
#   ./test_collector_system.sh                 starts a control plane of its own on a free port and stops it again
#   BASE_URL=http://localhost:8000 ADMIN_EMAIL=... ADMIN_PASSWORD=... ./test_collector_system.sh
#
# Prints a tick for each step; at the first that fails it says what was expected and seen, and exits with 1. The last step waits for
# the offline deadline of the server (OFFLINE_AFTER seconds, 120 unless it is told otherwise).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
python=${PYTHON:-$root/.venv/bin/python}
work=$(mktemp -d)
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

fail() {
    printf '✗ %s\n' "$1" >&2
    exit 1
}

tick() { printf '✓ %2d  %s\n' "$1" "$2"; }

for program in curl jq; do
    command -v "$program" >/dev/null || fail "$program is not installed"
done

start_server() {
    local port
    port=$("$python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    BASE_URL=http://127.0.0.1:$port
    ADMIN_EMAIL=root@example.org
    ADMIN_PASSWORD=$("$python" -c 'import secrets; print(secrets.token_urlsafe(16))')
    export OFFLINE_AFTER=4
    export PORT=$port DBPOWER_DATA_DIR=$work/data DBPOWER_OFFLINE_AFTER_SECONDS=4 DBPOWER_HEARTBEAT_SECONDS=1 DBPOWER_SWEEP_SECONDS=1
    unset DATABASE_URL REDIS_URL
    "$python" "$root/manage.py" serve >"$work/server.log" 2>&1 &
    server=$!
    for _ in $(seq 120); do
        if curl -sf --noproxy '*' "$BASE_URL/health/ready" >/dev/null; then break; fi
        kill -0 "$server" 2>/dev/null || fail "the control plane ended: $(tail -n 5 "$work/server.log")"
        sleep 0.5
    done
    DJANGO_SUPERUSER_EMAIL=$ADMIN_EMAIL DJANGO_SUPERUSER_PASSWORD=$ADMIN_PASSWORD \
        "$python" "$root/manage.py" createsuperuser --noinput >/dev/null
}

# call EXPECTED METHOD PATH HEADER [BODY]: prints the answer, fails unless the status is the expected one.
call() {
    local expected=$1 method=$2 path=$3 header=$4 status
    local arguments=(-s --noproxy '*' -o "$work/answer" -w '%{http_code}' -X "$method" -H "$header")
    if [ $# -gt 4 ]; then arguments+=(-H 'Content-Type: application/json' -d "$5"); fi
    status=$(curl "${arguments[@]}" "$BASE_URL/api/v1/$path") || fail "$method $path: no answer"
    [ "$status" = "$expected" ] || fail "$method $path: expected $expected, got $status: $(head -c 500 "$work/answer")"
    cat "$work/answer"
}

# expect WHAT WANTED SEEN
expect() { [ "$2" = "$3" ] || fail "$1: expected $2, got $3"; }

[ -n "${BASE_URL:-}" ] || start_server
if [ -z "${ADMIN_EMAIL:-}" ] || [ -z "${ADMIN_PASSWORD:-}" ]; then fail "ADMIN_EMAIL and ADMIN_PASSWORD are needed with BASE_URL"; fi
deadline=${OFFLINE_AFTER:-120}

credentials=$(jq -n --arg email "$ADMIN_EMAIL" --arg password "$ADMIN_PASSWORD" '{email: $email, password: $password}')
token=$(call 200 POST auth/token 'Accept: application/json' "$credentials" | jq -r .access)
me="Authorization: Bearer $token"
tick 1 "logged in"

stamp=$(date +%s)-$$
organization=$(call 201 POST organizations "$me" "{\"name\": \"Example GmbH $stamp\"}" | jq .id)
team=$(call 201 POST teams "$me" "{\"name\": \"Shop\", \"organization_id\": $organization}" | jq .id)
body=$(jq -n --argjson team "$team" '{name: "system-test", type: "mysql", team_id: $team,
    config: {host: "127.0.0.1", port: 3306, user: "dbpower", password: "not-a-real-password"}}')
registered=$(call 201 POST collectors/register "$me" "$body")
id=$(jq .id <<<"$registered")
key="X-Collector-API-Key: $(jq -r .api_key <<<"$registered")"
jq -e --arg id "$id" '.api_key | startswith("collector_" + $id + "_")' <<<"$registered" >/dev/null || fail "the key has another form"
tick 2 "registered collector $id"

seen=$(call 200 GET "collectors?team_id=$team" "$me")
expect "collectors of the team" "$id" "$(jq '.collectors[0].id' <<<"$seen")"
expect "count" 1 "$(jq .count <<<"$seen")"
tick 3 "listed"

seen=$(call 200 GET "collectors/$id" "$me")
expect "status" '"STARTING"' "$(jq .status <<<"$seen")"
expect "is_online" false "$(jq .is_online <<<"$seen")"
grep -q not-a-real-password <<<"$seen" && fail "the answer shows the password"
tick 4 "details: STARTING, no password shown"

beat='{"stats": {"queries_collected": 5, "errors_count": 0, "uptime_seconds": 10}}'
seen=$(call 200 POST "collectors/$id/heartbeat" "$key" "$beat")
expect "status of the answer" '"ok"' "$(jq .status <<<"$seen")"
seen=$(call 200 GET "collectors/$id" "$me")
expect "status" '"ONLINE"' "$(jq .status <<<"$seen")"
expect "queries_collected" 5 "$(jq .queries_collected <<<"$seen")"
tick 5 "heartbeat: ONLINE"

for command in start collect stop; do
    seen=$(call 202 POST "collectors/$id/$command" "$me")
    expect "command" "\"$command\"" "$(jq .command <<<"$seen")"
done
tick 6 "sent start, collect and stop"

commands=$(call 200 POST "collectors/$id/heartbeat" "$key" "$beat" | jq -c .commands)
expect "commands received" '["start","collect","stop"]' "$(jq -c 'map(.command)' <<<"$commands")"
tick 7 "received them by heartbeat, in order"

for command in $(jq '.[].id' <<<"$commands"); do
    for _ in first again; do
        seen=$(call 200 POST "collectors/$id/commands/$command/execute" "$key" '{"success": true, "result": {"rows": 3}}')
        expect "executed" true "$(jq .executed <<<"$seen")"
    done
done
expect "status" '"STOPPED"' "$(call 200 GET "collectors/$id" "$me" | jq .status)"
tick 8 "reported each twice; the collector is STOPPED"

seen=$(call 200 GET "collectors/$id/commands" "$me")
expect "history" '["stop","collect","start"]' "$(jq -c '.commands | map(.command)' <<<"$seen")"
expect "states" '["succeeded"]' "$(jq -c '.commands | map(.state) | unique' <<<"$seen")"
tick 9 "history: three commands, succeeded"

seen=$(call 200 PATCH "collectors/$id" "$me" '{"config": {"host": "127.0.0.1", "port": 3306, "user": "other", "password": "another-password"}}')
expect "config_version" 2 "$(jq .config_version <<<"$seen")"
seen=$(call 200 POST "collectors/$id/heartbeat" "$key" "$beat")
expect "command" '"update_config"' "$(jq '.commands[0].command' <<<"$seen")"
expect "configuration delivered" '"other"' "$(jq '.commands[0].params.config.user' <<<"$seen")"
expect "parameters in the history" '{}' "$(call 200 GET "collectors/$id/commands" "$me" | jq -c '.commands[0].params')"
tick 10 "configuration changed and delivered, absent from the history"

call 202 POST "collectors/$id/start" "$me" >/dev/null
commands=$(call 200 POST "collectors/$id/heartbeat" "$key" "$beat" | jq -c .commands)
start=$(jq '.[] | select(.command == "start") | .id' <<<"$commands")
call 200 POST "collectors/$id/commands/$start/execute" "$key" '{"success": true, "result": null}' >/dev/null
expect "status after start" '"ONLINE"' "$(call 200 GET "collectors/$id" "$me" | jq .status)"
for _ in $(seq $((deadline + 70))); do
    seen=$(call 200 GET "collectors/$id" "$me" | jq -r .status)
    [ "$seen" = OFFLINE ] && break
    sleep 1
done
expect "status after $deadline s of silence" OFFLINE "$seen"
tick 11 "silent for $deadline s: OFFLINE"
