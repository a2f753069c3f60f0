#!/bin/sh
# Runs our engine over alice.txt and holds it against the reference.
#
#   run.sh BUILD s8|s4|bf16 BUNDLE
#
# BUILD holds axollama and the simulated card; BUNDLE is a folder that `axollama sim build` made with
# those weights from the GGUF that the reference was made from.
set -eu
if [ $# -ne 3 ]; then
  sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export AXSIM_STATE="$scratch/card" AXOLLAMA_RUNTIME_DIR="$scratch/run" AXSIM_PROFILE=off
mkdir -p "$AXSIM_STATE" "$AXOLLAMA_RUNTIME_DIR"
chmod 700 "$AXOLLAMA_RUNTIME_DIR"
"$1/axollama" perplexity "$3" "$here/alice.txt" --window 512 --json --dump "$scratch/dump" \
  < /dev/null
python3 "$here/compare.py" "$here/reference.jsonl" "$scratch/dump" "$2"
