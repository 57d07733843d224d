#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 900
"""One kernel file by every loader's path: each boots the echo appliance until it answers ARP.

    loader (SeaBIOS, qboot, OVMF, GRUB, iPXE) ── sluice or sluice.elf, echo.cpio, command line
    this script ── socket ── NIC: asks who has 10.51.0.2
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.wire import Wire  # noqa: E402
import qemu  # noqa: E402

OWN, ASKER = "10.51.0.2", "10.51.0.1"
LINE = f"ip={OWN}/24 ip=10.51.0.3/24"
KEY, CERTIFICATE = "/usr/share/ovmf/PkKek-1-snakeoil.key", "/usr/share/ovmf/PkKek-1-snakeoil.pem"


class Boots:
    """What the cases share: a folder, and the boot of one machine."""

    def __init__(self, report, folder):
        self.report, self.folder = report, folder

    def path(self, *parts):
        return os.path.join(self.folder, *parts)

    def uefi(self, name="uefi"):
        variables = self.path(f"{name}.vars")
        if os.path.exists(variables):
            os.unlink(variables)
        return qemu.uefi(name, variables)

    def boot(self, name, started_by, seconds=90, nic="virtio", expect=(), **machine):
        """One case: the console names the protocol, then the address answers."""
        with self.report.test(name), Wire(self.path("wire")) as wire, \
                Machine(nics=[Nic(stream(self.path("wire")), nic)], limit=seconds + 10,
                        **machine) as running:
            wire.connect()
            running.wait_for(f"started by {started_by}: .*ip={OWN}", seconds)
            running.wait_for("3 of 3 environments started", 30)
            for line in expect:
                assert running.has(line), f"no line like {line}"
            wire.arp(OWN, ASKER)

    def volume(self, name, files):
        """A folder that QEMU shows as a FAT disk: {path: source file, or content}."""
        root = self.path(name)
        for path, source in files.items():
            target = os.path.join(root, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if isinstance(source, bytes):
                with open(target, "wb") as file:
                    file.write(source)
            else:
                shutil.copyfile(source, target)
        return ["-drive", f"if=none,id=boot,format=raw,file=fat:rw:{root}",
                "-device", "ide-hd,drive=boot,bootindex=0"]


def by_qemu(boots):
    payload, linux = paths.payload("echo"), "the Linux boot protocol"
    common = {"payload": payload, "append": LINE}
    boots.boot("PVH", "PVH", kernel=paths.KERNEL, **common)
    boots.boot("SeaBIOS, -kernel", linux, kernel=paths.HYBRID, **common)
    boots.boot("SeaBIOS, -kernel, pc machine, e1000", linux, kernel=paths.HYBRID, machine="pc",
               nic="e1000", **common)
    boots.boot("OVMF, -kernel", "EFI", kernel=paths.HYBRID, memory="256M",
               firmware=boots.uefi(), **common)


# With no loader to hand over a command line, it lies beside the payload.
def by_volume(boots):
    esp = {"EFI/BOOT/BOOTX64.EFI": paths.HYBRID, "sluice.cpio": paths.payload("echo"),
           "startup.nsh": f"FS0:\\sluice.efi {LINE} initrd=\\other.cpio\r\n".encode()}
    shell = {"sluice.efi": paths.HYBRID, "other.cpio": paths.payload("echo"),
             "startup.nsh": esp["startup.nsh"]}
    boots.boot("OVMF's shell from a volume, initrd=", "EFI", memory="256M", firmware=boots.uefi(),
               kernel=None, extra=boots.volume("shell", shell))


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        boots = Boots(report, folder)
        by_qemu(boots)
        by_volume(boots)
    report.exit()


main()
