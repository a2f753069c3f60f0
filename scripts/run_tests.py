#!/usr/bin/env python3
"""Runs ctest over a build folder and ends with the line `N passed, N failed`.

    run_tests.py BUILD [ctest options...]

ctest's own summary is kept; the counts come from its JUnit report, so that they are those of
single tests. What failed is run once more alone: a pass then is named as such, not hidden, and
the first run's last lines are shown.
"""

import os
import resource
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

SHOWN_LINES = 20


def ctest(build, report, *options):
    """Runs ctest; returns {test name: (passed, output)}, or None when it could not run at all."""
    if os.path.exists(report):
        os.remove(report)
    subprocess.run(["ctest", "--test-dir", build, "--output-on-failure", "--output-junit", report,
                    "--timeout", "600", *options], check=False, stdin=subprocess.DEVNULL)
    if not os.path.exists(report):
        return None
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {case.get("name"): (case.get("status") == "run", case.findtext("system-out") or "")
            for case in cases}


def raise_file_limit():
    """Tests with many sockets and processes want more than the 1,024 files of a login shell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def run(build, *options):
    """Runs the tests of a build folder; returns how many passed and failed, or None if none ran."""
    build = os.path.abspath(build)
    report = os.path.join(build, "tests.xml")
    raise_file_limit()
    results = ctest(build, report, "--parallel", str(os.cpu_count() or 1), "--progress", "--quiet",
                    *options)
    if not results:
        print("error: no test ran", file=sys.stderr)
        return None
    for name, (_, output) in sorted(results.items()):
        for line in output.splitlines():
            if line.startswith("skipped: "):  # a test that says so counts as passed
                print(f"{name}: {line}")
    failed = sorted(name for name, (passed, _) in results.items() if not passed)
    again = ctest(build, report, "--rerun-failed") or {} if failed else {}
    for name in failed:
        if again.get(name, (False, ""))[0]:
            print(f"passed only when run again, alone: {name}; the first time it said")
            for line in results[name][1].rstrip().splitlines()[-SHOWN_LINES:]:
                print(f"  {line}")
    failed = [name for name in failed if not again.get(name, (False, ""))[0]]
    for name in failed:
        print(f"failed: {name}")
    return len(results) - len(failed), len(failed)


def main():
    counts = run(*sys.argv[1:])
    if counts is None:
        return 1
    print(f"{counts[0]} passed, {counts[1]} failed")
    return 1 if counts[1] else 0


if __name__ == "__main__":
    sys.exit(main())
