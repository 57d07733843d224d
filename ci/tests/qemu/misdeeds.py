#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 200
"""Misdeeds: each forbidden act ends in the expected fault or refusal, is named on the console with its environment, and
leaves the others alone, on one core with one of them spinning; everything comes back to the ledger.
"""
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, user_net  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.udp_client import ask  # noqa: E402

# What init's line about an environment's end must say.
ENDS = {
    "divide": r"divide error \(vector 0\)",
    "jump-kernel": r"page fault at 0xffffffff80200000",
    "jump-null": r"page fault at 0x0,",
    "read-kernel": r"page fault at 0xffffffff80200000",
    "write-kernel": r"page fault at 0xffffffff80200000",
    "write-info": r"page fault at 0x7e8000000000",
    "write-start": r"page fault at 0x7e8000400000",
    "write-text": r"page fault at 0x40",
    "execute-data": r"page fault at 0x4",
    "execute-stack": r"page fault at 0x4",
    "privileged": r"general protection \(vector 13\)",
    "port-io": r"general protection \(vector 13\)",
    "sgdt": r"general protection \(vector 13\)",
    "interrupt": r"general protection \(vector 13\)",
    "breakpoint": r"breakpoint \(vector 3\)",
    "wild-stack": r"page fault at 0xffffffff80",
    "stack-overflow": r"page fault at 0x4",
    "non-canonical": r"general protection \(vector 13\)",
    "fault-in-handler": r"page fault at 0x2000",
    "resume-nowhere": r"page fault at 0xffffffff80200000",
    "exhaust": r"exit, status 0",
    "map-others": r"exit, status 0",
    "forge": r"exit, status 0",
    "wild-calls": r"exit, status 0",
    "send": r"exit, status 0",
    "own-faults": r"exit, status 0",
    "hello": r"exit, status 0",
}


def check_ends(report, smp):
    where = f"{smp} core{'s' if smp > 1 else ''}"
    with Machine(payload=paths.payload("misdeeds"), nics=[Nic(user_net())], smp=smp,
                 append="ip=10.0.2.15/24,10.0.2.2", limit=90) as machine:
        with report.test(f"{where}: all environments end, and the machine goes off"):
            code = machine.wait_exit(80)
            assert code == 1, f"exit code {code}: init counts faults as failures"
        if machine.running():
            return  # the failure above has shown the console
        for name, end in ENDS.items():
            with report.test(f"{where}: {name} ends as it should"):
                line = machine.wait_for(rf"init: {name} \(environment \d+\): ", 1).string
                assert re.search(rf"\): {end}", line), line
                assert "; 0 frames," in line, f"frames are left: {line}"
        with report.test(f"{where}: nobody got away with anything"):
            assert not machine.has("GOT AWAY WITH IT")
        with report.test(f"{where}: every frame came back"):
            line = machine.wait_for(r"(\d+) frames are free, (\d+) were before", 1)
            assert line[1] == line[2], line.string


def check_bystanders(report):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    backend = user_net() + f",hostfwd=udp:127.0.0.1:{port}-10.0.2.15:7"
    with report.test("others keep answering on one core"), \
            Machine(payload=paths.payload("bystanders"), nics=[Nic(backend)],
                    append="ip=10.0.2.15/24,10.0.2.2", limit=90) as machine:
        machine.wait_for("spin: about to spin")
        machine.wait_for(r"init: wild-calls \(environment \d+\): exit, status 0", 60)
        machine.wait_for(r"divide: starting again", 20, count=3)
        right = ask("127.0.0.1", port, 24)
        assert right == 24, f"{right} of 24 answers"
        assert not machine.has("GOT AWAY WITH IT")


def main():
    report = Report()
    check_ends(report, 1)
    check_ends(report, 4)
    check_bystanders(report)
    report.exit()


main()
