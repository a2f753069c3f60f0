#!/bin/sh
# Formatting and structure, checked; `lint.sh --fix` formats. ./test runs it.
set -eu
cd "$(dirname "$0")/.."

sources=$(git ls-files '*.cc' '*.h' | grep -v '^rust/' || true)
if [ "${1:-}" = --fix ]; then
  clang-format-19 -i $sources
  exit 0
fi
clang-format-19 --dry-run --Werror $sources || {
  echo "error: not formatted as .clang-format says; run scripts/lint.sh --fix" >&2
  exit 1
}
python3 scripts/check_rooms.py
