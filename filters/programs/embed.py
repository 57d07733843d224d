#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""embed.py NAME FILE OUTPUT: a header with the file's bytes as an array, for programs that carry it."""
import sys

NAME, FILE, OUTPUT = sys.argv[1:]
with open(FILE, "rb") as file:
    BYTES = file.read()
with open(OUTPUT, "w", encoding="ascii") as file:
    file.write(f"static const unsigned char {NAME}[{len(BYTES)}] = {{\n")
    for at in range(0, len(BYTES), 16):
        file.write("\t" + ", ".join(map(str, BYTES[at:at + 16])) + ",\n")
    file.write("};\n")
