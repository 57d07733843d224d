#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Wrap the kernel into the hybrid image: Linux boot protocol and PE/EFI application at once.

usage: mkhybrid.py SLUICE.elf EFI.o OUT.elf OUT VERSION SETUP.S ENTER.S HYBRID.ld

The kernel's segments go in as they lie in memory; hybrid/ has the rest. OUT.elf is for gdb and nm.
"""
import os
import subprocess
import sys
import tempfile


def symbols(image, names):
    listing = subprocess.run(["nm", image], check=True, capture_output=True, text=True).stdout
    found = {}
    for line in listing.splitlines():
        parts = line.split()
        if len(parts) == 3 and parts[2] in names:
            found[parts[2]] = int(parts[0], 16)
    missing = set(names) - set(found)
    if missing:
        sys.exit(f"mkhybrid: {image} has no {', '.join(sorted(missing))}")
    return found


def main():
    kernel, efi, elf, out, version, setup, enter, script = sys.argv[1:]
    at = symbols(kernel, ["kernel_start", "kernel_end", "boot_entry", "boot_stack_top", "boot_info"])
    start = at["kernel_start"]
    definitions = {
        "kernel_memory": at["kernel_end"] - start,
        "kernel_entry": at["boot_entry"] - start,
        "kernel_stack": at["boot_stack_top"] - start,
        "kernel_boot_info": at["boot_info"] - start,
    }
    with tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
        subprocess.run(["objcopy", "-O", "binary", kernel, os.path.join(scratch, "kernel.bin")],
                       check=True)
        subprocess.run(
            ["gcc", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", f"-Wl,-T,{script}",
             "-Wl,-z,noexecstack", "-Wl,--no-warn-rwx-segments", "-Wl,-z,max-page-size=4096",
             "-Wl,--no-relax",
             f'-DSLUICE_VERSION="{version}"', f"-Wa,-I,{scratch}",
             *(f"-Wl,--defsym={name}={value:#x}" for name, value in definitions.items()),
             setup, enter, efi, "-o", elf], check=True)
        subprocess.run(["objcopy", "-O", "binary", elf, out], check=True)


main()
