#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
"""An address of VLAN 5 beside one without a tag on one NIC port (appliances/tests/vlan.conf): each answers ARP, ICMP and
UDP with the tag that it was asked with, and is silent to every other."""
import os
import socket
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream  # noqa: E402
from harness.receivers import checksum  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.wire import MAC, Wire  # noqa: E402

PLAIN, TAGGED, VLAN = "10.51.0.2", "10.52.0.2", 5
ALL = b"\xff" * 6


def frame(to, vlan, kind, rest):
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return to + MAC + tag + struct.pack(">H", kind) + rest


def asker(address):
    return address[:-1] + "1"


def arp(address, vlan):
    return frame(ALL, vlan, 0x806, struct.pack(">HHBBH6s4s6s4s", 1, 0x800, 6, 4, 1, MAC, socket.inet_aton(
        asker(address)), b"", socket.inet_aton(address)).ljust(46, b"\0"))


def packet(to, address, vlan, protocol, rest):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(rest), 0, 0, 64, protocol, 0,
                       socket.inet_aton(asker(address)), socket.inet_aton(address))
    return frame(to, vlan, 0x800, head[:10] + struct.pack(">H", checksum(head)) + head[12:] + rest)


def ping(to, address, vlan, size):
    echo = struct.pack(">BBHHH", 8, 0, 0, 1, 1) + bytes(i & 255 for i in range(size))
    return packet(to, address, vlan, 1, echo[:2] + struct.pack(">H", checksum(echo)) + echo[4:])


def datagram(to, address, vlan, size):
    return packet(to, address, vlan, 17, struct.pack(">HHHH", 4000, 7, 8 + size, 0) + b"\x55" * size)


def same_kind(answer, question):
    """Whether a frame, given from behind its tag, is of the question's protocol, and no question of its sender's own.
    Answers differ from questions in ARP's and ICMP's kind alone."""
    if answer[:2] == b"\x08\x06":
        return question[:2] == b"\x08\x06" and answer[8:10] == b"\0\2"
    return answer[:2] == question[:2] and answer[11] == question[11] and len(answer) >= len(question)


def asks(wire, question, vlan, seconds=5):
    """What comes back to us, from behind the tag that the question had; None: nothing, or with another tag."""
    begin = frame(b"", vlan, 0, b"")[len(MAC):-2]
    wire.send(question)
    while (answer := wire.receive(seconds)) is not None:
        rest = answer[12 + len(begin):]
        if answer[:6] == MAC and not answer[12:].startswith(begin):
            return None
        # With a tag where none was asked for: the caller sees that it is no answer.
        if answer[:6] == MAC and (rest[:2] == b"\x81\0" or same_kind(rest, question[12 + len(begin):])):
            return rest
    return None


def serves(wire, address, vlan):
    """→ the MAC address that it says it has."""
    for _ in range(5):
        answer = asks(wire, arp(address, vlan), vlan)
        if answer is not None:
            break
    assert answer and answer[:2] == b"\x08\x06" and answer[16:20] == socket.inet_aton(address), answer
    mac = answer[10:16]
    for size in (0, 56, 1472):
        answer = asks(wire, ping(mac, address, vlan, size), vlan)
        assert answer and answer[22:23] == b"\0" and len(answer) >= 30 + size, (size, answer)
    return mac


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as folder, Wire(os.path.join(folder, "wire")) as wire, \
            Machine(payload=paths.payload("vlan"), nics=[Nic(stream(wire.path))], limit=80,
                    append=f"ip={PLAIN}/24 ip={TAGGED}/24@0.{VLAN}") as machine:
        wire.connect()
        machine.wait_for("ready: ", 40, count=3)
        with report.test("the address without a tag answers without one"):
            serves(wire, PLAIN, None)
        with report.test("the VLAN's address answers with its tag"):
            mac = serves(wire, TAGGED, VLAN)
        with report.test("datagrams come back with their tag"):
            for size in (1, 500, 1472):
                answer = asks(wire, datagram(mac, TAGGED, VLAN, size), VLAN)
                assert answer and answer[30:30 + size] == b"\x55" * size, (size, answer)
        with report.test("nobody answers on another's wire"):
            for address, vlan in ((PLAIN, VLAN), (TAGGED, None), (TAGGED, VLAN + 1), (TAGGED, 0), (PLAIN, VLAN + 1)):
                assert asks(wire, ping(mac, address, vlan, 56), vlan, 0.5) is None, (address, vlan)
                assert asks(wire, arp(address, vlan), vlan, 0.5) is None, (address, vlan)
        with report.test("and both still answer"):
            serves(wire, PLAIN, None)
            serves(wire, TAGGED, VLAN)
    report.exit()


main()
