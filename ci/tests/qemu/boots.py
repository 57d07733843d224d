#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 900
"""One kernel file by every loader's path: each boots the echo appliance until it answers ARP.

    loader (SeaBIOS, qboot, OVMF, GRUB, iPXE) ── sluice or sluice.elf, echo.cpio, command line
    this script ── socket ── NIC: asks who has 10.51.0.2
"""
import os
import shutil
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.udp_client import ask  # noqa: E402
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


    boots.boot("microvm, qboot, PCI Express", linux, kernel=paths.HYBRID,
               machine="microvm,pcie=on,acpi=on,rtc=on", **common)
    boots.boot("microvm, PVH, PCI Express", "PVH", kernel=paths.KERNEL,
               machine="microvm,pcie=on,acpi=on,rtc=on", **common)


def by_volume(boots):
    payload = paths.payload("echo")
    esp = {"EFI/BOOT/BOOTX64.EFI": paths.HYBRID, "sluice.cpio": payload,
           "sluice.args": LINE.encode() + b"\n"}
    shell = {"sluice.efi": paths.HYBRID, "other.cpio": payload,
             "startup.nsh": f"FS0:\\sluice.efi {LINE} initrd=\\other.cpio\r\n".encode()}
    boots.boot("OVMF from a system partition", "EFI", memory="256M", firmware=boots.uefi(),
               kernel=None, extra=boots.volume("esp", esp))
    boots.boot("OVMF's shell, initrd=", "EFI", memory="256M", firmware=boots.uefi(),
               kernel=None, extra=boots.volume("shell", shell))


# ---- What mkappliance writes -------------------------------------------------------------------


def make_images(boots, name, *options):
    subprocess.run([os.path.join(paths.TOP, "boot", "mkappliance"), "--append", LINE, *options,
                    "-o", boots.path(name + ".cpio"),
                    os.path.join(paths.TOP, "appliances", "echo", "echo.conf")], check=True)


def by_media(boots):
    linux = "the Linux boot protocol"
    make_images(boots, "first")
    make_images(boots, "second")
    with boots.report.test("images of the same input are the same"):
        for kind in ("cpio", "iso", "img"):
            first, second = (open(boots.path(f"{name}.{kind}"), "rb").read()
                             for name in ("first", "second"))
            assert first == second, f"{kind} differs"
    iso, img = boots.path("first.iso"), boots.path("first.img")
    boots.boot("ISO as CD, BIOS", linux, extra=qemu.disk(iso, cdrom=True), kernel=None)
    boots.boot("ISO as disk, BIOS", linux, extra=qemu.disk(iso), kernel=None)
    boots.boot("disk image, BIOS", linux, extra=qemu.disk(img), kernel=None)
    for name, words in (("ISO as CD", qemu.disk(iso, cdrom=True)), ("ISO as disk", qemu.disk(iso)),
                        ("disk image", qemu.disk(img))):
        boots.boot(f"{name}, UEFI", "EFI", extra=words, kernel=None, memory="256M",
                   firmware=boots.uefi())


def by_secure_boot(boots):
    key = boots.path("key.pem")
    subprocess.run(["openssl", "rsa", "-in", KEY, "-passin", "pass:snakeoil", "-out", key],
                   check=True, capture_output=True)
    make_images(boots, "signed", "--sign", key, CERTIFICATE)
    common = {"kernel": None, "memory": "256M"}
    boots.boot("Secure Boot, signed disk image", "EFI", extra=qemu.disk(boots.path("signed.img")),
               firmware=boots.uefi("uefi-secure"), expect=["Secure Boot"], **common)
    boots.boot("the signed image by BIOS", "the Linux boot protocol",
               extra=qemu.disk(boots.path("signed.img")), kernel=None)
    with boots.report.test("Secure Boot refuses what is not signed"), \
            Machine(limit=60, firmware=boots.uefi("uefi-secure"), **common,
                    extra=boots.volume("plain", {"EFI/BOOT/BOOTX64.EFI": paths.HYBRID})) as machine:
        machine.wait_for("Access Denied|Security Violation", 50)
        assert not machine.has("Sluice .* started by")


# ---- GRUB on UEFI ------------------------------------------------------------------------------


GRUB_MODULES = ["part_gpt", "part_msdos", "fat", "normal", "linux", "linuxefi", "chain", "serial",
                "terminal", "search", "configfile", "echo"]


def by_grub(boots):
    for how, lines, by in (
            ("linux", f"linux /sluice {LINE}\ninitrd /echo.cpio\n", "the Linux boot protocol"),
            ("linuxefi", f"linuxefi /sluice {LINE}\ninitrdefi /echo.cpio\n", "EFI"),
            ("chainloader", f"chainloader /sluice {LINE} initrd=/echo.cpio\n", "EFI")):
        grub = boots.path(how + ".efi")
        early = boots.path(how + ".cfg")
        with open(early, "w", encoding="ascii") as file:
            file.write("search --file /echo.cpio --set=root\n" + lines + "boot\n")
        subprocess.run(["grub-mkimage", "-O", "x86_64-efi", "-o", grub, "-c", early, "-p", "/",
                        *GRUB_MODULES], check=True)
        boots.boot(f"GRUB on UEFI, {how}", by, kernel=None, memory="512M", firmware=boots.uefi(),
                   extra=boots.volume(how, {"EFI/BOOT/BOOTX64.EFI": grub, "sluice": paths.HYBRID,
                                            "echo.cpio": paths.payload("echo")}))


# ---- iPXE from the NIC's ROM -------------------------------------------------------------------


def by_ipxe(boots):
    """QEMU's own network serves a script by TFTP; the machine's answers show that it came up."""
    root = boots.path("tftp")
    os.makedirs(root)
    shutil.copyfile(paths.HYBRID, os.path.join(root, "sluice"))
    shutil.copyfile(paths.payload("echo"), os.path.join(root, "echo.cpio"))
    with open(os.path.join(root, "boot.ipxe"), "w", encoding="ascii") as file:
        file.write("#!ipxe\nkernel sluice ip=10.0.2.15/24 ip=10.0.2.16/24 initrd=echo.cpio\n"
                   "initrd --name echo.cpio echo.cpio\nboot\n")
    for nic in ("virtio", "e1000"):
        for name, firmware, by in (("BIOS", (), "the Linux boot protocol"),
                                   ("UEFI", boots.uefi(), "EFI")):
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            backend = (f"user,net=10.0.2.0/24,tftp={root},bootfile=boot.ipxe,"
                       f"hostfwd=udp:127.0.0.1:{port}-10.0.2.15:7")
            with boots.report.test(f"iPXE in the NIC's ROM, {name}, {nic}"), \
                    Machine(kernel=None, limit=100, nics=[Nic(backend, nic, boots=True)],
                            memory="256M", firmware=firmware) as machine:
                machine.wait_for(f"started by {by}: ", 80)
                machine.wait_for("3 of 3 environments started", 30)
                right = ask("127.0.0.1", port, 8)
                assert right == 8, f"{right} of 8 answers"


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        boots = Boots(report, folder)
        for case in (by_qemu, by_volume, by_media, by_secure_boot, by_grub, by_ipxe):
            if len(sys.argv) < 2 or case.__name__ in sys.argv[1:]:
                case(boots)
    report.exit()


main()
