#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""Frames that change hands on the machine: three environments get datagrams full of their own marks,
copied, exchanged, or the one or the other by length, in random order and of random lengths. Each must
be whole, and in no page may there be anything of another's. They run on another core than the one that
polls, which so has to flush its translations. A fourth one lives in a VLAN: it gets and sends what has its
tag, and nothing else."""
import os
import random
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import receivers  # noqa: E402
from harness.machine import Machine, Nic, stream  # noqa: E402
from harness.receivers import COPIED, EXCHANGED, MIXED  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.wire import Wire  # noqa: E402

LONGEST, BURST, ROUNDS = 3800, 24, 20


def send_marked(wire, to):
    """Rounds of datagrams, each awaited, so that none is lost. → per receiver how many, and how many
    of them are to be exchanged."""
    numbers, sent = random.Random(1), {port: [0, 0] for port in receivers.UNTAGGED}
    for _ in range(ROUNDS):
        for _ in range(BURST):
            port, size = numbers.choice(receivers.UNTAGGED), numbers.randint(20, LONGEST)
            wire.send(receivers.marked(to, port, size))
            sent[port][0] += 1
            sent[port][1] += port == EXCHANGED or \
                (port == MIXED and size + receivers.HEADERS >= receivers.MIX_LEAST)
        for port in receivers.UNTAGGED:
            receivers.counts(wire, to, port)
    return sent


def keeps_to_its_vlan(wire, to):
    port, vlan = receivers.TAGGED, receivers.VLAN
    assert receivers.counts(wire, to, port, vlan) == (0, 0, 0, 0)
    wire.send(receivers.datagram(to, port, bytes([port & 0xff]) * 1000, vlan))
    for other in (None, vlan + 1, 0):
        wire.send(receivers.datagram(to, port, bytes([port & 0xff]) * 1000, other))
    assert receivers.counts(wire, to, port, vlan) == (1, 0, 0, 0)


def sends_into_its_vlan(wire, to, machine):
    port, vlan = receivers.TAGGED, receivers.VLAN
    assert receivers.answer(wire, to, port, vlan + 1, seconds=1) is None
    assert receivers.answer(wire, to, port, vlan, b"!", seconds=2) is None
    machine.wait_for("tagged: refused to send a frame outside its flow space", 20)
    assert receivers.counts(wire, to, port, vlan)[3] == 1


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as folder, Wire(os.path.join(folder, "wire")) as wire, \
            Machine(payload=receivers.payload(folder, [('"receiver";', '"receiver"; core = 1;')]),
                    append=f"ip={receivers.ADDRESS}/24", smp=2, nics=[Nic(stream(wire.path))],
                    limit=110) as machine:
        wire.connect()
        machine.wait_for("ready: from", 60, count=receivers.READY)
        to = wire.arp(receivers.ADDRESS, receivers.ASKER, seconds=30)
        sent = send_marked(wire, to)
        found = {port: receivers.counts(wire, to, port) for port in receivers.UNTAGGED}
        with report.test("every datagram came"):
            for port in receivers.UNTAGGED:
                assert found[port][0] == sent[port][0], f"{found} for {sent}"
        with report.test("long ones were exchanged, and only those"):
            assert found[COPIED][1] == 0, found
            for port in (EXCHANGED, MIXED):
                # A poll that finds a lock taken copies, and finds it so for as long as who holds it has no processor
                # of the host's: allowed, but not the rule.
                assert 0.1 * sent[port][1] <= found[port][1] <= sent[port][1], f"{found} for {sent}"
        with report.test("nobody holds a byte of another's"):
            assert not any(found[port][2] for port in receivers.UNTAGGED), found
        with report.test("who is in a VLAN gets what has its tag"):
            keeps_to_its_vlan(wire, to)
        with report.test("who is in a VLAN sends with its tag"):
            sends_into_its_vlan(wire, to, machine)
    report.exit()


main()
