#!/usr/bin/env bash
# Runs a command beside a PostgreSQL server of its own, which ends with it: `with-postgres.sh COMMAND…`. The command
# finds the server's address in $POSTGRES_URL, without a database, and its first process in $POSTGRES_PID.
set -euo pipefail

initdb=$(command -v initdb || ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -1)
[[ -n "$initdb" ]] || {
    echo "missing: PostgreSQL's server; scripts/test-deps.sh installs it" >&2
    exit 1
}
programs=$(dirname "$(readlink -f "$initdb")")

folder=$(mktemp -d "${TMPDIR:-/tmp}/spotter-postgres-XXXXXX")
# The server refuses to run as root: it runs as the user whom its package made.
as_server=()
if [[ "$(id -u)" == 0 ]]; then
    as_server=(setpriv --reuid=postgres --regid=postgres --clear-groups)
    chown postgres: "$folder"
fi

# control VERB OPTION…: what the server is told, from a folder that its user may read.
control() {
    (cd "$folder" && "${as_server[@]}" "$programs/pg_ctl" -s -w -D "$folder/data" -l "$folder/log" "$@")
}
finish() {
    control stop -m fast 2>/dev/null || true
    rm -rf "$folder"
}
trap finish EXIT

control initdb -o "--no-sync --auth=trust --username=spotter --encoding=UTF8 --locale=C" >/dev/null
port=$((20000 + RANDOM % 12000))
control start -o "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$folder -c shared_buffers=256MB \
    -c max_connections=300 -c min_wal_size=1GB -c max_wal_size=2GB" || { cat "$folder/log" >&2; exit 1; }
# A server that has run for a while writes over its old log files. A new one makes each anew, 16 MiB of zeros, while a
# commit waits: 10 ms and more, every five seconds at 4,000 sets/s. So it gets its files beforehand.
for ((file = 0; file < 64; file++)); do
    echo "SELECT pg_logical_emit_message(false, '', ''), pg_switch_wal();"
done | "$programs/psql" -qo /dev/null "postgres://spotter@127.0.0.1:$port/postgres" -f - -c CHECKPOINT

POSTGRES_URL="postgres://spotter@127.0.0.1:$port" POSTGRES_PID=$(head -1 "$folder/data/postmaster.pid") "$@"
