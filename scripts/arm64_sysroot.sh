#!/bin/sh
# Unpacks the arm64 libraries that the cross-build links into a folder: arm64_sysroot.sh FOLDER.
# apt finds and downloads them with a state of its own: nothing is installed, and nothing of the
# system's package state changes. Does nothing when FOLDER already has what is wanted.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

mkdir -p "$1"
folder=$(cd "$1" && pwd)
libraries=$(scripts/packages.sh --libraries)
rust=libstd-rust-web-dev
wanted="$libraries $rust=$(dpkg-query -W -f '${Version}' rustc-web)"
[ "$(cat "$folder/wanted" 2>/dev/null)" = "$wanted" ] && exit 0

say "bringing the arm64 libraries (100 MB, once)"
apt=$(mktemp -d)
trap 'rm -rf "$apt"' EXIT
mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial"
: >"$apt/status"
cat >"$apt/apt.conf" <<CONF
APT::Architecture "arm64";
APT::Architectures { "arm64"; };
APT::Sandbox::User "";
Dir::State "$apt/state";
Dir::State::status "$apt/status";
Dir::Cache "$apt/cache";
CONF
export APT_CONFIG="$apt/apt.conf"
# The Rust package's own dependencies are a compiler's, which is not run on arm64.
if ! { apt-get update -q && apt-get install -q -y --no-install-recommends --download-only $libraries &&
       (cd "$apt/cache/archives" && apt-get download -q "$rust"); } >"$apt/log" 2>&1; then
  tail -n 15 "$apt/log" >&2
  say "error: apt could not bring the arm64 packages; the lines above say why"
  exit 1
fi
rm -rf "$folder"
mkdir -p "$folder"
for package in "$apt"/cache/archives/*.deb; do dpkg-deb -x "$package" "$folder"; done
# From trixie on packages have nothing in /lib, which is a link there.
[ -e "$folder/lib" ] || ln -s usr/lib "$folder/lib"
printf '%s\n' "$wanted" >"$folder/wanted"
