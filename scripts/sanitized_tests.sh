#!/bin/sh
# Unit tests under sanitizers: sanitized_tests.sh asan|tsan [ctest options...]
#
# asan: every room's tests under AddressSanitizer and UndefinedBehaviorSanitizer, in build-asan/,
# where the fuzz targets are built too (and are left to `ctest -R ^fuzz`).
# tsan: the rooms with threads under ThreadSanitizer, in build-tsan/.
set -eu
cd "$(dirname "$0")/.."

kind=${1:-}
[ $# -eq 0 ] || shift
case $kind in
  asan)
    scripts/build.sh --into build-asan -DAXOLLAMA_TESTS=ON -DAXOLLAMA_FUZZ=ON \
      -DAXOLLAMA_SANITIZE=address,undefined
    # GCC 12's record of dynamic thread-local storage can hold garbage, over which its own leak check
    # then falls ("Tracer caught signal 11"), in one environment and not in another.
    export ASAN_OPTIONS="intercept_tls_get_addr=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
    [ $# -gt 0 ] || set -- -E '^(fuzz|fidelity)'
    ;;
  tsan)
    rooms="base device engine net npu pull runner server sim_card sim_model upstream warden"
    tests=""
    for room in $rooms; do tests="$tests ${room}_test"; done
    scripts/build.sh --into build-tsan --targets "$tests axcl_rt_test" -DAXOLLAMA_TESTS=ON \
      -DAXOLLAMA_SANITIZE=thread
    [ $# -gt 0 ] || set -- -R "^($(echo $rooms sim_entry | tr ' ' '|'))\\."
    ;;
  *)
    echo "usage: scripts/sanitized_tests.sh asan|tsan [ctest options...]" >&2
    exit 2
    ;;
esac
# Without address space randomisation: the sanitizers of older compilers stumble over how far it
# reaches on newer kernels.
exec setarch "$(uname -m)" --addr-no-randomize python3 scripts/run_tests.py "build-$kind" "$@"
