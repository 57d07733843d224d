# SPDX-License-Identifier: BSD-2-Clause
"""Pictures of a machine's screen, by QEMU's monitor.

    with Machine(screen="640x480", extra=["-monitor", f"unix:{monitor},server=on,wait=off"]) as machine:
        rows = dump(monitor, os.path.join(folder, "picture"), 640, 480)
"""
import os
import socket


def ask_monitor(monitor, command, seconds=30):
    """Types a command and waits until QEMU has done it: until its next prompt stands."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(seconds)
        client.connect(monitor)
        for text in (b"", command.encode() + b"\n"):
            client.sendall(text)
            said = b""
            while not said.endswith(b"(qemu) "):
                part = client.recv(4096)
                if not part:
                    raise AssertionError(f"QEMU's monitor ended at '{command}': {said[-200:]}")
                said += part


def dump(monitor, path, width, height):
    """QEMU's picture of the screen as rows of bytes, red, green and blue (PPM without its head)."""
    if os.path.exists(path):
        os.unlink(path)
    ask_monitor(monitor, f"screendump {path}")
    with open(path, "rb") as file:
        data = file.read()
    head = b"P6\n%d %d\n255\n" % (width, height)
    if not data.startswith(head) or len(data) < len(head) + width * height * 3:
        raise AssertionError(f"the picture has {len(data)} bytes and begins with {data[:20]}")
    return data[len(head):]
