#!/usr/bin/env bash
# What the tests need beyond the tools of a build: a browser, a database server, Redis, and the packages of the pages'
# own tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# need WHAT FOR PACKAGE HOW: WHAT is missing, and wanted FOR a test. Debian has it as PACKAGE; elsewhere it is there
# in any way that HOW describes.
need() {
    local what=$1 for=$2 package=$3 how=$4
    local by_hand="apt-get update && apt-get install -y --no-install-recommends $package"
    if [[ "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
        echo "missing: $what, for $for" >&2
        echo "install: on Debian, as root: $by_hand" >&2
        echo "         elsewhere: any way that $how" >&2
        exit 1
    fi
    echo "installing $what for $for"
    # Another apt may hold the lock for a while, as on a freshly started machine.
    local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300)
    local log
    log=$(mktemp)
    if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "$package"; } >"$log" 2>&1; then
        cat "$log" >&2
        rm -f "$log"
        echo "could not install $what; by hand, as root: $by_hand" >&2
        exit 1
    fi
    rm -f "$log"
}

# Debian keeps the server's programs out of the PATH, a folder for each version.
has_postgres() {
    [[ -n "$(command -v initdb)" || -n "$(compgen -G '/usr/lib/postgresql/*/bin/initdb')" ]]
}

command -v chromium >/dev/null 2>&1 ||
    need chromium "the browser test" chromium "puts a \`chromium\` on the PATH"
has_postgres ||
    need "PostgreSQL's server" "the tests of its store" postgresql "puts \`initdb\` and \`postgres\` on the PATH"
command -v redis-server >/dev/null 2>&1 ||
    need "Redis" "the tests of several nodes" redis-server "puts \`redis-server\` on the PATH"

# The Makefile knows when the packages are stale. It runs there and here, so it must not join our caller's jobs.
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make --no-print-directory web/node_modules/.installed

echo "test dependencies: chromium, postgresql, redis, web packages: ok"
