# SPDX-License-Identifier: BSD-2-Clause
"""Pictures of a machine's screen, by QEMU's monitor.

    with Machine(screen="640x480", extra=["-monitor", f"unix:{monitor},server=on,wait=off"]) as machine:
        rows = dump(monitor, os.path.join(folder, "picture"), 640, 480)
"""
import os
import socket
import time


def dump(monitor, path, width, height):
    """QEMU's picture of the screen as rows of bytes, red, green and blue (PPM without its head)."""
    if os.path.exists(path):
        os.unlink(path)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(monitor)
        client.sendall(f"screendump {path}\n".encode())
        head = b"P6\n%d %d\n255\n" % (width, height)
        deadline = time.monotonic() + 15
        data = b""
        while len(data) < len(head) + width * height * 3 and time.monotonic() < deadline:
            time.sleep(0.1)
            if os.path.exists(path):
                with open(path, "rb") as file:
                    data = file.read()
    if not data.startswith(head):
        raise AssertionError(f"the picture begins with {data[:20]}")
    return data[len(head):]
