# SPDX-License-Identifier: BSD-2-Clause
"""A capture played in every mode over a cable, each frame that arrives compared with the capture as
tcpdump, not we, reads it.

    for name, play in replay_modes.MODES.items():
        play(Capture(path, folder), namespace, folder)      # raises AssertionError
"""
import os
import subprocess

from .cable import captured, figure, read_pcap, same_frames

ETHERNET = 1
MOST_SECONDS = 2.5  # that one replay should take
TAGS = (b"\x81\0", b"\x88\xa8")
NEW_MAC = bytes.fromhex("020000000077")
REWRITE = "dst-mac=02:00:00:00:00:77 src-ip=10.77.0.0/16 src-ip=fd77::/16"


class Capture:
    """What a capture holds that a cable of this MTU carries; links other than Ethernet get a header."""

    def __init__(self, path, folder, longest=1518):
        plain = os.path.join(folder, "plain.pcap")
        subprocess.run(["tcpdump", "-q", "-r", path, "-w", plain], check=True, stderr=subprocess.DEVNULL)
        with open(plain, "rb") as file:
            head = file.read(24)
        self.path = path
        self.ethernet = int.from_bytes(head[20:22], "little") == ETHERNET
        self.records = read_pcap(plain)
        least = 14 if self.ethernet else 1
        self.frames = [(when, data) for when, data in self.records if least <= len(data)
                       and (not self.ethernet or len(data) <= longest)]
        self.seconds = max(0.001, (max(when for when, _ in self.frames) - self.frames[0][0]) / 1e9)

    def speed(self):
        """At which it ends in time: at least as it was recorded."""
        return f"{max(1, self.seconds / MOST_SECONDS):.6f}x"

    def rate(self):
        return max(1000, int(len(self.frames) / MOST_SECONDS))

    def bits(self):
        size = sum(len(data) + 38 for _, data in self.frames) * 8
        return max(1_000_000, int(size / MOST_SECONDS))

    def compare(self, document, arrived):
        """Agreement, packet by packet, and an account of every record."""
        trace = document["trace"]
        left_out = sum(row["frames"] for row in trace["left_out"])
        assert trace["records"] == len(self.records), f"{trace['records']} of {len(self.records)} records were read"
        assert trace["frames"] + left_out == trace["records"]
        assert figure(document, "sent") % trace["frames"] == 0
        if self.ethernet:
            assert trace["frames"] == len(self.frames)
            same_frames([frame for _, frame in arrived], [frame for _, frame in self.frames])
            return
        # What was behind a header of another link is behind an Ethernet header now.
        assert len(arrived) == trace["frames"]
        sent = iter(self.frames)
        for number, (_, frame) in enumerate(arrived, 1):
            assert any(data.endswith(frame[14:]) for _, data in sent), f"frame {number} is in no record"


def plain_mode(*words):
    """A mode in which frames leave as they are."""
    def play(capture, namespace, folder):
        chosen = [word(capture) if callable(word) else word for word in words]
        capture.compare(*captured(namespace, folder, capture.path, *chosen, seconds=120))
    return play


def network_of(frame):
    """Offset and kind of what follows the addresses and tags."""
    at = 12
    while frame[at:at + 2] in TAGS and at < 12 + 4 * 4 and len(frame) >= at + 6:
        at += 4
    return at + 2, frame[at:at + 2]


def sum_is_right(header):
    words = [int.from_bytes(header[i:i + 2], "big") for i in range(0, len(header) - 1, 2)]
    return sum(words) % 0xffff == 0 and any(words)


def check_rewritten(got, old):
    """The destination and the network of the source are others; only checksums changed besides."""
    assert got[:6] == NEW_MAC and got[6:12] == old[6:12] and len(got) == len(old)
    at, kind = network_of(old)
    header = old[at:]
    size = (header[0] & 15) * 4 if header else 0
    total = int.from_bytes(header[2:4], "big")
    if kind == b"\x08\0" and len(header) >= 20 and header[0] >> 4 == 4 and 20 <= size <= len(header) and total >= size:
        assert got[at + 12:at + 16] == bytes((10, 77)) + header[14:16], "source address"
        assert sum_is_right(got[at:at + size]) == sum_is_right(header[:size]), "checksum of the header"
        open_bytes = {*range(10, 16)}
        protocol, transport = header[9], size
        first = int.from_bytes(header[6:8], "big") & 0x1fff == 0
    elif kind == b"\x86\xdd" and len(header) >= 40 and header[0] >> 4 == 6:
        assert got[at + 8:at + 24] == b"\xfd\x77" + header[10:24], "source address"
        check_six(got[at:], header)
        return
    else:
        if kind != b"\x08\x06":
            assert got[14:] == old[14:] and got[12:14] == old[12:14]
        return
    check_rest(got[at:], header, open_bytes, transport if first else None, protocol)


def check_rest(got, old, open_bytes, transport, protocol):
    """What may differ: open_bytes, and the transport's checksum."""
    place = {6: 16, 17: 6, 58: 2}.get(protocol)
    if transport is not None and place is not None:
        open_bytes |= {transport + place, transport + place + 1}
    for number, (new, was) in enumerate(zip(got, old)):
        assert new == was or number in open_bytes, f"byte {number} of the packet"


def check_six(got, old):
    """Extension headers may come first: then two bytes behind the addresses may differ, wherever."""
    differ = [number for number, (new, was) in enumerate(zip(got, old)) if new != was and not 8 <= number < 24]
    assert len(differ) <= 2 and (len(differ) < 2 or differ[1] == differ[0] + 1), f"bytes {differ} of the packet"


def looped(capture, namespace, folder):
    """Three passes with addresses rewritten."""
    document, arrived = captured(namespace, folder, capture.path, "--rate", f"{capture.rate()}pps", "--loop", "3",
                                 "--rewrite", REWRITE, seconds=120)
    count = document["trace"]["frames"]
    assert len(arrived) == 3 * count == figure(document, "sent"), f"{len(arrived)} frames of three times {count}"
    if not capture.ethernet:
        return
    for number, (_, frame) in enumerate(arrived):
        try:
            check_rewritten(frame, capture.frames[number % count][1])
        except AssertionError as reason:
            raise AssertionError(f"pass {number // count + 1}, frame {number % count + 1}: {reason}") from None


MODES = {
    "original": plain_mode("--rate", Capture.speed),
    "packets a second": plain_mode("--rate", lambda capture: f"{capture.rate()}pps"),
    "bits a second": plain_mode("--rate", lambda capture: f"{capture.bits()}bit/s"),
    "bursts": plain_mode("--rate", lambda capture: f"{capture.rate()}pps", "--burst", "32"),
    "streamed": plain_mode("--rate", lambda capture: f"{2 * capture.rate()}pps", "--preload", "0"),
    "as fast as possible": plain_mode("--rate", "top"),
    "three passes, rewritten": looped,
}
