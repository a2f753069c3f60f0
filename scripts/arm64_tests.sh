#!/bin/sh
# Cross-builds everything for arm64 in build-arm64/ and runs the unit tests under qemu-user:
# arm64_tests.sh [ctest options...]
set -eu
cd "$(dirname "$0")/.."

scripts/arm64_sysroot.sh build-arm64/sysroot
scripts/build.sh --into build-arm64 -DCMAKE_TOOLCHAIN_FILE=cmake/arm64.cmake \
  -DAXOLLAMA_SYSROOT="$PWD/build-arm64/sysroot" -DAXOLLAMA_TESTS=ON
[ $# -gt 0 ] || set -- -E '^fidelity'
exec python3 scripts/run_tests.py build-arm64 "$@"
