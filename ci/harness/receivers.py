# SPDX-License-Identifier: BSD-2-Clause
"""The environments of `receivers` (appliances/tests/receivers.conf): one whose datagrams are copied,
one that exchanges frames for them, one that does so for long ones; and how to talk with them."""
import os
import socket
import struct
import subprocess

from . import paths
from .wire import MAC

ADDRESS, ASKER = "10.51.0.2", "10.51.0.1"
COPIED, EXCHANGED, MIXED, TAGGED = 0x40a2, 0x40a3, 0x40a4, 0x40a5
UNTAGGED, MIX_LEAST, HEADERS, VLAN = (COPIED, EXCHANGED, MIXED), 1000, 42, 5
READY = 4
QUEUED = 0x40a6  # a NIC function's own queue, port 1
QUEUE = """environments = ( {
  name = "queued"; image = "receiver"; arguments = [ "0" ]; frames = 1024; may = [ "console" ];
  flows = ( { name = "queued"; receive = ""; transmit = "ether src $mac and ip and udp src port 16550"; ports = [ 1 ];
    function = true; } );
},"""


def payload(folder, replace=()):
    """The appliance, with texts of its manifest replaced: (from, to) pairs."""
    path = os.path.join(folder, "receivers")
    with open(os.path.join(paths.TOP, "appliances", "tests", "receivers.conf"), encoding="utf-8") as file:
        text = file.read()
    for before, after in replace:
        assert before in text, before
        text = text.replace(before, after)
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write(text)
    images = [word for part in ("tests", "init", "echo")
              for word in ("-I", os.path.join(paths.BUILD, "appliances", part))]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), *images, "-o", path + ".cpio",
                    path + ".conf"], check=True)
    return path + ".cpio"


def checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def datagram(to, port, payload_bytes, vlan=None):
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 28 + len(payload_bytes), 0, 0, 64, 17, 0,
                       socket.inet_aton(ASKER), socket.inet_aton(ADDRESS))
    head = head[:10] + struct.pack(">H", checksum(head)) + head[12:]
    tag = b"" if vlan is None else struct.pack(">HH", 0x8100, vlan)
    return to + MAC + tag + b"\x08\x00" + head + \
        struct.pack(">HHHH", 4000, port, 8 + len(payload_bytes), 0) + payload_bytes


def marked(to, port, size):
    """A datagram full of the receiver's mark."""
    return datagram(to, port, bytes([port & 0xff]) * size)


def answer(wire, to, port, vlan=None, question=b"?", seconds=5):
    """Datagrams, those that were exchanged, those that were wrong, answers that were refused; None
    where no answer comes, with the same tag, if any."""
    wire.send(datagram(to, port, question.ljust(18, b"\0"), vlan))
    begin = datagram(to, port, b"", vlan)[12:-28]
    while (frame := wire.receive(seconds)) is not None:
        at = 12 + len(begin)
        if frame[12:at] == begin and frame[at + 9] == 17 and frame[at + 20:at + 22] == struct.pack(">H", port):
            return struct.unpack("<QQQQ", frame[at + 28:at + 60])
    return None


def counts(wire, to, port, vlan=None):
    """The same, asked again where nothing came in time."""
    for _ in range(5):
        found = answer(wire, to, port, vlan)
        if found:
            return found
    raise AssertionError(f"port {port} does not answer")
