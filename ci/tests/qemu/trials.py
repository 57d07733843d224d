#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 280
"""Trials of the kernel's mechanisms (appliances/tests/trial.c), with the program in init's place: on one core and on two, and
on processors without FSGSBASE, XSAVE and AVX. With `--cost` it counts instructions instead of testing."""
import os
import re
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness.machine import Machine  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.trials import trial_payload  # noqa: E402

def run(path, **description):
    with Machine(payload=path, limit=90, **description) as machine:
        machine.wait_exit(85)
        return machine.console()


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        path = trial_payload(os.path.join(folder, "trial.cpio"))
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
