#!/bin/sh
# Installs what building (and with --tests, testing) needs, from Debian's packages alone.
# Works on Debian 12 and on trixie, as root or with sudo; does nothing when all is there.
set -eu

say() { printf '%s\n' "$*" >&2; }

want_tests=no
[ "${1:-}" = --tests ] && want_tests=yes

command -v dpkg-query >/dev/null 2>&1 || {
  say "error: this needs Debian 12 or newer (dpkg was not found); install by hand what this script lists"
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

# Debian 12 has Boost 1.81 beside its default 1.74; later releases have it, or newer, by default.
boost="libboost-dev libboost-json-dev"
if [ "$(. /etc/os-release && printf %s "${VERSION_ID:-}")" = 12 ]; then
  boost="libboost1.81-dev libboost-json1.81-dev"
fi

packages="g++ cmake ninja-build python3 python3-pip ca-certificates $boost libfmt-dev libspdlog-dev
  libcli11-dev libexpected-dev libprotozero-dev unzip"
[ "$want_tests" = yes ] && packages="$packages libgtest-dev libgmock-dev python3-venv clang-format-19 git"

# The crates need Rust 1.87: a cargo on the PATH that is new enough is used as it is.
rust_ok() {
  version=$("$1" --version 2>/dev/null | sed -n 's/^[a-z]* \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
  [ -n "$version" ] || return 1
  set -- $version
  [ "$1" -gt 1 ] || [ "$2" -ge 87 ]
}
rust_ok cargo || packages="$packages rustc-web cargo-web"

missing=""
for package in $packages; do
  installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

say "installing from Debian's packages:$missing"
if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null 2>&1; then
  say "error: run this as root, or install sudo, or install by hand:$missing"
  exit 1
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
if ! { as_root apt-get update -q && as_root apt-get install -y -q --no-install-recommends \
       --no-remove $missing; } >"$log" 2>&1; then
  tail -n 15 "$log" >&2
  say "error: the packages could not be installed; the lines above say why"
  exit 1
fi
