#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 200
"""Uncompressed video (RFC 4175) from ffmpeg onto two parts of one screen: QEMU's picture of the screen shows each
confined to its part, the one in RGB pixel by pixel.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2  port 5004: left, 5006: right

The parts are smaller than the pictures, and adjacent: what is too much would show on the neighbour's.
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, tap  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402
from harness.screen import dump  # noqa: E402

ADDRESS = "10.51.0.2"
WIDTH, HEIGHT = 640, 480
PICTURE = (320, 240)
LEFT, RIGHT = (0, 120, 300, 200), (300, 120, 310, 230)  # x, y, width, height
FORMATS = {5004: "uyvy422", 5006: "rgb24"}

HOSTILE = """
import os, random, socket, struct, sys
random.seed(4175)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for port in (5004, 5006):
    for i in range(400):
        head = struct.pack(">BBHII", 0x80, 96, i, random.getrandbits(32), random.getrandbits(32))
        s.sendto(head + random.randbytes(random.randrange(0, 200)), ("10.51.0.2", port))
        line = struct.pack(">HHHH", 0, random.choice((3, 60, 65535)), random.getrandbits(15), random.getrandbits(15))
        s.sendto(head + line + random.randbytes(60), ("10.51.0.2", port))
        s.sendto(random.randbytes(random.randrange(0, 100)), ("10.51.0.2", port))
"""


def payload(folder):
    """The shipped manifest with smaller parts."""
    with open(os.path.join(paths.TOP, "appliances", "display", "display.conf"), encoding="utf-8") as file:
        text = file.read()
    for x, part in ((0, LEFT), (320, RIGHT)):
        old = f"{{ x = {x}; y = 120; width = 320; height = 240; }}"
        assert old in text
        text = text.replace(old, "{{ x = {}; y = {}; width = {}; height = {}; }}".format(*part))
    path = os.path.join(folder, "display")
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write(text)
    images = [word for part in ("display", "echo", "init")
              for word in ("-I", os.path.join(paths.BUILD, "appliances", part))]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), *images, "-o", path + ".cpio", path + ".conf"],
                   check=True)
    return path + ".cpio"


def film(ns, port, source, seconds=None):
    """ffmpeg sends a picture that stands still, ten times a second."""
    limit = ("-t", str(seconds)) if seconds else ()
    return ns.popen("ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i",
                    f"{source}=size={PICTURE[0]}x{PICTURE[1]}:rate=10,select=eq(n\\,0),loop=-1:1,setpts=N/10/TB", *limit,
                    "-pix_fmt", FORMATS[port], "-c:v", "rawvideo", "-f", "rtp", f"rtp://{ADDRESS}:{port}",
                    stdout=subprocess.DEVNULL)


def picture_of(source, port):
    """What a computer shows of the same picture: rows of RGB."""
    done = subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"{source}=size={PICTURE[0]}x{PICTURE[1]}",
                           "-frames:v", "1", "-vf", f"format={FORMATS[port]},format=rgb24", "-f", "rawvideo", "-"],
                          check=True, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
    return done.stdout


def worst(screen, part, picture):
    """The largest difference of a colour within a part; 256: something shows outside of both."""
    left, top, width, height = part
    result = 0
    for y in range(height):
        shown = screen[((top + y) * WIDTH + left) * 3:][:width * 3]
        wanted = picture[y * PICTURE[0] * 3:][:width * 3]
        if shown != wanted:
            result = max(result, *(abs(a - b) for a, b in zip(shown, wanted)))
    return result


def dark_elsewhere(screen):
    for y in range(HEIGHT):
        row = bytearray(screen[y * WIDTH * 3:(y + 1) * WIDTH * 3])
        for left, top, width, height in (LEFT, RIGHT):
            if top <= y < top + height:
                row[left * 3:(left + width) * 3] = bytes(width * 3)
        assert not any(row), f"row {y} shows something outside of both parts"


def wait_until(seconds, check):
    """Repeats what asserts until it holds, for pictures take their time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def main():
    if not Namespace.possible():
        skip_all("needs root, for a network namespace")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns:
        monitor = os.path.join(folder, "monitor")
        with Machine(payload=payload(folder), append=f"ip={ADDRESS}/24", nics=[Nic(tap("tap0"))], screen=f"{WIDTH}x{HEIGHT}",
                     memory="96", within=ns, limit=180,
                     extra=["-monitor", f"unix:{monitor},server=on,wait=off"]) as machine:
            def look(name):
                return dump(monitor, os.path.join(folder, name), WIDTH, HEIGHT)

            machine.wait_for("left: ready", 40)
            machine.wait_for("right: ready", 40)
            left = film(ns, 5004, "smptebars")
            try:
                with report.test("RGB by ffmpeg, shown pixel by pixel, and confined to its part"):
                    right = film(ns, 5006, "testsrc", 4)
                    machine.wait_for(r"right: shows 10\.51\.0\.1", 30)
                    wanted = picture_of("testsrc", 5006)
                    wait_until(20, lambda: check_exact(look("one"), RIGHT, wanted))
                    dark_elsewhere(look("one"))
                with report.test("YCbCr 4:2:2 by ffmpeg beside it, to a step of rounding"):
                    machine.wait_for(r"left: shows 10\.51\.0\.1", 30)
                    wanted = picture_of("smptebars", 5004)

                    def close():
                        difference = worst(look("two"), LEFT, wanted)
                        assert difference <= 3, f"a colour differs by {difference}"

                    wait_until(20, close)
                    dark_elsewhere(look("two"))
                    keep(folder)
                with report.test("a source that ends is told of, with what was lost"):
                    right.wait(30)
                    found = machine.wait_for(r"right: silent after (\d+) pictures in (\d+) packets; (\d+) lost, (\d+) late, "
                                             r"(\d+) malformed", 30)
                    assert int(found[1]) >= 30 and int(found[5]) == 0, found[0]
                with report.test("nonsense and other sources change no picture"):
                    before = look("three")
                    ns.run("python3", "-c", HOSTILE)
                    left.terminate()
                    left.wait()
                    found = machine.wait_for(r"left: silent .* (\d+) malformed, (\d+) from other", 30)
                    assert int(found[1]) >= 400 and int(found[2]) > 0, found[0]
                    compare_left(before, look("four"))
                with report.test("the machine is well"):
                    assert machine.running() and not machine.has(r"fault|panic")
            finally:
                left.kill()
                left.wait()
    report.exit()


def check_exact(screen, part, picture):
    difference = worst(screen, part, picture)
    assert difference == 0, f"a colour differs by {difference}"


def compare_left(before, after):
    """The left part, whose source was there while nonsense came, looks as before."""
    left, top, width, height = LEFT
    for y in range(top, top + height):
        at = (y * WIDTH + left) * 3
        assert before[at:at + width * 3] == after[at:at + width * 3], f"row {y} has changed"


def keep(folder):
    if os.environ.get("SLUICE_KEEP"):
        shutil.copy(os.path.join(folder, "two"), os.environ["SLUICE_KEEP"])


if __name__ == "__main__":
    main()
