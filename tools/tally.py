#!/usr/bin/env python3
"""Counts the single tests in a log of `meson test`: prints "PASSED FAILED SKIPPED".

SPDX-License-Identifier: MIT

The last line of a program of the harness's tells how many tests it ran; one that ends
without that line, or Check's own (a crash, a time-out), has failed once. Any other
program counts as one. What was skipped is said on standard error. No log, or an empty
one, is one failure.
"""
import json
import re
import sys

SUMMARY = re.compile(
    r"^ferry-test: (\d+) passed, (\d+) failed, (\d+) skipped$", re.MULTILINE
)
CHECK = re.compile(
    r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.MULTILINE
)
SKIPPED = re.compile(r"^(?:ferry-skip|skipped): .*$", re.MULTILINE)


def tally(test):
    output = test.get("stdout") or ""
    for line in SKIPPED.findall(output):
        print(line, file=sys.stderr)
    good = test["result"] in ("OK", "EXPECTEDFAIL")
    lines = SUMMARY.findall(output)
    if not lines:  # a program over Check without the harness
        for run, failures, errors in CHECK.findall(output)[-1:]:
            failed = int(failures) + int(errors)
            lines = [(int(run) - failed, failed, 0)]
    if lines:
        passed, failed, skipped = map(int, lines[-1])
        if not good and failed == 0:  # a sanitizer's report at the very end
            failed = 1
        return passed, failed, skipped
    if test["result"] == "SKIP":
        return 0, 0, 1
    of_harness = any(suite.split(":")[-1] == "check" for suite in test.get("suite", []))
    return (1, 0, 0) if good and not of_harness else (0, 1, 0)


def main(logs):
    tests = []
    for log in logs:
        try:
            with open(log, encoding="utf-8", errors="replace") as file:
                tests += [json.loads(line) for line in file if line.strip()]
        except (OSError, ValueError) as error:
            print(f"tally.py: {error}", file=sys.stderr)
    counts = [tally(test) for test in tests] or [(0, 1, 0)]
    print(*map(sum, zip(*counts)))


main(sys.argv[1:])
