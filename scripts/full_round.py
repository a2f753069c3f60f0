#!/usr/bin/env python3
"""The full round of `./test --full`: the daily one, sanitizers, fuzz replay, a
larger model, soak, load and arm64.

    full_round.py [STAGE...]

One line per stage; all are run, whatever an earlier one said. What a stage prints is kept in
build-full/STAGE.log. A stage ends with the line `N passed, N failed`; one that does not get so far
counts as one failure. The last line sums up.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
LOGS = ROOT / "build-full"
STAGES = {
    "daily": ["./test"],
    "asan": ["scripts/sanitized_tests.sh", "asan"],
    "fuzz": ["scripts/sanitized_tests.sh", "asan", "-R", "^fuzz"],
    "tsan": ["scripts/sanitized_tests.sh", "tsan"],
    "gemma": ["tests/fidelity/gemma.sh", "build"],
    "soak": ["python3", "-B", "tests/soak/soak.py"],
    "load": ["python3", "-B", "tests/load/load.py", "--full"],
    "arm64": ["scripts/arm64_tests.sh"],
}
COUNTS = re.compile(r"^(\d+) passed, (\d+) failed$")


def run(name, command):
    """Runs one stage; returns its counts."""
    log = LOGS / f"{name}.log"
    environment = {**os.environ, "AXOLLAMA_BUILD": str(ROOT / "build"),
                   "AXOLLAMA_TEST_MODELS": str(ROOT / "build" / "models")}
    with open(log, "wb") as out:
        code = subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL,
                              stdout=out, stderr=subprocess.STDOUT, check=False).returncode
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() or [""]
    match = COUNTS.match(lines[-1])
    if not match:
        print(f"{name}: ended with {code} and no result: see {log.relative_to(ROOT)}", flush=True)
        return 0, 1
    passed, failed = int(match[1]), int(match[2])
    if code != 0 and failed == 0:
        failed = 1
    where = f": see {log.relative_to(ROOT)}" if failed else ""
    print(f"{name}: {passed} passed, {failed} failed{where}", flush=True)
    for line in lines:
        if line.startswith(("failed: ", "passed only when run again")):
            print(f"  {line}", flush=True)
    return passed, failed


def main():
    names = sys.argv[1:] or list(STAGES)
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        print(f"error: no stage {unknown[0]}; there are {', '.join(STAGES)}", file=sys.stderr)
        return 2
    LOGS.mkdir(exist_ok=True)
    counts = [run(name, STAGES[name]) for name in names]
    passed, failed = (sum(column) for column in zip(*counts))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
