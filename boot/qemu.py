# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's command line for a Sluice machine: the one place that knows it.

boot/run uses it for people, ci/harness for tests, ci/bench for measurements. A machine is described
by keyword arguments of command(); NICs by Nic objects, in the order of their port numbers.
"""
import os
import shutil
import subprocess

QEMU = "qemu-system-x86_64"

# What a person calls a NIC, and QEMU's device.
NICS = {
    "virtio": "virtio-net-pci,disable-legacy=on",
    "virtio-transitional": "virtio-net-pci,disable-legacy=off,disable-modern=off",
    "virtio-legacy": "virtio-net-pci,disable-legacy=off,disable-modern=on",
    "e1000": "e1000",
    "e1000e": "e1000e",
    "vmxnet3": "vmxnet3",
}


class Nic:
    """One NIC and what it is plugged into.

    backend: QEMU's -netdev argument without the id, such as "user" or
    "tap,ifname=tap0,script=no,downscript=no"; None: a NIC whose cable is out. boots: the machine
    boots from it, by the ROM that QEMU has for it."""

    def __init__(self, backend, model="virtio", mac=None, options="", boots=False):
        if model not in NICS:
            raise ValueError(f"no NIC model '{model}' (there are {', '.join(NICS)})")
        self.backend, self.model, self.mac = backend, model, mac
        self.options, self.boots = options, boots

    def arguments(self, number):
        mac = self.mac or f"52:54:00:51:1c:{number:02x}"
        device = f"{NICS[self.model]},mac={mac}" + (f",{self.options}" if self.options else "")
        if "romfile" not in device and not self.boots:
            device += ",romfile="
        if self.boots:
            device += ",bootindex=0"
        if self.backend is None:
            return ["-device", device]
        return ["-netdev", f"{self.backend},id=net{number}", "-device", f"{device},netdev=net{number}"]


def user_net(forwards=(), restrict=False):
    """QEMU's own NAT, without privileges: the guest is 10.0.2.15, the gateway 10.0.2.2.

    forwards: (protocol, port on the loopback of this computer, port of the guest)."""
    parts = ["user", "net=10.0.2.0/24"]
    if restrict:
        parts.append("restrict=on")
    parts += [f"hostfwd={protocol}:127.0.0.1:{port}-:{to}" for protocol, port, to in forwards]
    return ",".join(parts)


def tap(name):
    return f"tap,ifname={name},script=no,downscript=no"


def stream(path):
    """A UNIX socket on which somebody listens; each frame has its length before it (4 bytes)."""
    return f"stream,addr.type=unix,addr.path={path},server=off"


# UEFI firmware (Debian's ovmf), by what a person calls it: code, template of its variables, machine.
UEFI = {
    "uefi": ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd", "q35"),
    # Secure Boot is on and trusts the snakeoil key that comes with the package.
    "uefi-secure": ("OVMF_CODE_4M.secboot.fd", "OVMF_VARS_4M.snakeoil.fd", "q35,smm=on"),
}
UEFI_FOLDER = "/usr/share/OVMF"


def uefi(name, variables):
    """QEMU's words for UEFI firmware; `variables`: a file that keeps this machine's, made here."""
    code, template, machine = UEFI[name]
    if not os.path.exists(variables):
        shutil.copyfile(os.path.join(UEFI_FOLDER, template), variables)
    return ["-machine", machine,
            "-drive", f"if=pflash,format=raw,readonly=on,file={UEFI_FOLDER}/{code}",
            "-drive", f"if=pflash,format=raw,file={variables}",
            *(["-global", "driver=cfi.pflash01,property=secure,value=on"] * (name != "uefi"))]


def disk(path, cdrom=False):
    """A disk, or a CD, to boot from."""
    if cdrom:
        return ["-drive", f"if=none,id=boot,format=raw,media=cdrom,readonly=on,file={path}",
                "-device", "ide-cd,drive=boot,bootindex=0"]
    return ["-drive", f"if=none,id=boot,format=raw,snapshot=on,file={path}",
            "-device", "ide-hd,drive=boot,bootindex=0"]


def command(kernel=None, payload=None, append="", memory="96M", smp=1, nics=(), accel="tcg",
            cpu=None, serial="stdio", plugin=None, gdb=False, machine="q35", firmware=(), disks=(),
            screen=None, display="none", extra=(), program=QEMU):
    """The command as a list. The machine stops at reset; isa-debug-exit gives the exit status.

    disks: raw images for environments; screen: "WIDTHxHEIGHT" of a Bochs VBE display;
    firmware: words of uefi() instead of SeaBIOS, which is the default; program: another QEMU."""
    words = [program, "-nodefaults", "-no-user-config", "-display", display, "-no-reboot",
             *(firmware or ["-machine", machine]), "-accel", accel,
             "-cpu", cpu or ("host" if accel == "kvm" else "max"),
             "-m", str(memory), "-smp", str(smp), "-serial", serial,
             "-device", "isa-debug-exit,iobase=0xf4,iosize=0x04"]
    if kernel:
        words += ["-kernel", kernel]
    if payload:
        words += ["-initrd", payload]
    if screen:
        append = f"{append} screen={screen}".strip()
        words += ["-device", "VGA"]
    for number, path in enumerate(disks):
        words += ["-drive", f"if=none,id=disk{number},format=raw,file={path}",
                  "-device", f"virtio-blk-pci,drive=disk{number}"]
    if append:
        words += ["-append", append]
    for number, nic in enumerate(nics):
        words += nic.arguments(number)
    if plugin:
        words += ["-plugin", plugin]
    if gdb:
        words += ["-s", "-S"]
    return words + list(extra)


def exit_code(status):
    """What the guest gave to isa-debug-exit, or None where QEMU ended otherwise (power-off,
    signal, its own mistake)."""
    return (status - 1) // 2 if status > 0 and status % 2 else None


# Self-tests (exo/x86_64/tests) that stand for what emulated or broken KVMs get wrong: page tables and their
# flushes, the timer in the midst of ring 3, vector state.
SELF_TESTS = ("rights", "preemption", "vectors")


def kvm_known(cache):
    """What kvm_works has found since this computer was started; None: nothing yet."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    if not os.path.exists(cache):
        return None
    with open(cache, encoding="ascii") as file:
        known, _, answer = file.read().partition(" ")
    return answer.strip() == "yes" if known == _boot_id() else None


def kvm_works(image, cache):
    """Whether our kernel runs under KVM here: /dev/kvm may be there and refuse, or run guests wrongly in a machine that
    is virtual itself. `image`: boot/selftest.elf. The answer is kept in the file `cache` for kvm_known."""
    works = all(passes(image, name, "kvm") for name in SELF_TESTS)
    with open(cache, "w", encoding="ascii") as file:
        file.write(f"{_boot_id()} {'yes' if works else 'no'}\n")
    return works


def passes(image, name, accel, seconds=10):
    """Whether a self-test of the kernel comes to its end in time, and finds nothing wrong."""
    try:
        result = subprocess.run(command(image, append=f"selftest={name}", accel=accel), stdin=subprocess.DEVNULL,
                                capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return exit_code(result.returncode) == 0 and b"selftest: SUCCESS" in result.stdout


def _boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()
