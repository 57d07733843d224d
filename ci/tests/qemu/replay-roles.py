#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""The replay engine on a machine of its own: it reflects what this computer sends, and it sends."""
import json
import os
import struct
import subprocess
import tempfile

from harness import paths
from harness.report import Report

RUN = os.path.join(paths.TOP, "boot", "run")
FRAMES = 300


def make_trace(path):
    """UDP datagrams of growing size with their number in them."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
        for number in range(FRAMES):
            payload = struct.pack("<Q", number) + bytes(10 + 4 * number)
            frame = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + struct.pack(
                "!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), number, 0, 64, 17, 0, bytes((10, 0, 0, 1)),
                bytes((10, 0, 0, 2))) + struct.pack("!HHHH", 1024, 9, 8 + len(payload), 0) + payload
            file.write(struct.pack("<IIII", 0, number * 1_000_000, len(frame), len(frame)) + frame)


def run(*words):
    result = subprocess.run([RUN, "replay", *words], capture_output=True, text=True, timeout=150,
                            stdin=subprocess.DEVNULL)
    assert result.returncode == 0, f"status {result.returncode}: {result.stdout[-500:]}{result.stderr[-2000:]}"
    return json.loads(result.stdout)


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        trace, page = os.path.join(folder, "made.pcap"), os.path.join(folder, "report.html")
        make_trace(trace)
        for nic in ("virtio", "e1000e"):
            with report.test(f"a machine reflects, {nic}"):
                document = run(trace, "--role", "reflect", "--nic", nic, "--accel", "tcg", "-j", "--report",
                               page, "--", "--rate", "200pps", "--timeout", "10s", "--require", "loss=0")
                assert document["runs"][0]["returned"] == FRAMES
                assert document["provenance"]["emulated"] is True
                with open(page, encoding="utf-8") as file:
                    assert "is emulated" in file.read()
            with report.test(f"a machine sends, {nic}"):
                document = run(trace, "--role", "send", "--nic", nic, "--accel", "tcg", "-j", "--bind",
                               "data=udp port 9", "--", "pps=500")
                assert document["bindings"][1]["frames"] == FRAMES, document
    report.exit()


if __name__ == "__main__":
    main()
