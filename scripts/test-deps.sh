#!/usr/bin/env bash
# What the tests need beyond the tools of a build: a browser, and the packages of the pages' own tests.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

install_chromium="apt-get update && apt-get install -y --no-install-recommends chromium"

if ! command -v chromium >/dev/null 2>&1; then
    if [[ "$(id -u)" != 0 ]] || ! command -v apt-get >/dev/null 2>&1; then
        echo "missing: chromium, for the browser test" >&2
        echo "install: on Debian, as root: $install_chromium" >&2
        echo "         elsewhere: any way that puts a \`chromium\` on the PATH" >&2
        exit 1
    fi
    echo "installing chromium for the browser test"
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    # Another apt may hold the lock for a while, as on a freshly started machine.
    apt=(apt-get -o DPkg::Lock::Timeout=300)
    if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends chromium; } >"$log" 2>&1; then
        cat "$log" >&2
        echo "could not install chromium; by hand, as root: $install_chromium" >&2
        exit 1
    fi
fi

# The Makefile knows when the packages are stale. It runs there and here, so it must not join our caller's jobs.
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make --no-print-directory web/node_modules/.installed

echo "test dependencies: chromium, web packages: ok"
