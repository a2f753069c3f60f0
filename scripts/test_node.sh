#!/bin/sh
# Makes the folder of npm packages of tests/conformance/node: test_node.sh FOLDER. Does nothing when
# it is already what the lock file asks for.
set -eu
cd "$(dirname "$0")/.."

folder=$1
wanted=tests/conformance/node
cmp -s "$wanted/package-lock.json" "$folder/installed.json" && exit 0
echo "making the folder of npm packages for the client tests" >&2
rm -rf "$folder"
mkdir -p "$folder"
cp "$wanted/package.json" "$wanted/package-lock.json" "$folder"
npm ci --prefix "$folder" --silent --ignore-scripts --no-audit --no-fund >&2 || {
  echo "error: npm could not install what $wanted/package-lock.json lists; check the network and run this again" >&2
  exit 1
}
cp "$wanted/package-lock.json" "$folder/installed.json"
