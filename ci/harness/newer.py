# SPDX-License-Identifier: BSD-2-Clause
"""A newer QEMU than the installed one, for what that has no model of: igb, x2APIC without KVM.

Debian's backport is unpacked beside the installed QEMU and run from there.
"""
import os
import subprocess

from . import paths


def newer_qemu():
    """The words of Machine that choose it, or None where it can't be had."""
    folders = []
    for package in ("qemu-system-x86", "qemu-system-data"):
        got = subprocess.run([os.path.join(paths.TOP, "ci", "fetch"), "backport", package],
                             capture_output=True, text=True)
        if got.returncode:
            return None
        folders.append(got.stdout.strip())
    program = os.path.join(folders[0], "usr/bin/qemu-system-x86_64")
    if subprocess.run([program, "--version"], capture_output=True).returncode:
        return None  # a library that it wants is not here
    words = [word for folder in [os.path.join(path, "usr/share/qemu") for path in folders] +
             ["/usr/share/seabios"] for word in ("-L", folder)]
    return {"program": program, "extra": words}
