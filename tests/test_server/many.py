#!/usr/bin/env python3
"""Asks for everything over many connections at once, and checks each answer.

SPDX-License-Identifier: MIT

    many.py PORT CONNECTIONS FILE...

Prints how many answers were right. A connection that fails in any way is told on
standard error.
"""
import asyncio
import hashlib
import sys


def questions(number, files):
    """What connection NUMBER asks, each with its answer."""
    for path in files:
        with open(path, "rb") as file:
            yield f"sum {path}", "ok " + hashlib.sha256(file.read()).hexdigest()
    yield "lookup 127.0.0.1", "ok 127.0.0.1"
    yield f"sleep {number % 50}", f"ok {number % 50} ms"
    yield "sum /nowhere", "error No such file or directory"
    yield "nonsense", "error this is no request"


async def ask(port, number, files):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked, expected = zip(*questions(number, files))
    writer.write("".join(line + "\n" for line in (*asked, "quit")).encode())
    answers = (await reader.read()).decode()
    writer.close()
    right = {f"{i + 1} {answer}" for i, answer in enumerate(expected)}
    got = answers.splitlines()
    if not answers.endswith("\n") or len(got) != len(right) or set(got) != right:
        raise ValueError(f"got {got}, expected {sorted(right)}")
    return len(got)


async def main(port, connections, *files):
    results = await asyncio.gather(
        *(ask(int(port), number, files) for number in range(int(connections))),
        return_exceptions=True,
    )
    for result in results:
        if isinstance(result, Exception):
            print(repr(result), file=sys.stderr)
    print(sum(result for result in results if isinstance(result, int)))


asyncio.run(main(*sys.argv[1:]))
