#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 100
"""Long frames: received over several mbufs into several buffers, and sent from an environment's own frames without a
copy, through a real NIC driver. Each comes back byte for byte, though its buffers are overwritten as soon as the kernel
says that it is done with them."""
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.wire import MAC, Wire  # noqa: E402

ATTACHED, COPIED = b"\x88\xb6", b"\x88\xb7"
NIC_MAC = bytes.fromhex("525400511c00")
# Around an mbuf, a page, what is attached from on (2,304), and the longest.
SIZES = [60, 256, 257, 1514, 1515, 2047, 2048, 2049, 2303, 2304, 2305, 4095, 4096, 4097, 6144, 8191, 8192, 9000, 9700]


def make(kind, size, seed):
    return NIC_MAC + MAC + kind + random.Random(seed).randbytes(size - 14)


def expect_back(wire, frames):
    for frame in frames:
        wire.send(frame)
    for number, frame in enumerate(frames):
        # What init asks the network may come in between.
        while (back := wire.receive(20)) and back[12:14] not in (ATTACHED, COPIED):
            pass
        assert back is not None, f"{number} of {len(frames)} came back"
        wanted = MAC + NIC_MAC + frame[12:]
        first = next((i for i, (a, b) in enumerate(zip(back, wanted)) if a != b), min(len(back), len(wanted)))
        assert back == wanted, f"frame {number}, {len(frame)} bytes: {len(back)} came back, other from byte {first} on"


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, \
            Wire(os.path.join(folder, "wire")) as wire, \
            Machine(payload=paths.payload("jumbo"), nics=[Nic(stream(wire.path))], append="ip=10.51.0.2/24",
                    limit=90) as machine:
        wire.connect()
        machine.wait_for("ready: buffers of 2048 bytes", 40)
        for kind, name in ((ATTACHED, "attached"), (COPIED, "copied")):
            with report.test(f"each size comes back, {name}"):
                for size in SIZES:
                    expect_back(wire, [make(kind, size, size)])
            with report.test(f"bursts come back in order, {name}"):
                for burst in range(12):
                    expect_back(wire, [make(kind, 2400 + 631 * i % 7000, 100 * burst + i) for i in range(16)])
        with report.test("both at once"):
            expect_back(wire, [make((ATTACHED, COPIED)[i % 2], 60 + 977 * i % 9600, i) for i in range(16)])
        with report.test("nothing was refused, and the environment lives"):
            assert not machine.has(r"pieces: jumbo:|refused|pieces.*(ended|fault)"), machine.console()[-2000:]
    report.exit()


main()
