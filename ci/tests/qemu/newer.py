#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
"""What only a newer QEMU has a model of: the NIC igb, x2APIC without KVM. Skips where it can't be had."""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, user_net  # noqa: E402
from harness.newer import newer_qemu  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402
from harness.udp_client import ask, free_port  # noqa: E402

IGB, VIRTIO = "igb", "virtio-net-pci"


def serves(report, newer, name, device, expect, before=(), **machine):
    """The echo appliance answers, also after it has been quiet."""
    port = free_port()
    words = [*newer["extra"], *before, "-netdev", f"{user_net([('udp', port, 7)])},id=n",
             "-device", f"{device},netdev=n,romfile="]
    with report.test(name), Machine(payload=paths.payload("echo"), limit=120,
                                    append="ip=10.0.2.15/24,10.0.2.2 ip=10.0.2.16/24,10.0.2.2",
                                    **{**newer, **machine, "extra": words}) as running:
        running.wait_for("ready: ", 60, count=3)
        for line in expect:
            assert running.has(line), f"no line like {line}:\n{running.console()}"
        for pause in (0, 1):
            time.sleep(pause)
            right = ask("127.0.0.1", port, 24)
            assert right == 24, f"{right} of 24 answers"


def main():
    newer = newer_qemu()
    if newer is None:
        skip_all("the backport of QEMU can't be had here")
    report = Report()
    for cores in (1, 4):
        serves(report, newer, f"igb, {cores} cores", IGB, [], smp=cores)
    serves(report, newer, "x2APIC, 4 cores", VIRTIO, [r"cpu: .* x2APIC"], smp=4)
    serves(report, newer, "an IOMMU that nobody has switched on", IGB, [], ["-device", "intel-iommu"])
    report.exit()


main()
