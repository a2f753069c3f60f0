#!/usr/bin/env python3
"""Holds the include graph against the table of rooms (docs/architecture.md), and file lengths.

A room may include its own headers, those of the rooms named after it here, and system headers.
"""

import pathlib
import re
import subprocess
import sys

ROOMS = {
    "abi": [],
    "src/base": [],
    "src/text": ["src/base"],
    "src/bundle": ["src/base"],
    "src/store": ["src/bundle", "src/base"],
    "src/device": ["abi", "src/base"],
    "src/npu": ["src/device", "src/bundle", "src/base"],
    "src/engine": ["src/npu", "src/device", "src/text", "src/base"],
    "src/net": ["src/base"],
    "src/keys": ["src/base"],
    "src/runner": ["src/engine", "src/npu", "src/text", "src/bundle", "src/device", "src/net",
                   "src/base"],
    "src/warden": ["src/device", "src/net", "src/base"],
    "src/api": ["src/base"],
    "src/dialect": ["src/base"],
    "src/pull": ["src/store", "src/bundle", "src/net", "src/base"],
    "src/upstream": ["src/net", "src/base"],
    "src/shim": ["src/net", "src/base"],
    "src/server": ["src/api", "src/pull", "src/store", "src/bundle", "src/dialect", "src/keys",
                   "src/upstream",
                   "src/net", "src/base"],
    "src/cli": ["src/api", "src/pull", "src/store", "src/bundle", "src/keys", "src/net",
                "src/base"],
    "sim": ["abi", "src/base"],
    "apps": ["abi", "sim", "src/base", "src/cli", "src/runner", "src/server", "src/shim",
             "src/store", "src/warden"],
    "fuzz": ["abi", "sim", "src/api", "src/base", "src/bundle", "src/dialect", "src/keys", "src/net",
             "src/npu", "src/pull", "src/runner", "src/server", "src/store", "src/text"],
    "tests": ["abi", "sim", "src/api", "src/base", "src/bundle", "src/cli", "src/device",
              "src/dialect", "src/engine", "src/net", "src/npu", "src/runner", "src/server",
              "src/store", "src/text", "src/warden"],
}
# What only a room's tests may include besides, to run against the real neighbour.
TESTS_MAY_ALSO = {"src/device": ["sim"], "src/npu": ["sim"]}
LONGEST = 500
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def room_of(path):
    return next((room for room in ROOMS if path.startswith(room + "/")), None)


def target_room(include, own_room):
    """The room an include names: src/ and the root are the include folders."""
    for prefix in ("src/", ""):
        room = room_of(prefix + include)
        if room:
            return room
    return own_room


def main():
    files = subprocess.run(["git", "ls-files"], check=True, capture_output=True,
                           text=True).stdout.split("\n")
    wrong = []
    for name in filter(None, files):
        path = pathlib.Path(name)
        if path.suffix not in (".cc", ".h", ".py", ".sh", ".rs") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        lines = text.count("\n")
        if lines > LONGEST:
            wrong.append(f"{name}: {lines} lines, more than {LONGEST}: is it still one purpose?")
        own = room_of(name)
        if path.suffix not in (".cc", ".h") or own is None:
            continue
        allowed = [own, *ROOMS[own]]
        if name.endswith("_test.cc"):
            allowed += TESTS_MAY_ALSO.get(own, [])
        for include in INCLUDE.findall(text):
            room = target_room(include, own)
            if room not in allowed:
                wrong.append(f"{name}: includes {include}, of a room that {own} may not use")
    for line in wrong:
        print(f"error: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
