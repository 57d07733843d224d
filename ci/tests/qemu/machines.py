#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 600
"""Machines that are unlike the usual one: each must serve, or say what is wrong and what to do."""
import os
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream, user_net  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.wire import Wire  # noqa: E402
import qemu  # noqa: E402

OWN, ASKER = "10.51.0.2", "10.51.0.1"


def serves(report, folder, name, expect=(), nic="virtio", options="", **machine):
    """The echo appliance answers; before it the console has said what `expect` asks for."""
    machine.setdefault("nics", [Nic(stream(os.path.join(folder, "wire")), nic, options=options)])
    with report.test(name), Wire(os.path.join(folder, "wire")) as wire, \
            Machine(payload=paths.payload("echo"), append=f"ip={OWN}/24 ip=10.51.0.3/24", limit=120,
                    **machine) as running:
        wire.connect()
        running.wait_for("3 of 3 environments started", 90)
        for line in expect:
            assert running.has(line), f"no line like {line}:\n{running.console()}"
        wire.arp(OWN, ASKER)


def says(report, name, lines, payload="probe", **machine):
    machine.setdefault("nics", [Nic(user_net())])
    with report.test(name), Machine(payload=payload and paths.payload(payload), limit=90,
                                    **machine) as running:
        for line in lines:
            running.wait_for(line, 60)


def acpi_table(signature, body):
    """A table with its checksum, for QEMU's -acpitable data=."""
    table = struct.pack("<4sIBB6s8sI4sI", signature, 36 + len(body), 1, 0, b"SLUICE", b"TEST    ", 1,
                        b"TEST", 1) + body
    return table[:9] + bytes([-sum(table) & 255]) + table[10:]


def spcr(port):
    """ACPI's Serial Port Console Redirection, revision 1: a 16550 at an I/O port."""
    return acpi_table(b"SPCR", struct.pack("<B3xBBBBQ", 0, 1, 8, 0, 1, port) + bytes(28))


def odd_machines(report, folder):
    serves(report, folder, "16 cores", expect=["cores: 16", "16 cores, 1 ports"], smp=16,
           memory="512M")
    serves(report, folder, "RAM above 4 GiB, two NUMA nodes", memory="6G", smp=4,
           extra=["-object", "memory-backend-ram,id=m0,size=3G", "-numa", "node,memdev=m0,cpus=0-1",
                  "-object", "memory-backend-ram,id=m1,size=3G", "-numa", "node,memdev=m1,cpus=2-3"])
    serves(report, folder, "no HPET", machine="q35,hpet=off")
    serves(report, folder, "no ACPI: the 8254 measures", expect=["acpi: no tables"],
           machine="pc,acpi=off")
    serves(report, folder, "a plain CPU, without XSAVE, RDRAND, SMEP", cpu="qemu64,+sse4.1,+sse4.2,"
           "+ssse3,+popcnt")
    serves(report, folder, "a NIC without MSI-X", options="vectors=0")
    serves(report, folder, "a NIC behind two bridges", nics=[], extra=[
        "-device", "pcie-root-port,id=r1,bus=pcie.0,chassis=1",
        "-device", "x3130-upstream,id=u1,bus=r1", "-device", "xio3130-downstream,id=d1,bus=u1",
        "-netdev", f"{stream(os.path.join(folder, 'wire'))},id=n",
        "-device", "virtio-net-pci,netdev=n,bus=d1,romfile="])
    serves(report, folder, "hybrid at another place, by UEFI with much RAM", kernel=paths.HYBRID,
           memory="5G", firmware=qemu.uefi("uefi", os.path.join(folder, "variables")))
    table = os.path.join(folder, "spcr")
    with open(table, "wb") as file:
        file.write(spcr(0x2f8))
    serves(report, folder, "the console goes where SPCR says", serial="null", extra=[
        "-acpitable", f"file={table}", "-chardev", "stdio,id=second", "-device",
        "isa-serial,index=1,chardev=second"])


def odd_devices(report):
    says(report, "BARs above 4 GiB", [r"pci: 0000:00:\S+: memory at [0-9a-f]{9,}",
                                      "port 0: net_virtio .*link is up"],
         extra=["-device", "pci-testdev,membar=8G"])
    says(report, "a NIC that nobody drives is named, with advice",
         [r"net: 0000:00:\S+ \[10ec:8139\] Realtek: no driver: .*Intel",
          r"NO DRIVER: Realtek", "1 network controllers without a driver"],
         nics=[Nic(user_net())], extra=["-device", "rtl8139"])
    says(report, "no NIC at all", ["net: no NIC to use: none was found",
                                   "probe: done; 0 ports"], nics=[])
    says(report, "an IOMMU is named", ["iommu: Intel VT-d"], extra=["-device", "intel-iommu"])


def bad_input(report, folder):
    with open(paths.payload("echo"), "rb") as file:
        payload = file.read()
    short = os.path.join(folder, "short.cpio")
    with open(short, "wb") as file:
        file.write(payload[:3000])
    says(report, "a CPU without SSE4.2", ["no SSE4.2, which the network drivers need"], cpu="qemu64")
    says(report, "no payload", ["init does not start: there is no payload"], payload=None)
    with report.test("a payload that was cut, where it may come whole the next time"), \
            Machine(payload=short, append="retry=2", limit=60) as machine:
        machine.wait_for("starts again in", 30)
        assert machine.wait_exit(40) is None
    with report.test("a CPU without long mode"):
        result = subprocess.run(
            ["timeout", "15", "qemu-system-x86_64", "-nodefaults", "-display", "none", "-m", "64",
             "-cpu", "qemu32", "-serial", "stdio", "-kernel", paths.HYBRID],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert b"needs a 64-bit CPU" in result.stdout, result.stdout
    says(report, "too little memory", ["not enough memory"], memory="24M")


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        odd_machines(report, folder)
        odd_devices(report)
        bad_input(report, folder)
    report.exit()


main()
