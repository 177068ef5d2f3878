#!/usr/bin/env python3
"""Asks over many connections without a pause, until the server ends them.

SPDX-License-Identifier: MIT

    load.py PORT CONNECTIONS FILE

Always as many requests are on their way as the server takes at once. Prints "ready" when
each connection has had an answer, and in the end "N answered, N wrong, N cut off": a
connection is cut off if it ends otherwise than with a whole line and an end of file.
"""
import asyncio
import hashlib
import sys

AT_ONCE = 8
counts = {"answered": 0, "wrong": 0, "cut off": 0}


class Connection:
    def __init__(self, kinds, begun):
        self.kinds = kinds
        self.begun = begun  # released with the first answer
        self.asked = 0
        self.expected = {}

    def ask(self):
        self.asked += 1
        text, answer = self.kinds[self.asked % len(self.kinds)]
        self.expected[str(self.asked)] = answer
        self.writer.write(text.encode() + b"\n")

    def take(self, line):
        number, _, answer = line.decode().rstrip("\n").partition(" ")
        right = line.endswith(b"\n") and self.expected.pop(number, None) == answer
        counts["answered" if right else "wrong"] += 1
        self.has_begun()

    def has_begun(self):
        if self.begun:
            self.begun.release()
            self.begun = None

    async def talk(self, port):
        reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(AT_ONCE):
            self.ask()
        while line := await reader.readline():
            self.take(line)
            self.ask()
        self.writer.close()

    async def run(self, port):
        try:
            await self.talk(port)
        except OSError as error:
            print(repr(error), file=sys.stderr)
            counts["cut off"] += 1
        self.has_begun()  # or never will


async def main(port, connections, path):
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    kinds = [
        ("lookup 127.0.0.1", "ok 127.0.0.1"),
        ("sleep 5", "ok 5 ms"),
        (f"sum {path}", f"ok {digest}"),
    ]
    begun = asyncio.Semaphore(0)
    running = [
        asyncio.create_task(Connection(kinds, begun).run(int(port)))
        for _ in range(int(connections))
    ]
    for _ in running:
        await begun.acquire()
    print("ready", flush=True)
    await asyncio.gather(*running)
    print(", ".join(f"{number} {what}" for what, number in counts.items()))


asyncio.run(main(*sys.argv[1:]))
