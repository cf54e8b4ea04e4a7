#!/usr/bin/env bash
# Installs what some tests drive, where that is possible without asking: Chromium, a PostgreSQL server, Tesseract.
# Never fails: a test that misses its program skips, and says so.
set -uo pipefail

missing=()
command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null \
    || missing+=(chromium fonts-liberation)
command -v initdb >/dev/null || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
command -v tesseract >/dev/null || missing+=(tesseract-ocr)
[ ${#missing[@]} -eq 0 ] && exit 0

skip() {
    echo "system packages: not installing ${missing[*]} ($1): tests that need them will skip"
    exit 0
}

command -v apt-get >/dev/null || skip "no apt-get here"
as_root=()
if [ "$(id -u)" -ne 0 ]; then
    sudo -n true 2>/dev/null || skip "neither root nor password-less sudo"
    as_root=(sudo -n)
fi

apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1; }
log=$(mktemp)
trap 'rm -f "$log"' EXIT
echo "system packages: installing ${missing[*]}"
apt update || skip "apt-get update failed: $(tail -n 1 "$log")"
apt install -y --no-install-recommends "${missing[@]}" || skip "apt-get install failed: $(tail -n 1 "$log")"
