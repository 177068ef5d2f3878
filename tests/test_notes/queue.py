#!/usr/bin/env python3
"""Sends a request on each of many new connections, and only then reads the answers.

SPDX-License-Identifier: MIT

    queue.py URL CONNECTIONS

Prints "ready" when all have been sent, and in the end how many notes were added.
"""
import socket
import sys
import urllib.parse


def send(address, number):
    connection = socket.create_connection(address, timeout=60)
    body = f'{{"text": "new {number}"}}'
    connection.sendall(
        f"POST /notes HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        f"\r\n{body}".encode()
    )
    return connection


def was_added(connection):
    try:
        return connection.recv(4096).startswith(b"HTTP/1.1 201 ")
    except OSError as error:
        print(repr(error), file=sys.stderr)
        return False


def main(url, count):
    parts = urllib.parse.urlsplit(url)
    address = (parts.hostname, parts.port)
    connections = [send(address, number) for number in range(int(count))]
    print("ready", flush=True)
    print(sum(was_added(connection) for connection in connections))


main(*sys.argv[1:])
