# SPDX-License-Identifier: BSD-2-Clause
"""Reads pcapng strictly (draft-ietf-opsawg-pcapng): what our writers write, and nothing else passes."""
import collections
import os
import struct
import time

SECTION, INTERFACE, STATISTICS, PACKET = 0x0a0d0d0a, 1, 5, 6

Interface = collections.namedtuple("Interface", "link snap options")
Packet = collections.namedtuple("Packet", "interface time_ns length data options")
Statistics = collections.namedtuple("Statistics", "interface time_ns options")


class Capture:
    """interfaces, packets, statistics of one section; options by number, as bytes. `whole`: the file has
    its end; else a last block that is cut is left out."""

    def __init__(self, data, whole=True):
        self.section, self.interfaces, self.packets, self.statistics = None, [], [], []
        at = 0
        while at + 12 <= len(data):
            kind, length = struct.unpack_from("<II", data, at)
            assert length % 4 == 0 and length >= 12, f"a block of {length} bytes at {at}"
            if at + length > len(data):
                break
            assert struct.unpack_from("<I", data, at + length - 4)[0] == length, f"two lengths at {at}"
            self._block(kind, data[at + 8:at + length - 4], at)
            at += length
        assert not whole or at == len(data), f"{len(data) - at} bytes behind the last block"

    def _block(self, kind, body, at):
        assert (kind == SECTION) == (at == 0), f"block {kind} at {at}"
        if kind == SECTION:
            assert struct.unpack_from("<IHH", body) == (0x1a2b3c4d, 1, 0)
            self.section = options(body[16:])
        elif kind == INTERFACE:
            link, zero, snap = struct.unpack_from("<HHI", body)
            assert zero == 0
            self.interfaces.append(Interface(link, snap, options(body[8:])))
        elif kind == PACKET:
            number, high, low, captured, length = struct.unpack_from("<5I", body)
            assert number < len(self.interfaces), f"a packet of interface {number} before it"
            assert captured <= length
            self.packets.append(Packet(number, high << 32 | low, length, body[20:20 + captured],
                                       options(body[20 + (captured + 3) // 4 * 4:])))
        elif kind == STATISTICS:
            number, high, low = struct.unpack_from("<3I", body)
            assert number < len(self.interfaces)
            self.statistics.append(Statistics(number, high << 32 | low, options(body[12:])))
        else:
            raise AssertionError(f"block {kind}")

    def names(self):
        """Of the interfaces."""
        return [interface.options[2].decode() for interface in self.interfaces]

    def of(self, number):
        """Packets of one interface."""
        return [packet for packet in self.packets if packet.interface == number]

    def last_counts(self, number):
        """(NIC drops, accepted, lost, delivered) as last told; zeros: never."""
        told = [each.options for each in self.statistics if each.interface == number]
        return tuple(count(told[-1][code]) if told else 0 for code in (5, 6, 7, 8))


def read_growing(path, enough, seconds=20):
    """What a file that is still written holds, once it is enough (a function of the Capture)."""
    deadline = time.monotonic() + seconds
    while True:
        data = b""
        if os.path.exists(path):
            with open(path, "rb") as file:
                data = file.read()
        found = Capture(data, whole=False)
        if enough(found):
            return found
        assert time.monotonic() < deadline, f"{len(found.packets)} packets, {found.names()}, {found.statistics[-2:]}"
        time.sleep(0.2)


def count(value):
    return struct.unpack("<Q", value)[0]


def options(data):
    found, at = {}, 0
    while at < len(data):
        code, size = struct.unpack_from("<HH", data, at)
        if code == 0:
            assert (size, at + 4) == (0, len(data)), "options go on behind their end"
            return found
        assert at + 4 + size <= len(data)
        found[code] = data[at + 4:at + 4 + size]
        at += 4 + (size + 3) // 4 * 4
    assert not found, "options without an end"
    return found
