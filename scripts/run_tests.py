#!/usr/bin/env python3
"""Runs ctest over a build folder and ends with the line `N passed, N failed`.

ctest's own summary is kept; the counts come from its JUnit report, so that they are those of
single tests. What failed is run once more alone: a pass then is named as such, not hidden.
"""

import os
import resource
import subprocess
import sys
import xml.etree.ElementTree as ElementTree


def ctest(build, report, *options):
    """Runs ctest; returns {test name: passed}, or None when it could not run at all."""
    if os.path.exists(report):
        os.remove(report)
    subprocess.run(["ctest", "--test-dir", build, "--output-on-failure", "--output-junit", report,
                    "--timeout", "600", *options], check=False, stdin=subprocess.DEVNULL)
    if not os.path.exists(report):
        return None
    cases = ElementTree.parse(report).getroot().iter("testcase")
    return {case.get("name"): case.get("status") == "run" for case in cases}


def main():
    build = os.path.abspath(sys.argv[1])
    report = os.path.join(build, "tests.xml")
    # Tests with many sockets and processes want more than the 1,024 files of a login shell.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard > soft:
        wanted = 4096 if hard == resource.RLIM_INFINITY else min(4096, hard)
        if wanted > soft:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    results = ctest(build, report, "--parallel", str(os.cpu_count() or 1), "--progress", "--quiet")
    if not results:
        print("error: no test ran", file=sys.stderr)
        return 1
    failed = sorted(name for name, passed in results.items() if not passed)
    if failed:
        again = ctest(build, report, "--rerun-failed") or {}
        for name in failed:
            results[name] = again.get(name, False)
            if results[name]:
                print(f"passed only when run again, alone: {name}")
    failed = sorted(name for name, passed in results.items() if not passed)
    for name in failed:
        print(f"failed: {name}")
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
