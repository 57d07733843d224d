#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
"""What is lost on the machine is counted at its stage, and with the environment that caused it; nobody else loses
anything. Port 0 is virtio, where all of them live; port 1 a vmxnet3, which finds a frame too long by itself.

The monitor's `drops` says so; stages that no model in QEMU lets lose (a NIC without buffers, the pool, a full NIC
queue, what a driver lets pass that is no frame) have exo/core/tests/test_net_drops.c."""
import os
import re
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths, receivers  # noqa: E402
from harness.machine import Machine, Nic, stream  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.wire import MAC, Wire  # noqa: E402

SLUICE_MAC = bytes.fromhex("525400511c00")
SENT, FEW, RING = 20, 4, 8
PORTS = {"hoarder": 5001, "deaf": 5002, "fine": receivers.COPIED}
# Of each environment: no buffer, ring full, refused, bad descriptors, waited, reports.
LOST = {"hoarder": [SENT - FEW, 0, 0, 0, 0, 0], "deaf": [0, SENT - RING, 0, 0, 0, 0], "liar": [0, 0, FEW, 0, 0, 0],
        "wild": [0, 0, 0, FEW, 0, 0], "mute": [0, 0, 0, 0, 0, 5], "fine": [0] * 6, "tapping": [SENT - FEW, 0, 0, 0, 0, 0], "monitor": [0] * 6}
NOBODYS, SHORT, FRAGMENTS, LONG = 7, 5, 3, 2


def loser(name):
    receive = f'receive = "udp dst port {PORTS[name]}"; ' if name in PORTS else ""
    transmit = "" if receive else 'transmit = "ether src $mac and udp src port 5000"; '
    return (f'{{ name = "{name}"; image = "loser"; arguments = [ "{name}" ]; frames = 64; may = [ "console" ]; '
            f'flows = ( {{ name = "{name}"; {receive}{transmit}ports = [ 0 ]; share = true; }} ); }}')


CONF = 'name = "drops";\nenvironments = (\n' + ",\n".join([
    *map(loser, ("hoarder", "deaf", "liar", "wild", "mute")),
    '{ name = "fine"; image = "receiver"; arguments = [ "0" ]; frames = 1024; may = [ "console" ]; flows = ( { name = "fine";'
    f' receive = "udp dst port {PORTS["fine"]}"; transmit = "ether src $mac and udp src port {PORTS["fine"]}"; }} ); }}',
    '{ name = "tapping"; image = "loser"; arguments = [ "hoarder" ]; frames = 64; may = [ "console" ]; flows = ( { name = '
    '"tap"; receive = "udp dst port 5002"; tap = true; } ); }',
    '{ name = "monitor"; image = "monitor"; frames = 64; may = [ "console", "input", "ledger", "control" ]; }']) + "\n);\n"


def payload(folder):
    path = os.path.join(folder, "drops")
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write(CONF)
    images = [word for part in ("tests", "init", "monitor") for word in ("-I", os.path.join(paths.BUILD, "appliances", part))]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), *images, "-o", path + ".cpio", path + ".conf"],
                   check=True)
    return path + ".cpio"


def drops(machine, mark):
    """What the monitor says: rows of ports by number, and of environments by name."""
    before = len(machine.console())
    machine.send(f"drops\rmark{mark}\r")
    machine.wait_for(f"no command 'mark{mark}'", 20)
    found = {}
    for line in machine.console()[before:].splitlines():
        row = re.search(r"(?:^|\] (?:monitor: )?) *(\d+)((?: +\d+){7})$", line)
        if row:
            found[int(row[1])] = list(map(int, row[2].split()))
        row = re.search(r" (\d+) (\w+) +(\d+(?: +\d+){5})$", line)
        if row:
            found[row[2]] = list(map(int, row[3].split()))
    return found


def lose(wire, other):
    """Everything, in one go."""
    for port in PORTS.values():
        for _ in range(SENT):
            wire.send(receivers.marked(SLUICE_MAC, port, 100))
    for _ in range(NOBODYS):
        wire.send(SLUICE_MAC + MAC + b"\x88\xb7" + bytes(46))
    for _ in range(SHORT):
        wire.send(SLUICE_MAC + MAC[:4])
    for number in range(FRAGMENTS):  # later ones, whose first never comes
        frame = bytearray(receivers.datagram(SLUICE_MAC, PORTS["fine"], bytes(64)))
        frame[18:22] = struct.pack(">HH", 100 + number, 10)
        frame[24:26] = bytes(2)
        frame[24:26] = struct.pack(">H", receivers.checksum(bytes(frame[14:34])))
        wire.send(bytes(frame))
    for _ in range(LONG):
        other.send(SLUICE_MAC + MAC + b"\x88\xb7" + bytes(17000))


def await_drops(machine, wanted):
    """The last table, once all of `wanted` is there: fragments are waited for, and NICs asked ten times a second."""
    deadline, mark = time.monotonic() + 40, 0
    while True:
        mark += 1
        found = drops(machine, mark)
        if all(found.get(key) == value for key, value in wanted.items()) or time.monotonic() > deadline:
            return found
        time.sleep(0.5)


def main():
    report = Report()
    #              nic pool damaged malformed nobody's taps fragments
    ports = {0: [0, 0, SHORT, 0, NOBODYS, SENT - FEW, FRAGMENTS], 1: [0, 0, LONG, 0, 0, 0, 0]}
    with tempfile.TemporaryDirectory() as folder, Wire(os.path.join(folder, "wire")) as wire, \
            Wire(os.path.join(folder, "other")) as other, \
            Machine(payload=payload(folder), nics=[Nic(stream(wire.path)), Nic(stream(other.path), model="vmxnet3")],
                    append=f"ip={receivers.ADDRESS}/24", limit=140) as machine:
        wire.connect()
        other.connect()
        machine.wait_for("ready", 60, count=7)
        lose(wire, other)
        with report.test("who loses nothing has everything"):
            had = receivers.counts(wire, SLUICE_MAC, PORTS["fine"])
            assert had[0] == SENT, f"{had}\n{machine.console()[-2000:]}"
        found = await_drops(machine, {**ports, **LOST})
        for key, wanted in {**ports, **LOST}.items():
            with report.test(f"{key}: what it loses is counted where it is lost" if key in LOST else
                             f"port {key}: what is nobody's loss yet is counted there"):
                assert found.get(key) == wanted, f"{found.get(key)}, not {wanted}\n{machine.console()[-3000:]}"
    report.exit()


main()
