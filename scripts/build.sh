#!/bin/sh
# Builds axollama into build/: build.sh [cmake options...]. Progress on standard error.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

log=build/build.log
mkdir -p build
generator="-G Ninja"
[ -f build/CMakeCache.txt ] && generator=""
if ! cmake -S . -B build $generator "$@" >"$log" 2>&1; then
  tail -n 25 "$log" >&2
  say "error: cmake could not configure the build; the whole log is in $log"
  exit 1
fi
status=build/build.status
{ cmake --build build --parallel 2>&1 && echo ok >"$status" || echo failed >"$status"; } |
  python3 scripts/progress.py "$log"
if [ "$(cat "$status")" != ok ]; then
  grep -E -A12 'FAILED|error' "$log" | tail -n 40 >&2
  say "error: the build failed; the whole log is in $log"
  exit 1
fi
