#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 280
"""Trials of the kernel's mechanisms (appliances/tests/trial.c), with the program in init's place: on one core and on two, and
on processors without FSGSBASE, XSAVE and AVX. With `--cost` it counts instructions instead of testing."""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine  # noqa: E402
from harness.report import Report  # noqa: E402

PROGRAM = os.path.join(paths.BUILD, "appliances", "tests", "trial")


def member(name, data):
    fields = [1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def payload(path):
    stripped = path + ".elf"
    subprocess.run(["strip", "-o", stripped, PROGRAM], check=True)
    with open(stripped, "rb") as file, open(path, "wb") as out:
        out.write(member(b"init", file.read()) + member(b"TRAILER!!!", b""))
    return path


def run(path, **description):
    with Machine(payload=path, limit=90, **description) as machine:
        machine.wait_exit(85)
        return machine.console()


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        path = payload(os.path.join(folder, "trial.cpio"))
        disk = os.path.join(folder, "disk")
        with open(disk, "wb") as file:
            file.write(bytes(1 << 20))
        if "--cost" in sys.argv:
            print(run(path, extra=["-icount", "shift=0"]))
            return 0
        for where, description in (("1 core", {"disks": [disk], "screen": "320x200"}),
                                   ("2 cores", {"smp": 2, "disks": [disk], "screen": "320x200"}),
                                   ("4 cores", {"smp": 4}),
                                   ("no FSGSBASE", {"cpu": "max,-fsgsbase"}),
                                   ("qemu64", {"cpu": "qemu64,+sse4.1,+sse4.2,+ssse3,+popcnt"})):
            console = run(path, **description)
            results = re.findall(r"(ok|FAIL) (.*)$", console, re.M)
            with report.test(f"{where}: all trials were made"):
                assert "trials: done" in console, console[-3000:]
            for verdict, name in results:
                with report.test(f"{where}: {name}"):
                    assert verdict == "ok", console[-3000:]
    report.exit()


sys.exit(main() or 0)
