#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 600
"""Machines that are unlike the usual one: each must serve, or say what is wrong and what to do."""
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream, user_net  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.wire import MAC, Wire  # noqa: E402
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
    serves(report, folder, "RAM in many pieces: most of it above 4 GiB, two sockets",
           machine="q35,max-ram-below-4g=512M", memory="3G", smp="4,sockets=2,cores=2")
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


def padded(folder, mib):
    """The echo appliance's payload with so many MiB behind it; zeroes are padding to cpio."""
    path = os.path.join(folder, f"padded-{mib}.cpio")
    with open(paths.payload("echo"), "rb") as file, open(path, "wb") as target:
        target.write(file.read())
        target.truncate(target.tell() + (mib << 20))
    return path


def large_payloads(report, folder):
    """From one that just fits to one that is larger than memory, which only UEFI hands to us."""
    with report.test("a payload that takes nearly all memory"), \
            Machine(payload=padded(folder, 60), append="ip=10.0.0.2/24 ip=10.0.0.3/24",
                    memory="116M", limit=60, nics=[Nic(user_net())]) as machine:
        machine.wait_for("3 of 3 environments started", 50)
    for mib, line in ((60, "not started: .*give the machine more memory"),
                      (70, "not enough memory: no .* for network buffers: give the machine more")):
        with report.test(f"a payload of {mib} MiB in 96"), \
                Machine(payload=padded(folder, mib), append="ip=10.0.0.2/24 ip=10.0.0.3/24",
                        limit=60, nics=[Nic(user_net())]) as machine:
            machine.wait_for(line, 50)
    root = os.path.join(folder, "volume")
    os.makedirs(os.path.join(root, "EFI", "BOOT"))
    shutil.copyfile(paths.HYBRID, os.path.join(root, "EFI", "BOOT", "BOOTX64.EFI"))
    os.rename(padded(folder, 300), os.path.join(root, "sluice.cpio"))
    with report.test("a payload larger than memory, by UEFI"), \
            Machine(kernel=None, memory="256M", limit=90,
                    firmware=qemu.uefi("uefi", os.path.join(folder, "variables-large")),
                    extra=["-drive", f"if=none,id=boot,format=raw,file=fat:rw:{root}",
                           "-device", "ide-hd,drive=boot,bootindex=0"]) as machine:
        machine.wait_for("the payload is larger than this machine's free memory", 80)
        machine.wait_for("there is no payload: boot with NAME.cpio", 30)


def answer_probes(wire, address, seconds):
    """Says that this address is ours, to whoever asks, until somebody has asked twice."""
    deadline, asked = time.monotonic() + seconds, 0
    while asked < 2 and time.monotonic() < deadline:
        frame = wire.receive(1)
        if frame is None or frame[12:14] != b"\x08\x06" or frame[20:22] != b"\0\1" or \
                frame[38:42] != socket.inet_aton(address):
            continue
        asked += 1
        wire.send((frame[6:12] + MAC + frame[12:20] + b"\0\2" + MAC + frame[38:42] +
                   frame[22:32]).ljust(60, b"\0"))


def bad_network(report, folder):
    says(report, "no NIC for an appliance that needs one",
         ["net: no NIC to use: none was found on any PCI bus; see that one is plugged in",
          "host: not started: .*NIC port does not exist", "0 of 3 environments started"],
         payload="echo", nics=[], append="ip=10.0.0.2/24 ip=10.0.0.3/24")
    says(report, "no NIC to ask for an address on", ["there is no port 0 to ask for an address on"],
         payload="echo", nics=[])
    path = os.path.join(folder, "wire")
    with report.test("an address that somebody has already"), Wire(path) as wire, \
            Machine(payload=paths.payload("echo"), append=f"ip={OWN}/24 ip=10.51.0.3/24", limit=60,
                    nics=[Nic(stream(path))]) as machine:
        wire.connect()
        answer_probes(wire, OWN, 40)
        machine.wait_for(f"address conflict: {OWN} is also used by 02:00:00:00:00:51.*not used, "
                         "tried again in a minute", 20)
    with report.test("DHCP that never answers: asked ever more rarely, then what was given"), \
            Wire(path) as wire, \
            Machine(payload=paths.payload("echo"), append=f"ip=dhcp,{OWN}/24 ip=10.51.0.3/24",
                    limit=90, nics=[Nic(stream(path))]) as machine:
        wire.connect()
        times, start = [], time.monotonic()
        while len(times) < 4 and time.monotonic() - start < 60:
            frame = wire.receive(1)
            if frame and frame[12:14] == b"\x08\0" and frame[36:38] == b"\0\x43":
                times.append(time.monotonic())
        waits = [after - before for before, after in zip(times, times[1:])]
        assert len(waits) == 3 and waits == sorted(waits), f"waits of {waits} s"
        machine.wait_for("no DHCP server answers on port 0 .*taking the one given as fall-back", 10)
        wire.arp(OWN, ASKER)


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
    cases = (lambda folder: odd_machines(report, folder), lambda _: odd_devices(report),
             lambda folder: bad_input(report, folder), lambda folder: large_payloads(report, folder),
             lambda folder: bad_network(report, folder))
    wanted = [int(word) for word in sys.argv[1:]] or range(len(cases))
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        for number in wanted:
            cases[number](folder)
    report.exit()


main()
