# SPDX-License-Identifier: BSD-2-Clause
"""The Linux guest beside which Sluice is measured: Debian's cloud kernel as it comes, and an
initramfs of our making with a static busybox. One vCPU, virtio, the same cable."""
import glob
import os
import platform
import re
import subprocess

from . import paths

ENTRY = 0x100000  # where the boot protocol enters the 32-bit kernel (Documentation/arch/x86/boot)
MODULES = ["virtio_pci", "virtio_net"]


class Linux:
    """Kernel and initramfs; made once per init script."""

    def __init__(self):
        self.kernel, self.modules = self._find()
        self.release = os.path.basename(self.modules)

    @staticmethod
    def _find():
        """Installed here, or fetched and unpacked without installing."""
        for root in ("/", None):
            if root is None:
                root = Linux._fetch()
            kernels = sorted(glob.glob(os.path.join(root, "boot", "vmlinuz-*-cloud-amd64")))
            for kernel in reversed(kernels):
                release = os.path.basename(kernel)[len("vmlinuz-"):]
                folder = os.path.join(root, "lib", "modules", release)
                if os.path.isdir(os.path.join(folder, "kernel")):
                    return kernel, folder
        raise FileNotFoundError("no cloud kernel could be fetched")

    @staticmethod
    def _fetch():
        depends = subprocess.run(["apt-cache", "depends", "linux-image-cloud-amd64"], check=True,
                                 capture_output=True, text=True).stdout
        name = re.search(r"Depends: (linux-image-\S+-cloud-amd64)", depends).group(1)
        return subprocess.run([os.path.join(paths.TOP, "ci", "fetch"), "package", name], check=True,
                              capture_output=True, text=True).stdout.strip()

    def _needed_modules(self):
        """The wanted modules' files, those that others need first: by the names that each .ko
        lists under `depends` (modinfo reads it)."""
        ordered = []

        def add(name):
            name = name.replace("-", "_")
            found = [path for path in glob.glob(os.path.join(self.modules, "kernel", "**", "*.ko"),
                                                recursive=True)
                     if os.path.basename(path)[:-3].replace("-", "_") == name]
            if not found or found[0] in ordered:
                return
            depends = subprocess.run(["/sbin/modinfo", "-F", "depends", found[0]], check=True,
                                     capture_output=True, text=True).stdout.strip()
            for other in filter(None, depends.split(",")):
                add(other)
            ordered.append(found[0])

        for name in MODULES:
            add(name)
        return ordered

    def initramfs(self, path, commands, files=()):
        """Writes an initramfs that loads the modules and runs the shell commands. files: programs
        of this computer, by their path in the guest."""
        modules = self._needed_modules()
        load = "".join(f"insmod /{os.path.basename(module)}\n" for module in modules)
        script = "#!/bin/sh\n/bin/busybox --install -s /bin\n" + load + commands + \
                 "\nwhile :; do sleep 1000; done\n"
        with open("/bin/busybox", "rb") as file:
            busybox = file.read()
        members = [("bin", 0o40755, b""), ("dev", 0o40755, b""), ("bin/busybox", 0o100755, busybox),
                   ("bin/sh", 0o120777, b"busybox"), ("init", 0o100755, script.encode())]
        for module in modules:
            with open(module, "rb") as file:
                members.append((os.path.basename(module), 0o100644, file.read()))
        for name, source in dict(files).items():
            members += folders_for(name, members)
            with open(source, "rb") as file:
                members.append((name, 0o100755, file.read()))
        with open(path, "wb") as file:
            file.write(cpio(members))
        return path

    def describe(self):
        return f"Linux {self.release}, {platform.machine()}"


def folders_for(name, members):
    """The folders of a path that are not among the members yet."""
    known = {member[0] for member in members}
    parts = name.split("/")[:-1]
    paths_ = ["/".join(parts[:i + 1]) for i in range(len(parts))]
    return [(path, 0o40755, b"") for path in paths_ if path not in known]


def cpio(members):
    """A newc archive of (name, mode, data); the console device is added."""
    out = b""
    for number, (name, mode, data) in enumerate(members + [("TRAILER!!!", 0, b"")]):
        out += _member(number, name, mode, data)
        if number == 1:
            out += _member(1000, "dev/console", 0o20600, b"", (5, 1))
    return out


def _member(number, name, mode, data, device=(0, 0)):
    encoded = name.encode() + b"\0"
    fields = [number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(encoded), 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + encoded
    head += bytes(-len(head) % 4)
    return head + data + bytes(-len(data) % 4)
