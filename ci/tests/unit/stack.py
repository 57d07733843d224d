#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel's stack has room for what its code calls, and for what handlers call in the middle of it.

A core's stack holds a call's or a poll's own chain of functions, a program of three that call each other, which may be
interpreted, what a service of the kernel's does for it, and the handlers of an event that this raises, three programs deep
again. Programs and services are reached by pointers; what is reached by names is added up here, from the machine code. Too
high where a function takes its room on several ways; what never comes back is left out, and what a driver's function takes
by a size that it finds out while it runs: ours may not."""
import os
import re
import sys

from harness import disassembly, paths
from harness.report import Report

PARTS = 16  # of the stack
MOST_OF_CHAIN, MOST_OF_FRAME = 7, 3  # a chain of functions; one function of ours
NEVER_BACK = re.compile(r"panic|__stack_chk_fail|__assert")
OURS = ("exo/x86_64/libx86_kernel.a", "exo/core/libcore_kernel.a", "exo/core/libnet_control_kernel.a",
        "exo/core/libnet_poll_kernel.a", "exo/dev/libdev_kernel.a", "exo/ext/libext_kernel.a", "exo/ext/libext_poll_kernel.a",
        "filters/libflt_kernel.a")
RETURN_BYTES = 8


def stack_bytes():
    """CPU_STACK_BYTES."""
    with open(os.path.join(paths.TOP, "exo", "x86_64", "cpu.h"), encoding="utf-8") as file:
        return int(re.search(r"CPU_STACK_BYTES = (\d+) << 10", file.read())[1]) << 10


def frame_bytes(lines):
    """What a function takes; None: as much as it finds out while it runs."""
    size = RETURN_BYTES
    for line in lines:
        if re.search(r"\tpush ", line):
            size += 8
        elif taken := re.search(r"\t(sub|add) +\$(-?)0x([0-9a-f]+),%rsp", line):
            number = int(taken[3], 16)
            number = number - (1 << 64) if number >> 63 else number
            number = -number if taken[2] else number
            size += max(0, number if taken[1] == "sub" else -number)
        elif re.search(r"\tsub +%r[a-z0-9]+,%rsp", line):
            return None
    return size


class Kernel:
    def __init__(self, path):
        self.name, self.frame, self.callees, self.known = {}, {}, {}, {}
        for address, name, lines in disassembly.functions(path):
            self.name[address], self.frame[address] = name, frame_bytes(lines)
            jumps = [found for found in map(disassembly.jump, lines) if found]
            self.callees[address] = {at for _, at, to in jumps if not NEVER_BACK.search(to)} - {address}

    def chain(self, function, above=()):
        """(bytes, names) of the deepest chain of calls; one that comes back to where it was ends there."""
        if function in self.known:
            return self.known[function]
        best = 0, []
        for callee in self.callees[function]:
            if callee in self.frame and callee not in above:
                best = max(best, self.chain(callee, (*above, function)))
        self.known[function] = (self.frame[function] or 0) + best[0], [self.name[function], *best[1]]
        return self.known[function]


def names_of(library):
    return {line.split()[2] for line in disassembly.output("nm", os.path.join(paths.BUILD, library)).splitlines()
            if re.match(r"[0-9a-f]+ [tT] ", line)}


def main():
    sys.setrecursionlimit(10000)
    report, room = Report(), stack_bytes()
    kernel = Kernel(os.path.join(paths.BUILD, "boot", "sluice.elf"))
    assert len(kernel.name) > 5000 and sum(map(len, kernel.callees.values())) > 10000, "the kernel was not understood"
    with report.test("chains of calls on the kernel's stack"):
        size, names = max(map(kernel.chain, kernel.frame))
        print(f"# the deepest takes {size} of {room} bytes: {' → '.join(names)}")
        assert 4096 < size <= room * MOST_OF_CHAIN // PARTS, f"{size} of {room} bytes: {' → '.join(names)}"
    with report.test("frames of the kernel's functions"):
        ours = set().union(*map(names_of, OURS))
        frames = {kernel.name[at]: size for at, size in kernel.frame.items() if kernel.name[at] in ours}
        wrong = [f"{name}: {size or 'as many as it asks for'} bytes" for name, size in frames.items()
                 if size is None or size > room * MOST_OF_FRAME // PARTS]
        assert len(frames) > 500 and not wrong, "\n".join(wrong)
    report.exit()


main()
