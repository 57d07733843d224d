#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""The console on a screen and on other serial ports: QEMU dumps what its display shows.

A screen passes where text of the kernel's own is found on it: the dots of "Sluice" of the console's
font, or VGA's text memory itself.
"""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, user_net  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.screen import ask_monitor  # noqa: E402
import qemu  # noqa: E402

LINE = "ip=10.0.2.15/24 ip=10.0.2.16/24"
WORD = "Sluice"
CELL, ROWS, DOTS = 6, 7, 5


def glyphs():
    """{character: rows} of exo/dev/font.c."""
    with open(os.path.join(paths.TOP, "exo", "dev", "font.c"), encoding="ascii") as file:
        rows = re.findall(r"^\s*\{(0[x0-9a-f, ]*)\},", file.read(), re.M)
    table = [[int(x, 16) for x in row.split(",")] for row in rows]
    return {chr(32 + i): row + [0] * (ROWS - len(row)) for i, row in enumerate(table)}


def picture(path):
    """A PPM's size and pixels: True where it is bright."""
    with open(path, "rb") as file:
        data = file.read()
    _, size, _, pixels = data.split(b"\n", 3)
    width, height = map(int, size.split())
    return width, height, [pixels[i * 3] > 100 for i in range(width * height)]


def shows(path, word):
    """Whether the word stands in the picture's first line of text, at either scale."""
    width, height, bright = picture(path)
    font = glyphs()
    for scale in (1, 2):
        for column in range(width // (CELL * scale) - len(word)):
            if all(bright[(y * scale) * width + ((column + i) * CELL + x) * scale] ==
                   bool(font[c][y] >> (DOTS - 1 - x) & 1)
                   for i, c in enumerate(word) for y in range(ROWS) for x in range(DOTS)):
                return True
    return False


def dump(folder, command, **machine):
    """Boots, runs a command of QEMU's monitor when all is up, returns the file that it wrote."""
    path, monitor = os.path.join(folder, "dump"), os.path.join(folder, "monitor")
    for old in (path, monitor):
        if os.path.exists(old):
            os.unlink(old)
    with Machine(payload=paths.payload("echo"), append=LINE, nics=[Nic(user_net())], limit=90,
                 kernel=paths.HYBRID, memory="256M",
                 extra=["-vga", "std", "-monitor", f"unix:{monitor},server=on,wait=off"],
                 **machine) as running:
        running.wait_for("3 of 3 environments started", 60)
        ask_monitor(monitor, command.format(path))
    return path


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        with report.test("UEFI's framebuffer"):
            path = dump(folder, "screendump {}",
                        firmware=qemu.uefi("uefi", os.path.join(folder, "variables")))
            assert shows(path, WORD), "the text is not on the screen"
        with report.test("VGA's text mode"):
            path = dump(folder, "pmemsave 0xb8000 4000 \"{}\"")
            with open(path, "rb") as file:
                text = file.read()[::2]
            assert WORD.encode() in text[:80], text[:80]
    with report.test("COM2 where there is no COM1"), \
            Machine(payload=paths.payload("echo"), append=LINE, nics=[Nic(user_net())],
                    serial="none", extra=["-chardev", "stdio,id=second", "-device",
                                          "isa-serial,index=1,chardev=second"]) as machine:
        machine.wait_for("3 of 3 environments started", 40)
    report.exit()


main()
