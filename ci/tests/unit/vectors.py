#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The kernel touches no vector register before machine_vector_begin has saved whose they hold.

Most of the kernel is compiled without such registers, but the polling half of the packet path is not (exo/core/meson.build):
a structure that one of its functions clears before it calls machine_vector_begin is cleared by a register of the
environment that runs. So: from each function of the libraries that have none, no way leads to an instruction that has one, but
through machine_vector_begin."""
import collections
import os
import re
import sys

from harness import disassembly, paths
from harness.report import Report

PLAIN = ("exo/x86_64/libx86_kernel.a", "exo/core/libcore_kernel.a", "exo/core/libnet_control_kernel.a",
         "exo/dev/libdev_kernel.a", "exo/ext/libext_kernel.a", "filters/libflt_kernel.a")
BEGINS = {"machine_vector_begin", "take_vectors"}
# They run before there is any environment, or never come back.
BEFORE_ALL = {"dpdk_init", "net_start", "__rte_panic", "core_panic"}
FUNCTION = re.compile(r"^([0-9a-f]+) <(.*)>:$")
JUMP = re.compile(r"\t(?:call|j[a-z]+) +([0-9a-f]+) <([^>+]*)>")


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def plain_functions():
    """Names that the libraries without vector registers export."""
    names = set()
    for library in PLAIN:
        names |= {line.split()[2] for line in disassembly.output("nm", os.path.join(paths.BUILD, library)).splitlines()
                  if re.match(r"[0-9a-f]+ T ", line)}
    return names


class Kernel:
    """By address: which functions use vector registers, and which call which, before they begin."""

    def __init__(self, path):
        self.name, self.uses, self.callees = {}, {}, collections.defaultdict(set)
        self.begins = 0
        for address, name, lines in disassembly.functions(path):
            self.name[address] = name
            if name not in BEFORE_ALL:
                self._look(address, lines)

    def _look(self, function, lines):
        for line in lines:
            if "%xmm" in line or "%ymm" in line:
                self.uses.setdefault(function, line.split("\t", 1)[1])
            elif jump := disassembly.jump(line):
                self.callees[function].add(jump[1])
                if jump[2] in BEGINS:
                    self.begins += 1
                    return

    def way(self, function, seen):
        """The calls that lead to a vector register; none: None."""
        if function in self.uses:
            return [f"{self.name[function]}: {self.uses[function]}"]
        for callee in self.callees[function]:
            if callee in self.name and callee not in seen:
                seen.add(callee)
                if rest := self.way(callee, seen):
                    return [self.name[function]] + rest
        return None


def main():
    sys.setrecursionlimit(10000)
    report = Report()
    with report.test("vector registers"):
        kernel, plain = Kernel(os.path.join(paths.BUILD, "boot", "sluice.elf")), plain_functions()
        roots = [address for address, name in kernel.name.items() if name in plain]
        assert len(roots) > 300 and len(kernel.uses) > 100 and kernel.begins > 10, "the kernel was not understood"
        ways = [way for root in roots if (way := kernel.way(root, {root}))]
        assert not ways, "\n".join(" → ".join(way) for way in ways)
    report.exit()


main()
