#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
"""Payloads that are cut, damaged or missing: the console names what is wrong, and the machine ends by
itself; it neither hangs nor starts what it could not verify. payloads.py has the damage that costs
only one environment."""
import os
import re
import tempfile

from harness import paths
from harness.machine import Machine
from harness.report import Report


def member(archive, name):
    """Where the data of a member lies, and how long it is."""
    at = 0
    while archive[at:at + 6] == b"070701":
        size, length = (int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in (6, 11))
        data = (at + 110 + length + 3) & ~3
        if archive[at + 110:at + 110 + length - 1] == name.encode():
            return data, size
        at = (data + size + 3) & ~3
    raise KeyError(name)


def changed(archive, at, new):
    return archive[:at] + new + archive[at + len(new):]


def cases(archive):
    """(name, payload or None, what the console must say)."""
    manifest, size = member(archive, "manifest")
    init, _ = member(archive, "init")
    host, host_size = member(archive, "echo-host")
    yield "no payload", None, r"(?i)payload|init"
    yield "no archive", b"hello " * 100, r"newc magic"
    yield "a cut header", archive[:60], r"(?i)payload|cpio|archive|cut"
    yield "cut inside init", archive[:init + 1000], r"(?i)payload|archive|cut|beyond|end"
    yield "cut inside an image", archive[:host + host_size // 2], r"(?i)payload|archive|init"
    yield "a manifest of another kind", changed(archive, manifest, b"XXXX"), r"(?i)manifest"
    yield "a manifest with wild offsets", changed(archive, manifest + 16, b"\xff" * 40), \
        r"(?i)manifest"
    yield "an init that is no ELF", changed(archive, init, b"nope"), r"(?i)elf|init"
    yield "an init for another architecture", changed(archive, init + 18, b"\xb7"), r"not for x86-64"
    yield "an init with a wild entry", changed(archive, init + 24, b"\xff" * 8), r"(?i)elf|init|entry"
    yield "an init with wild headers", changed(archive, init + 32, b"\xff" * 8), r"(?i)elf|init|header"
    assert size > 56


def main():
    report = Report()
    with open(paths.payload("echo"), "rb") as file:
        archive = file.read()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        for name, data, says in cases(archive):
            path = None
            if data is not None:
                path = os.path.join(folder, "payload")
                with open(path, "wb") as file:
                    file.write(data)
            with report.test(name), Machine(payload=path, append="ip=10.0.0.2/24 ip=10.0.0.3/24",
                                            limit=25) as machine:
                code = machine.wait_exit(20)
                assert code != 0, f"it ended as if all were well:\n{machine.console()}"
                assert not machine.has("ready: "), machine.console()
                lines = machine.console().splitlines()[3:]
                assert any(re.search(says, line) for line in lines), "\n".join(lines)
                print("    " + (lines or [""])[-1])
    report.exit()


if __name__ == "__main__":
    main()
