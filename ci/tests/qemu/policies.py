#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
"""The policies appliance: each application pages and schedules by its own extensions, and a datagram gives
the second one's strand a slot.

    this computer, 127.0.0.1 port ── QEMU's NAT ── 10.0.2.15: UDP 9101
"""
import os
import re
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.machine import Machine, Nic, user_net
from harness.report import Report

DATAGRAMS = 24


def free_port():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(client, port):
    for _ in range(5):
        client.sendto(b"policies", ("127.0.0.1", port))
        try:
            assert client.recv(100) == b"policies"
            return
        except socket.timeout:
            pass
    raise TimeoutError("no echo")


def main():
    report, port = Report(), free_port()
    nic = Nic(user_net() + f",hostfwd=udp:127.0.0.1:{port}-10.0.2.15:9101")
    with Machine(payload=paths.payload("policies"), nics=[nic], limit=100,
                 append="ip=10.0.2.15/24,10.0.2.2") as machine:
        with report.test("policies: each application pages by its own manager"):
            machine.wait_for(r"one: +64 visits to 32 pages: 64 faults, 8 frames", 60)
            machine.wait_for(r"two: +64 visits to 32 pages: 8 faults, 32 frames", 30)
            machine.wait_for(r"two: +ready", 30)
        with report.test("policies: a scheduler shares slots"):
            machine.wait_for(r"one: +the strand ran \d+ times", 30)
            given, seen = map(int, re.search(r"one: +the strand ran \d+ times: (\d+) of (\d+)",
                                             machine.console()).groups())
            assert abs(given - seen // 4) <= 1, (given, seen)
        with report.test("policies: another one asks the network extension"):
            assert not re.search(r"two: +the strand ran", machine.console())
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(3)
                for _ in range(DATAGRAMS):
                    ask(client, port)
                    time.sleep(0.05)
            machine.wait_for(r"two: +the strand ran \d+ times", 20)
    report.exit()


main()
