#!/usr/bin/env python3
"""Connects many times, starts jobs that take long, and hangs up in the middle of them.

SPDX-License-Identifier: MIT

    hang_up.py PORT CONNECTIONS JOBS MS fin|reset

Each connection starts JOBS jobs of MS milliseconds, and is given up when a last one,
which takes no time, has been answered.
"""
import socket
import struct
import sys


def start(port, jobs, ms):
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    lines = [f"sleep {ms}"] * jobs + ["lookup 127.0.0.1"]
    connection.sendall("".join(line + "\n" for line in lines).encode())
    return connection


def main(port, connections, jobs, ms, how):
    started = [start(int(port), int(jobs), ms) for _ in range(int(connections))]
    for connection in started:
        answer = connection.recv(4096)
        if answer != f"{int(jobs) + 1} ok 127.0.0.1\n".encode():
            print(answer)
        if how == "reset":
            connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        connection.close()


main(*sys.argv[1:])
