#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""Disk extents: data goes out and comes back, over a reboot too; others' sectors stay as they were;
environments that end with requests under way give everything back; a machine without a disk says so."""
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine  # noqa: E402
from harness.report import Report  # noqa: E402

SECTORS, FIRST, COUNT = 4096, 64, 1003
ENV = """{{ name = "{name}"; image = "disk-user"; arguments = [ "{deed}" ]; frames = 128;
  slots = 4; core = {core}; may = [ "console" ]; content = ( "link-keeper.o" ); disk = {{ first = {first}; sectors = {count}; }}; }}"""


def payload(folder, name, environments):
    """A payload of disk-user environments: (name, deed, first, count, core)."""
    text = ",\n".join(ENV.format(name=n, deed=deed, first=first, count=count, core=core)
                      for n, deed, first, count, core in environments)
    path = os.path.join(folder, name)
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write(f'name = "{name}";\npower_off = true;\nenvironments = (\n{text} );\n')
    folders = [word for part in ("appliances/tests", "appliances/init", "filters/tests")
               for word in ("-I", os.path.join(paths.BUILD, part))]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), *folders, "-o", path + ".cpio",
                    path + ".conf"], check=True)
    return path + ".cpio"


def make_disk(folder):
    path = os.path.join(folder, "disk")
    with open(path, "wb") as file:
        file.write(b"\xee" * (SECTORS * 512))
    return path


def balanced(machine):
    """Everything is back once the last environment has ended."""
    found = machine.wait_for(r"every environment has ended; (\d+) frames are free, (\d+) were")
    if found.group(1) != found.group(2):
        raise AssertionError(f"{found.group(1)} frames are free, {found.group(2)} were before")


def moves(folder):
    disk = make_disk(folder)
    write = payload(folder, "write", [("w", "verify", FIRST, COUNT, 0)])
    with Machine(payload=write, disks=[disk]) as machine:
        machine.wait_for(rf"verify {COUNT} sectors: good; read {COUNT}, written {COUNT}, failed 0")
        balanced(machine)
        assert machine.wait_exit() == 0
    compare = payload(folder, "compare", [("c", "compare", FIRST, COUNT, 0)])
    with Machine(payload=compare, disks=[disk]) as machine:
        machine.wait_for(rf"compare {COUNT} sectors: good")
    with open(disk, "rb") as file:
        data = file.read()
    assert data[:FIRST * 512] == b"\xee" * (FIRST * 512), "sectors before the extent changed"
    assert set(data[(FIRST + COUNT) * 512:]) == {0xee}, "sectors behind the extent changed"
    assert set(data[FIRST * 512:(FIRST + COUNT) * 512]) != {0xee}


def beside(folder):
    """Two environments on two disks and two cores; the third's extent overlaps the first's. Beside them
    one whose extension handles completed requests first, and keeps house."""
    first, second = make_disk(folder), os.path.join(folder, "second")
    with open(second, "wb") as file:
        file.write(bytes(SECTORS * 512))
    both = payload(folder, "both", [("a", "verify", 0, 2000, 0), ("b", "verify", SECTORS, 2000, 1),
                                    ("c", "verify", 1999, 2, 0),
                                    ("d", "verify", 2 * SECTORS - 1, 2, 0),
                                    ("e", "handled", 2100, 500, 1)])
    with Machine(payload=both, disks=[first, second], smp=2) as machine:
        machine.wait_for("c: not started: disk sectors 1999.2 .*EXO_EBUSY")
        machine.wait_for(rf"d: not started: disk sectors {2 * SECTORS - 1}.2 .*have {2 * SECTORS}")
        machine.wait_for("a: verify 2000 sectors: good")
        machine.wait_for("b: verify 2000 sectors: good")
        machine.wait_for("e: the keeper saw 16 requests of 1000 sectors, 0 failures; told of 0 writes; house was kept")
        machine.wait_for("e: handled 500 sectors: good")
        balanced(machine)


def ends_in_the_middle(folder):
    disk = make_disk(folder)
    crash = payload(folder, "crash", [(f"x{i}", "crash", 256 * i, 256, i % 2) for i in range(6)])
    with Machine(payload=crash, disks=[disk], smp=2) as machine:
        machine.wait_for("ended: invalid instruction", count=6)
        balanced(machine)
        assert machine.wait_exit() == 1


def absent(folder):
    alone = payload(folder, "alone", [("w", "verify", 0, 8, 0)])
    with Machine(payload=alone) as machine:
        machine.wait_for(r"w: not started: disk sectors 0.8 \(the disks have 0\)")


def read_only(folder):
    """A device that refuses writes: the environment hears of it, the machine goes on."""
    disk = make_disk(folder)
    write = payload(folder, "write", [("w", "verify", 0, 64, 0)])
    extra = ["-drive", f"if=none,id=d,format=raw,readonly=on,file={disk}",
             "-device", "virtio-blk-pci,drive=d"]
    with Machine(payload=write, extra=extra) as machine:
        machine.wait_for("disk 0: sectors 0 to 4095, read-only")
        machine.wait_for("verify 64 sectors: WRONG")
        balanced(machine)


def failing(folder):
    """Sectors that the medium can't give: the request fails, the next one works."""
    disk = make_disk(folder)
    rules = os.path.join(folder, "rules")
    with open(rules, "w", encoding="ascii") as file:
        file.write('[inject-error]\nevent = "read_aio"\nerrno = "5"\niotype = "read"\nsector = "100"\n')
    write = payload(folder, "write", [("w", "verify", 0, 640, 0)])
    extra = ["-drive", f"if=none,id=d,file=blkdebug:{rules}:{disk},format=raw,rerror=report",
             "-device", "virtio-blk-pci,drive=d"]
    with Machine(payload=write, extra=extra) as machine:
        # QEMU joins requests for neighbouring sectors: more than one may fail.
        machine.wait_for(r"verify 640 sectors: WRONG; read \d+, written 640, failed [1-9]")
        balanced(machine)


def main():
    report = Report()
    for test in (moves, beside, ends_in_the_middle, absent, read_only, failing):
        with report.test(test.__name__), tempfile.TemporaryDirectory(prefix="sluice-") as folder:
            test(folder)
    report.exit()


main()
