#!/usr/bin/env python3
"""How far a progress bar is filled: prints the longest run of blue pixels in a row.

SPDX-License-Identifier: MIT

Reads a picture as PPM (P6) from standard input. Blue is what Adwaita, GTK's own theme,
fills its bars with; nothing else in the window is blue for more than a few pixels.
"""
import re
import sys


def is_blue(red, green, blue):
    return blue > 120 and blue > red + 60 and blue > green + 30


def longest(row):
    best = run = 0
    for pixel in zip(row[0::3], row[1::3], row[2::3]):
        run = run + 1 if is_blue(*pixel) else 0
        best = max(best, run)
    return best


data = sys.stdin.buffer.read()
header = re.match(rb"P6\s+(\d+)\s+(\d+)\s+255\s", data)
width = 3 * int(header[1])
pixels = data[header.end() :]
print(max(longest(pixels[at : at + width]) for at in range(0, len(pixels), width)))
