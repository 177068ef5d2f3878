#!/usr/bin/env python3
"""Sends without reading until the server takes no more, looks how large that has become,
and then reads it all.

SPDX-License-Identifier: MIT

    slow_reader.py PORT PID

Prints how many KiB the server has grown by, and how many answers are missing or wrong.
"""
import re
import select
import socket
import sys

LINE = b"nonsense " * 10 + b"\n"
CONNECTIONS = 4


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s*(\d+) kB", status.read()).group(1))


def connect(port):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
    connection.connect(("127.0.0.1", port))
    connection.setblocking(False)
    return connection


def send_all_it_takes(connection):
    """Until it takes nothing for half a second. Gives how many lines those were."""
    sent = 0
    while select.select([], [connection], [], 0.5)[1]:
        sent += connection.send((LINE * 1000)[sent % len(LINE) :])
    return sent // len(LINE)


def wrong_answers(connection, lines):
    connection.settimeout(60)
    with connection.makefile("rb") as answers:
        wrong = sum(
            answers.readline() != b"%d error this is no request\n" % number
            for number in range(1, lines + 1)
        )
    connection.close()
    return wrong


def main(port, pid):
    before = resident(pid)
    connections = [connect(int(port)) for _ in range(CONNECTIONS)]
    lines = [send_all_it_takes(connection) for connection in connections]
    grown = resident(pid) - before
    print(grown, sum(map(wrong_answers, connections, lines)))
    print("lines sent:", *lines, file=sys.stderr)


main(*sys.argv[1:])
