#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""Parts of the screen: two environments paint far beyond theirs, and QEMU's picture of the screen shows each
confined to it, pixel by pixel."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.screen import dump  # noqa: E402

WIDTH, HEIGHT = 640, 480
# Name, colour's place in a pixel, x, y, width, height.
RECTS = [("red", 0, 10, 20, 300, 200), ("green", 1, 311, 20, 329, 460), ("blue", 2, 0, 400, 123, 80)]
ENV = """{{ name = "{0}"; image = "painter"; arguments = [ "{0}" ]; frames = 256; core = {6};
  may = [ "console" ]; screen = {{ x = {2}; y = {3}; width = {4}; height = {5}; }}; }}"""


def payload(folder):
    text = ",\n".join(ENV.format(*rect, number % 2) for number, rect in enumerate(RECTS))
    text += ",\n" + ENV.format("red", 0, 300, 219, 20, 20, 0).replace('name = "red"', 'name = "late"')
    text += ",\n" + ENV.format("red", 0, 630, 0, 20, 20, 0).replace('name = "red"', 'name = "out"')
    path = os.path.join(folder, "paint")
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write(f'name = "paint";\nenvironments = (\n{text} );\n')
    images = [os.path.join(paths.BUILD, "appliances", part) for part in ("tests", "init")]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), "-I", images[0], "-I",
                    images[1], "-o", path + ".cpio", path + ".conf"], check=True)
    return path + ".cpio"


def expected():
    picture = bytearray(WIDTH * HEIGHT * 3)
    for _, colour, left, top, width, height in RECTS:
        for y in range(height):
            for x in range(width):
                picture[((top + y) * WIDTH + left + x) * 3 + colour] = 64 + (x + y) % 192
    return bytes(picture)


def compare(picture):
    wanted = expected()
    if picture == wanted:
        return
    at = next(i for i, (a, b) in enumerate(zip(picture, wanted)) if a != b) // 3
    raise AssertionError(f"pixel {at % WIDTH},{at // WIDTH} is {picture[at * 3:at * 3 + 3].hex()}, "
                         f"not {wanted[at * 3:at * 3 + 3].hex()}")


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        monitor = os.path.join(folder, "monitor")
        extra = ["-monitor", f"unix:{monitor},server=on,wait=off"]
        with Machine(payload=payload(folder), screen=f"{WIDTH}x{HEIGHT}", smp=2, extra=extra,
                     limit=90) as machine:
            with report.test("each paints its own part, pixel by pixel"):
                for name, *_ in RECTS:
                    machine.wait_for(rf"{name}: {name}: painted \d+ pixels, 0 refused", 40)
                compare(dump(monitor, os.environ.get("SLUICE_PICTURE", os.path.join(folder, "picture")),
                             WIDTH, HEIGHT))
            with report.test("parts that are taken or outside are not given"):
                machine.wait_for(r"late: not started: screen 20x20 at 300,219 .*EXO_EBUSY")
                machine.wait_for(r"out: not started: screen 20x20 at 630,0 .*has 640x480")
    report.exit()


main()
