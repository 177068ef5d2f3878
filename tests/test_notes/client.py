#!/usr/bin/env python3
"""Adds notes over connections that stay open, until the server closes them.

SPDX-License-Identifier: MIT

    client.py URL CONNECTIONS FILE

Each acknowledgement becomes a line of FILE. A connection is left when an answer says
that it closes; whatever else ends it while a request is under way has lost a request.
Prints "ready" when each connection has had an answer, and in the end
"N acknowledged, N refused, N lost".
"""
import http.client
import json
import sys
import threading
import urllib.parse

lock = threading.Lock()
counts = {"acknowledged": 0, "refused": 0, "lost": 0}


def count(what):
    with lock:
        counts[what] += 1


def ask(connection, text):
    connection.request("POST", "/notes", json.dumps({"text": text}))
    answer = connection.getresponse()
    return answer, answer.read().decode()


def add_note(connection, text, file):
    """False: that was the connection's last."""
    try:
        answer, body = ask(connection, text)
    except (OSError, http.client.HTTPException) as error:
        print(f"{text}: {error!r}", file=sys.stderr)
        count("lost")
        return False
    if answer.status == 201:
        with lock:
            file.write(body + "\n")
    count("acknowledged" if answer.status == 201 else "refused")
    return answer.getheader("Connection", "").lower() != "close"


def add_notes(address, number, file, begun):
    connection = http.client.HTTPConnection(address, timeout=60)
    goes_on = add_note(connection, f"first note of connection {number}", file)
    begun.release()
    serial = 1
    while goes_on:
        serial += 1
        goes_on = add_note(connection, f"note {serial} of connection {number}", file)
    connection.close()


def main(url, connections, name):
    address = urllib.parse.urlsplit(url).netloc
    begun = threading.Semaphore(0)
    with open(name, "w", buffering=1) as file:
        threads = [
            threading.Thread(target=add_notes, args=(address, number, file, begun))
            for number in range(int(connections))
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            begun.acquire()
        print("ready", flush=True)
        for thread in threads:
            thread.join()
    print(", ".join(f"{number} {what}" for what, number in counts.items()))


main(*sys.argv[1:])
