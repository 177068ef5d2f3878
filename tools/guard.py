#!/usr/bin/env python3
"""Counts the instructions of ferry's hot paths; bench/guard/figures bounds them.

SPDX-License-Identifier: MIT

    guard.py [--update] FERRY-GUARD

Each path is run under valgrind's callgrind so many times and twice so many: a count's
difference is that of the operations alone, in all threads, libuv and the C library
included. Fails where a path takes 5 % more than its figure; says so where it takes 5 %
less. The last line is "N passed, N failed, N skipped".

What makes the counts repeatable: valgrind runs one thread at a time, all are held on one
processor, and where two threads meet, each waits until the other is asleep (see
bench/guard/crossings.c). They repeat to half a per cent, most to a thousandth, beside
other work too. Should one be off all the same it is taken again, and the nearest of
three is believed.
"""
import os
import pathlib
import platform
import re
import shutil
import statistics
import subprocess
import sys

PROCESSORS = sorted(os.sched_getaffinity(0))
FIGURES = pathlib.Path(__file__).parent.parent / "bench" / "guard" / "figures"
TOLERANCE = 0.05
ATTEMPTS = 3
VALGRIND = (
    "valgrind --tool=callgrind --callgrind-out-file=/dev/null --fair-sched=try".split()
)
# Start and end are left to chance no more than need be: no lazy binding, one arena.
ENVIRONMENT = {"PATH": os.environ["PATH"], "LD_BIND_NOW": "1", "MALLOC_ARENA_MAX": "1"}
COLLECTED = re.compile(r"Collected : (\d+)")


def say(text):
    print(f"bench-guard: {text}", flush=True)


# ---- counting ----


def start(program, path, count, processor):
    os.sched_setaffinity(0, {processor})
    return subprocess.Popen(
        [*VALGRIND, program, path, str(count)],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def result(process):
    errors = process.communicate()[1]
    found = COLLECTED.search(errors)
    if process.returncode != 0 or not found:
        raise RuntimeError(errors)
    return int(found.group(1))


def measure(program, path, operations):
    """Instructions for one operation; both runs at once, each on its own processor."""
    runs = [
        start(program, path, operations * times, PROCESSORS[times % len(PROCESSORS)])
        for times in (2, 1)
    ]
    twice, once = map(result, runs)
    return (twice - once) / operations


def nearest(program, path, operations, figure):
    best = None
    for _ in range(ATTEMPTS):
        count = measure(program, path, operations)
        if best is None or abs(count - figure) < abs(best - figure):
            best = count
        if abs(best - figure) <= TOLERANCE * figure:
            break
    return best


def median(program, path, operations):
    return statistics.median(
        measure(program, path, operations) for _ in range(ATTEMPTS)
    )


# ---- the figures: a section for each machine and compiler ----


def build_of(program):
    tools = subprocess.check_output([program, "--build"], text=True).strip()
    return " ".join([platform.machine(), tools, "-".join(platform.libc_ver())])


def read_sections():
    """The comment at the top, and {section: {path: figure}}."""
    comment, sections, section = [], {}, None
    for line in FIGURES.read_text().splitlines():
        if line.startswith("["):
            section = sections.setdefault(line.strip("[]"), {})
        elif section is None:
            comment.append(line)
        elif line:
            path, figure = line.split()
            section[path] = float(figure)
    return "\n".join(comment).rstrip("\n"), sections


def write_sections(comment, sections):
    text = comment + "\n"
    for name, figures in sections.items():
        text += f"\n[{name}]\n"
        text += "".join(f"{path:16} {figure:6.0f}\n" for path, figure in figures.items())
    FIGURES.write_text(text)


# ---- all of it ----


def judge(path, count, figure):
    """Whether it passes."""
    change = 100 * (count / figure - 1)
    print(f"{path:16} {count:8.1f} {figure:8.0f} {change:+7.1f} %", flush=True)
    told = f"{path} takes {count:.0f} instructions, {abs(change):.1f} %"
    if count > figure * (1 + TOLERANCE):
        say(f"{told} more than the {figure:.0f} on record")
        return False
    if count < figure * (1 - TOLERANCE):
        say(f"{told} less than the {figure:.0f} on record: `make bench-guard-update`")
    return True


def check(program, path, operations, figures):
    if path not in figures:
        say(f"{path} has no figure: `make bench-guard-update`")
        return False
    try:
        count = nearest(program, path, operations, figures[path])
    except RuntimeError as error:
        say(f"{path} failed:\n{error}")
        return False
    return judge(path, count, figures[path])


def update(program, paths, build):
    comment, sections = read_sections()
    before = sections.get(build, {})
    print(f"[{build}]: before, and now")
    sections[build] = {}
    for path, operations in paths.items():
        count = sections[build][path] = median(program, path, operations)
        print(f"{path:16} {before.get(path, 0):6.0f} {count:8.1f}", flush=True)
    write_sections(comment, sections)
    return finish(len(paths), 0, 0)


def finish(passed, failed, skipped):
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return failed != 0


def main(arguments):
    updates = "--update" in arguments
    program = str(pathlib.Path(arguments[-1]).resolve())
    lines = subprocess.check_output([program], text=True).splitlines()
    paths = {path: int(operations) for path, operations in map(str.split, lines)}
    build = build_of(program)
    figures = read_sections()[1].get(build)
    if shutil.which("valgrind") is None:
        say("skipped: there is no valgrind here")
        return finish(0, 0, len(paths))
    if updates:
        return update(program, paths, build)
    if figures is None:
        say(f"skipped: no figures for {build}: `make bench-guard-update` adds them")
        return finish(0, 0, len(paths))
    print(f"[{build}]: instructions for one operation, the figure, the change")
    passed = sum(check(program, *path, figures) for path in paths.items())
    return finish(passed, len(paths) - passed, 0)


sys.exit(main(sys.argv[1:]))
