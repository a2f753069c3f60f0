#!/bin/sh
# Installs what building (with --tests, testing; with --full, also `./test --full`) needs, from
# Debian's packages alone. Works on Debian 12 and on trixie, as root or with sudo; does nothing when
# all is there. `packages.sh --libraries` only names the libraries that the programs link.
set -eu

say() { printf '%s\n' "$*" >&2; }

want=${1:-build}

# Debian 12 has Boost 1.81 beside its default 1.74; later releases have it, or newer, by default.
boost="libboost-dev libboost-json-dev"
if [ "$(. /etc/os-release && printf %s "${VERSION_ID:-}")" = 12 ]; then
  boost="libboost1.81-dev libboost-json1.81-dev"
fi
libraries="$boost libcurl4-openssl-dev libfmt-dev libspdlog-dev libcli11-dev libexpected-dev"
libraries="$libraries libprotozero-dev libzstd-dev libedit-dev"
test_libraries="libgtest-dev libgmock-dev"
if [ "$want" = --libraries ]; then
  echo $libraries $test_libraries
  exit 0
fi

command -v dpkg-query >/dev/null 2>&1 || {
  say "error: this needs Debian 12 or newer (dpkg was not found); install by hand what this script lists"
  exit 1
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q 'ok installed'; }

packages="g++ cmake ninja-build python3 python3-pip ca-certificates $libraries unzip"
case $want in
  --tests | --full) packages="$packages $test_libraries python3-venv clang-format-19 git openssl" ;;
esac
# The arm64 build takes Debian's Rust whatever else there is: its standard library for arm64 is in
# Debian too, and fits no other compiler.
[ "$want" = --full ] && packages="$packages g++-aarch64-linux-gnu qemu-user-static rustc-web cargo-web zsh fish"

# The crates need Rust 1.87: a cargo on the PATH that is new enough is used as it is.
rust_ok() {
  version=$("$1" --version 2>/dev/null | sed -n 's/^[a-z]* \([0-9]*\)\.\([0-9]*\).*/\1 \2/p')
  [ -n "$version" ] || return 1
  set -- $version
  [ "$1" -gt 1 ] || [ "$2" -ge 87 ]
}
rust_ok cargo || packages="$packages rustc-web cargo-web"

# The clients of npm run on Node.js 18; one on the PATH that is new enough is used as it is.
node_ok() {
  version=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\..*/\1/p')
  [ "${version:-0}" -ge 18 ] && command -v npm >/dev/null 2>&1
}
case $want in
  --tests | --full) node_ok || packages="$packages nodejs npm" ;;
esac

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
