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
[ -t 2 ] && live=yes || live=no
say "building (the first time takes some minutes)"
# One line that is written over on a terminal; elsewhere a line per tenth of the way.
if ! { cmake --build build --parallel 2>&1 || echo AXOLLAMA_BUILD_FAILED; } | tee -a "$log" |
  awk -v live="$live" '
    /AXOLLAMA_BUILD_FAILED/ { failed = 1; next }
    match($0, /^\[[0-9]+\/[0-9]+\]/) {
      split(substr($0, 2, RLENGTH - 2), at, "/")
      tenth = int(10 * at[1] / at[2])
      if (live == "yes") { printf "\r  step %d of %d   ", at[1], at[2] > "/dev/stderr" }
      else if (tenth != last && at[2] > 10) { printf "  step %d of %d\n", at[1], at[2] > "/dev/stderr" }
      last = tenth
    }
    END { if (live == "yes") printf "\r%30s\r", "" > "/dev/stderr"; exit failed }'
then
  grep -E -A12 'FAILED|error' "$log" | tail -n 40 >&2
  say "error: the build failed; the whole log is in $log"
  exit 1
fi
