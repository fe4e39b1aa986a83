#!/usr/bin/env bash
# Are the tools to build Spotter here, and new enough? Names every gap with what to install, then fails.
set -euo pipefail

gaps=0

gap() {
    echo "missing: $1" >&2
    echo "   have: $2" >&2
    echo "install: $3" >&2
    gaps=$((gaps + 1))
}

# first_of CANDIDATE…: the first that can be run; nothing when none can.
first_of() {
    local candidate
    for candidate in "$@"; do
        if [[ -n "$candidate" ]] && command -v "${candidate%% *}" >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
    done
}

# version_of TOOL: "major.minor" of what `TOOL --version` prints; nothing when it cannot be run.
version_of() {
    command -v "$1" >/dev/null 2>&1 || return 0
    local printed
    printed=$("$1" --version 2>/dev/null) || return 0
    if [[ "$printed" =~ ([0-9]+)\.([0-9]+) ]]; then
        echo "${BASH_REMATCH[1]}.${BASH_REMATCH[2]}"
    fi
}

# need_version TOOL MAJOR.MINOR WHAT-TO-INSTALL
need_version() {
    local tool=$1 least=$2 remedy=$3 have
    have=$(version_of "$tool")
    if [[ -z "$have" ]]; then
        gap "$tool $least or newer" "none that runs" "$remedy"
    elif ((${have%.*} < ${least%.*})) || { ((${have%.*} == ${least%.*})) && ((${have#*.} < ${least#*.})); }; then
        gap "$tool $least or newer" "$tool $have" "$remedy"
    fi
}

need_version rustc 1.95 "Rust 1.95 from https://rustup.rs, or with rustup: rustup update stable"
need_version cargo 1.95 "Rust 1.95 from https://rustup.rs, or with rustup: rustup update stable"
need_version node 20.19 "Node.js 20.19 or newer from https://nodejs.org (Debian 12's own is too old)"
need_version npm 10.0 "npm comes with Node.js from https://nodejs.org, or: npm install -g npm@10"

[[ -n "$(first_of "${CC:-}" cc gcc clang)" ]] ||
    gap "a C compiler" "none of \$CC, cc, gcc, clang" "Debian and Ubuntu: apt-get install build-essential; macOS: xcode-select --install"
[[ -n "$(first_of "${CXX:-}" c++ g++ clang++)" ]] ||
    gap "a C++ compiler" "none of \$CXX, c++, g++, clang++" "Debian and Ubuntu: apt-get install build-essential; macOS: xcode-select --install"
[[ -n "$(first_of "${MAKE:-}" make gmake)" ]] ||
    gap "make" "none" "Debian and Ubuntu: apt-get install make; macOS: xcode-select --install"

if ((gaps > 0)); then
    exit 1
fi
echo "tools: rustc $(version_of rustc), node $(version_of node), npm $(version_of npm), C and C++ compilers: ok"
