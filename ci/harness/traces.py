# SPDX-License-Identifier: BSD-2-Clause
"""Captures made up for tests: frames of every shape that the replay tool speaks of, and the file
formats around them. The same call gives the same bytes."""
import struct

ETHERNET, RAW, COOKED, COOKED2, RADIOTAP = 1, 101, 113, 276, 127
MACS = bytes.fromhex("020000000001" "020000000002")


def ethernet(ethertype, payload, tags=()):
    """A frame; tags are VLAN ids, outermost first."""
    header = MACS
    for tag in tags:
        header += struct.pack(">HH", 0x8100, tag)
    return header + struct.pack(">H", ethertype) + payload


def ipv4(protocol, payload, source="10.0.0.1", target="192.168.1.2", fragment=0, options=b""):
    """fragment: the whole 16-bit field, flags and offset."""
    words = 5 + len(options) // 4
    return struct.pack(">BBHHHBBH4s4s", 0x40 | words, 0, 4 * words + len(payload), 1, fragment, 64,
                       protocol, 0, _address(source), _address(target)) + options + payload


def _address(text):
    return bytes(int(part) for part in text.split("."))


def ipv6(following, payload):
    return struct.pack(">IHBB", 6 << 28, len(payload), following, 64) + bytes(range(32)) + payload


def udp(source, target, size):
    return struct.pack(">HHHH", source, target, 8 + size, 0) + bytes(i & 255 for i in range(size))


def tcp(source, target, flags, size):
    return struct.pack(">HHIIBBHHH", source, target, 1, 2, 0x50, flags, 1000, 0, 0) + bytes(size)


def shapes():
    """Ethernet frames of every shape, all sendable on a port that takes 1,518 bytes."""
    yield ethernet(0x0806, bytes(28))
    yield ethernet(0x0800, b"")  # as short as a frame can be
    yield ethernet(0x0800, b"\x45")
    for ports in ((53, 9), (9, 53), (1024, 65535), (80, 80)):
        yield ethernet(0x0800, ipv4(17, udp(*ports, 40)))
        yield ethernet(0x0800, ipv4(6, tcp(*ports, 2, 0)))
        yield ethernet(0x86dd, ipv6(17, udp(*ports, 12)))
        yield ethernet(0x86dd, ipv6(6, tcp(*ports, 17, 300)))
    yield ethernet(0x0800, ipv4(6, tcp(80, 1000, 16, 1200), options=bytes([1] * 40)))
    yield ethernet(0x0800, ipv4(17, udp(53, 53, 400), fragment=0x2000))
    yield ethernet(0x0800, ipv4(17, bytes(400), fragment=0x2010))
    yield ethernet(0x0800, ipv4(17, bytes(8), fragment=0x0020))
    yield ethernet(0x0800, ipv4(1, bytes(64)))
    yield ethernet(0x86dd, ipv6(58, bytes(64)))
    yield ethernet(0x86dd, ipv6(44, bytes([17, 0, 0, 1, 0, 0, 0, 1]) + udp(53, 53, 8)))
    yield ethernet(0x0800, ipv4(6, tcp(80, 443, 2, 10)), tags=[7])
    yield ethernet(0x0800, ipv4(17, udp(53, 443, 10)), tags=[7, 8])
    yield ethernet(0x0800, ipv4(6, tcp(80, 443, 2, 10)), tags=[1, 2, 3])
    yield ethernet(0x8847, bytes.fromhex("00001140") + ipv4(6, tcp(80, 443, 2, 10)))
    yield ethernet(0x88b5, b"SLXC" + bytes(60))  # what a host channel looks like
    yield ethernet(46, bytes(46))  # a length, not a type
    yield ethernet(0x0800, ipv4(6, tcp(443, 443, 4, 1518 - 54)))


def microseconds(link, records, nanoseconds=False):
    """A pcap file; a record is bytes, or (bytes, length on the wire)."""
    parts = [struct.pack("<IHHIIII", 0xa1b23c4d if nanoseconds else 0xa1b2c3d4, 2, 4, 0, 0, 262144,
                         link)]
    for number, record in enumerate(records):
        data, length = record if isinstance(record, tuple) else (record, len(record))
        parts.append(struct.pack("<IIII", 1000 + number, number, len(data), length) + data)
    return b"".join(parts)


def pcapng(link, records):
    def block(kind, body):
        body += bytes(-len(body) % 4)
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    parts = [block(0x0a0d0d0a, struct.pack("<IHHq", 0x1a2b3c4d, 1, 0, -1)),
             block(1, struct.pack("<HHI", link, 0, 262144))]
    for number, data in enumerate(records):
        parts.append(block(6, struct.pack("<IIIII", 0, 0, number, len(data), len(data)) + data))
    return b"".join(parts)


def cooked(frame):
    return struct.pack(">HHH", 0, 1, 6) + MACS[6:] + bytes(2) + frame[12:14] + frame[14:]


def cooked2(frame):
    return frame[12:14] + struct.pack(">HIHBB", 0, 1, 1, 0, 6) + MACS[6:] + bytes(2) + frame[14:]
