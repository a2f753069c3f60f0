#!/bin/sh
# Prints the path of a stock Ollama for tests/stock, which it makes once with Go (about half a
# minute) and keeps under $XDG_CACHE_HOME/axollama. It has Ollama's server and commands, no engine.
# Without Go, or when it cannot be made, one line says so and the exit code is 3.
set -eu
version=0.33.0
cache=${XDG_CACHE_HOME:-$HOME/.cache}/axollama
program=$cache/ollama-$version
if [ ! -x "$program" ]; then
  command -v go >/dev/null || { echo "no go" >&2; exit 3; }
  mkdir -p "$cache"
  work=$(mktemp -d "$cache/ollama.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  echo "making a stock Ollama $version with go" >&2
  GOBIN=$work timeout 500 nice -n 5 go install \
    -ldflags "-X github.com/ollama/ollama/version.Version=$version" \
    "github.com/ollama/ollama@v$version" >"$work/log" 2>&1 || {
    echo "go could not make Ollama $version: $(tail -n 1 "$work/log")" >&2
    exit 3
  }
  mv "$work/ollama" "$program"
fi
echo "$program"
