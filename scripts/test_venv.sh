#!/bin/sh
# Makes the Python environment of tests/conformance and tests/constrained: test_venv.sh FOLDER. Does
# nothing when it is already what requirements.txt asks for.
set -eu
cd "$(dirname "$0")/.."

venv=$1
wanted=tests/conformance/requirements.txt
cmp -s "$wanted" "$venv/requirements.txt" && exit 0
echo "making the Python environment for the client tests" >&2
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" install -q --disable-pip-version-check -r "$wanted" >&2 || {
  echo "error: pip could not install what $wanted lists; check the network and run this again" >&2
  exit 1
}
"$venv/bin/pip" download -q --disable-pip-version-check --no-deps --no-binary jsonschema \
  -d "$venv/sources" "$(grep '^jsonschema==' "$wanted")" >&2 || {
  echo "error: pip could not fetch the source of jsonschema; check the network and run this again" >&2
  exit 1
}
cp "$wanted" "$venv/requirements.txt"
