#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""The echo appliance through QEMU's user network, on every NIC model: both services answer UDP.

    this computer, 127.0.0.1 ports A, B ── QEMU's NAT ── 10.0.2.15 port 7 (libos-udp)
                                                     └── 10.0.2.16 port 7 (lwIP)
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.machine import Machine, Nic, user_net
from harness.report import Report
from harness.udp_client import ask, free_port


def run(report, model, smp):
    ports = free_port(), free_port()
    backend = user_net() + "".join(
        f",hostfwd=udp:127.0.0.1:{port}-10.0.2.{host}:7" for port, host in zip(ports, (15, 16)))
    with report.test(f"{model}, {smp} core{'s' if smp > 1 else ''}: both services answer"), \
            Machine(payload=paths.payload("echo"), nics=[Nic(backend, model)], smp=smp,
                    append="ip=10.0.2.15/24,10.0.2.2 ip=10.0.2.16/24,10.0.2.2") as machine:
        machine.wait_for("ready: ", count=3)
        for port in ports:
            right = ask("127.0.0.1", port, 24)
            assert right == 24, f"{right} of 24 answers"


def main():
    report = Report()
    for model in ("virtio", "virtio-transitional", "e1000", "e1000e", "vmxnet3"):
        run(report, model, 1)
    run(report, "virtio", 4)
    report.exit()


main()
