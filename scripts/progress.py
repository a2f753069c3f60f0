#!/usr/bin/env python3
"""Reads a build's output, keeps it in a log, and shows how far it is on standard error.

On a terminal one line is written over; elsewhere there is a line per tenth of the way.
"""

import re
import sys

STEP = re.compile(rb"^\[(\d+)/(\d+)\]")


def main():
    live = sys.stderr.isatty()
    shown = 0
    with open(sys.argv[1], "ab") as log:
        for line in iter(sys.stdin.buffer.readline, b""):
            log.write(line)
            match = STEP.match(line)
            if not match:
                continue
            step, steps = int(match[1]), int(match[2])
            if live:
                print(f"\r  step {step} of {steps}   ", end="", file=sys.stderr, flush=True)
            elif steps > 10 and 10 * step // steps > shown:
                shown = 10 * step // steps
                print(f"  step {step} of {steps}", file=sys.stderr, flush=True)
    if live:
        print(f"\r{'':30}\r", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
