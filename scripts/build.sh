#!/bin/sh
# Builds axollama: build.sh [--into FOLDER] [--targets "NAME..."] [cmake options...]. The folder is
# build/, the targets are all. Progress on standard error.
set -eu
cd "$(dirname "$0")/.."

say() { printf '%s\n' "$*" >&2; }

build=build
targets=all
while :; do
  case ${1:-} in
    --into) build=$2 ;;
    --targets) targets=$2 ;;
    *) break ;;
  esac
  shift 2
done

log=$build/build.log
mkdir -p "$build"
generator="-G Ninja"
[ -f "$build/CMakeCache.txt" ] && generator=""
if ! cmake -S . -B "$build" $generator "$@" >"$log" 2>&1; then
  tail -n 25 "$log" >&2
  say "error: cmake could not configure the build; the whole log is in $log"
  exit 1
fi
status=$build/build.status
{ cmake --build "$build" --parallel --target $targets 2>&1 && echo ok >"$status" ||
    echo failed >"$status"; } | python3 scripts/progress.py "$log"
if [ "$(cat "$status")" != ok ]; then
  grep -E -A12 'FAILED|error' "$log" | tail -n 40 >&2
  say "error: the build failed; the whole log is in $log"
  exit 1
fi
