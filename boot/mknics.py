#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The table of NICs in boot/README.md, from the id tables of the drivers that the kernel links.

usage: mknics.py KERNEL README [--check]

Each DPDK driver's object holds a line PMD_INFO_STRING with its PCI ids. With --check nothing is
written; status 1 where the table is not the kernel's.
"""
import json
import re
import sys

BEGIN, END = "<!-- nics: boot/mknics.py writes this -->", "<!-- nics end -->"
FAMILIES = {
    "net_virtio": ("virtio", "QEMU: modern, transitional, legacy; BIOS, UEFI, microvm"),
    "net_vmxnet3": ("VMware vmxnet3", "QEMU's model"),
    "net_e1000_em": ("Intel PRO/1000, 82574 … I219 (e1000, e1000e)", "QEMU: 82540EM, 82574L"),
    "net_e1000_igb": ("Intel 82575 … I350, I210, I211 (igb)", "QEMU 10: 82576"),
    "net_e1000_igb_vf": ("their virtual functions (igbvf)", "QEMU 10: 82576's"),
    "net_igc": ("Intel I225, I226 (igc)", "probe only"),
    "net_ixgbe": ("Intel 82598, 82599, X540, X550 (ixgbe)", "probe only"),
    "net_ixgbe_vf": ("their virtual functions (ixgbevf)", "probe only"),
    "net_i40e": ("Intel X710, XL710, X722 (i40e)", "probe only"),
    "net_iavf": ("Intel adaptive virtual functions (iavf)", "probe only"),
    "net_ice": ("Intel E810, E822, E823 (ice)", "probe only; without its DDP package: safe mode, one queue"),
    "net_ice_dcf": ("ice's device configuration function", "probe only"),
    "net_bnxt": ("Broadcom NetXtreme-C and -E, Stingray (bnxt)", "probe only"),
    "net_ena": ("Amazon ENA", "probe only"),
}


def drivers(kernel):
    """{driver: sorted [(vendor, device)]} of the kernel's image."""
    with open(kernel, "rb") as file:
        data = file.read()
    found = {}
    for match in re.finditer(rb"PMD_INFO_STRING= (\{[^\0]*\})", data):
        info = json.loads(match.group(1))
        ids = {(vendor, device) for vendor, device, *_ in info.get("pci_ids", [])}
        if ids:
            found[info["name"]] = sorted(ids)
    return found


def table(found):
    lines = ["| NIC family | DPDK driver | PCI ids (vendor: devices) | run on |", "|---|---|---|---|"]
    unknown = sorted(set(found) - set(FAMILIES))
    if unknown:
        sys.exit(f"mknics: say in FAMILIES what {', '.join(unknown)} drives")
    for name, (family, ran) in FAMILIES.items():
        if name not in found:
            continue
        vendors = {}
        for vendor, device in found[name]:
            vendors.setdefault(vendor, []).append(f"{device:04x}")
        ids = "; ".join(f"{vendor:04x}: {' '.join(devices)}" for vendor, devices in vendors.items())
        lines.append(f"| {family} | `{name}` | {ids} | {ran} |")
    return "\n".join(lines)


def main():
    kernel, readme = sys.argv[1:3]
    with open(readme, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    new = f"{before}{BEGIN}\n{table(drivers(kernel))}\n{END}{rest.split(END)[1]}"
    if "--check" in sys.argv:
        if new != text:
            sys.exit(f"mknics: {readme}'s table of NICs is old: boot/mknics.py {kernel} {readme}")
        return
    with open(readme, "w", encoding="utf-8") as file:
        file.write(new)


main()
