#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""Environments that page for themselves (demand, copy-on-write, replacement, 2 MiB pages, a full software TLB) and
schedule their own threads, and make environments of their own."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine  # noqa: E402
from harness.report import Report  # noqa: E402


def check(report, smp, cpu):
    where = f"{smp} core{'s' if smp > 1 else ''}, {cpu}"
    with Machine(payload=paths.payload("own"), smp=smp, cpu=cpu, limit=60) as machine:
        for name in ("paging", "threads", "children"):
            with report.test(f"{where}: {name}"):
                machine.wait_for(f"{name}: {name}: all is well", 40)
                line = machine.wait_for(rf"init: {name} \(environment \d+\): ", 10).string
                assert "exit, status 0" in line and "; 0 frames," in line, line
        with report.test(f"{where}: the software TLB dropped and was offered again"):
            line = machine.wait_for(r"software TLB: (\d+) pages far apart, (\d+) faults, (\d+) dropped", 1)
            assert int(line[3]) > 0 and int(line[2]) > int(line[1]), line.string
        with report.test(f"{where}: every frame came back"):
            line = machine.wait_for(r"(\d+) frames are free, (\d+) were before", 10)
            assert line[1] == line[2], line.string


def main():
    report = Report()
    check(report, 1, "max")
    check(report, 4, "max")
    check(report, 1, "max,-fsgsbase,-xsave")
    report.exit()


main()
