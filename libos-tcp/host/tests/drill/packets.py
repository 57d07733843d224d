# SPDX-License-Identifier: BSD-2-Clause
"""TCP segments: from the words of a script to bytes of bare IPv4 or IPv6, and back.

    < S. 0:0(0) ack 1 win 65535 <mss 1000,sackOK,TS val 1 ecr 2,nop,wscale 7>
"""
import re
import socket
import struct

FLAGS = {"F": 0x01, "S": 0x02, "R": 0x04, "P": 0x08, ".": 0x10, "U": 0x20, "E": 0x40, "W": 0x80}
ECN = {0: "noecn", 1: "ect1", 2: "ect0", 3: "ce"}


class Segment:
    """One TCP segment; options as a list of tuples: name, then values."""

    def __init__(self):
        self.flags, self.seq, self.size, self.ack, self.win, self.urgent = 0, 0, 0, None, None, 0
        self.options, self.ecn = None, None

    def __str__(self):
        letters = "".join(name for name, bit in FLAGS.items() if self.flags & bit and name != ".")
        text = f"{letters}{'.' if self.flags & 0x10 else ''} {self.seq}:{self.seq + self.size}({self.size})"
        text += f" ack {self.ack}" if self.flags & 0x10 else ""
        text += f" win {self.win}" if self.win is not None else ""
        if self.options:
            text += " <" + ",".join(option_text(*o) for o in self.options) + ">"
        return f"[{ECN[self.ecn]}] {text}" if self.ecn else text


def option_text(name, *values):
    if name == "TS":
        return f"TS val {values[0]} ecr {values[1]}"
    if name in ("FO", "FOEXP"):
        return f"{name} {values[0]}".rstrip()
    if name == "sack":
        return "sack " + " ".join(f"{a}:{b}" for a, b in values)
    return " ".join([name] + [str(v) for v in values])


def parse_option(text):
    words = text.split()
    if words[0] == "TS":
        return ("TS", int(words[2]), int(words[4]))
    if words[0] == "sack":
        return ("sack", *[tuple(map(int, w.split(":"))) for w in words[1:]])
    if words[0] in ("FO", "FOEXP"):
        return (words[0], words[1] if len(words) > 1 else "")
    return (words[0], *map(int, words[1:]))


LINE = re.compile(r"(?:\[(?P<ecn>\w+)\]\s+)?(?P<flags>[SFRPEWU.]+|-)\s+(?P<seq>\d+):(?P<end>\d+)\((?P<size>\d+)\)"
                  r"(?:\s+ack (?P<ack>\d+))?(?:\s+win (?P<win>\d+))?(?:\s+urg (?P<urg>\d+))?(?:\s+<(?P<options>[^>]*)>)?$")


def parse_words(text):
    match = LINE.match(text.strip())
    if match is None:
        raise ValueError(f"no segment: {text}")
    s = Segment()
    for letter in match["flags"].replace("-", ""):
        s.flags |= FLAGS[letter]
    s.seq, s.size = int(match["seq"]), int(match["size"])
    s.ack = int(match["ack"]) if match["ack"] else None
    s.win = int(match["win"]) if match["win"] else None
    s.urgent = int(match["urg"] or 0)
    if match["ecn"]:
        s.ecn = next(code for code, name in ECN.items() if name == match["ecn"])
    if match["options"] is not None and match["options"] != "...":
        s.options = [parse_option(o) for o in match["options"].split(",") if o]
    return s


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def option_bytes(name, *values):
    if name == "nop":
        return b"\1"
    if name == "eol":
        return b"\0"
    if name == "mss":
        return struct.pack("!BBH", 2, 4, *values)
    if name == "wscale":
        return struct.pack("!BBB", 3, 3, *values)
    if name == "sackOK":
        return b"\4\2"
    if name == "md5":
        return b"\x13\x12" + bytes(16)
    if name == "sack":
        return struct.pack("!BB", 5, 2 + 8 * len(values)) + b"".join(struct.pack("!II", a & 0xffffffff, b & 0xffffffff)
                                                                     for a, b in values)
    if name in ("FO", "FOEXP"):
        value = (b"\xf9\x89" if name == "FOEXP" else b"") + bytes.fromhex(values[0])
        return struct.pack("!BB", 34 if name == "FO" else 254, 2 + len(value)) + value
    if name == "TS":
        return struct.pack("!BBII", 8, 10, *[v & 0xffffffff for v in values])
    raise ValueError(f"option {name}")


def address_bytes(text):
    return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)


def pseudo(ends, size, protocol=6):
    return ends + (struct.pack("!II", size, protocol) if len(ends) == 32 else struct.pack("!BBH", 0, protocol, size))


def build(s, source, target):
    """The bytes of a segment between two (address, port)."""
    options = b"".join(option_bytes(*o) for o in s.options or [])
    options += b"\0" * (-len(options) % 4)
    header = struct.pack("!HHIIBBHHH", source[1], target[1], s.seq & 0xffffffff, (s.ack or 0) & 0xffffffff,
                         (20 + len(options)) << 2, s.flags, s.win or 0, 0, s.urgent) + options
    body = bytes(i & 0xff for i in range(s.size))
    ends = address_bytes(source[0]) + address_bytes(target[0])
    total = checksum(pseudo(ends, len(header) + s.size) + header + body)
    header = header[:16] + struct.pack("!H", total) + header[18:]
    return ip_bytes(6, s.ecn or 0, ends, header + body)


def ip_bytes(protocol, tos, ends, payload):
    if len(ends) == 32:
        return struct.pack("!IHBB", 6 << 28 | tos << 20, len(payload), protocol, 64) + ends + payload
    ip = struct.pack("!BBHHHBBH", 0x45, tos, 20 + len(payload), 1, 0x4000, 64, protocol, 0) + ends
    return ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:] + payload


def build_unreachable(packet, code, mtu, source, target):
    """An ICMP error that quotes `packet`: type 3 of IPv4, or what IPv6 says instead."""
    ends = address_bytes(source) + address_bytes(target)
    six = packet[0] >> 4 == 6
    kind, code = {4: (2, 0), 3: (1, 4), 1: (1, 3)}.get(code, (1, 0)) if six else (3, code)
    body = struct.pack("!BBHHH", kind, code, 0, 0, mtu + 20 if six and mtu else mtu) + packet[:48 if six else 28]
    total = checksum((pseudo(ends, len(body), 58) if six else b"") + body)
    return ip_bytes(58 if six else 1, 0, ends, body[:2] + struct.pack("!H", total) + body[4:])


def read_options(data):
    options = []
    while data:
        kind, size = data[0], data[1] if data[0] > 1 else 1
        value = data[2:size]
        if kind == 2:
            options.append(("mss", int.from_bytes(value, "big")))
        elif kind == 3:
            options.append(("wscale", value[0]))
        elif kind == 8:
            options.append(("TS", *struct.unpack("!II", value)))
        elif kind == 34:
            options.append(("FO", value.hex()))
        elif kind == 254 and value[:2] == b"\xf9\x89":
            options.append(("FOEXP", value[2:].hex()))
        elif kind == 5:
            numbers = struct.unpack(f"!{len(value) // 4}I", value)
            options.append(("sack", *zip(numbers[::2], numbers[1::2])))
        else:
            options.append(({0: "eol", 1: "nop", 4: "sackOK"}.get(kind, f"option{kind}"),))
        data = data[size:]
    return options


def read(packet):
    """(segment, source port, target port, sum is right) of a bare IP packet; None: no TCP."""
    six = packet[0] >> 4 == 6
    if packet[6 if six else 9] != 6:
        return None
    ends, tcp = (packet[8:40], packet[40:]) if six else (packet[12:20], packet[20:])
    source, target, seq, ack, offset, flags, win, _, urgent = struct.unpack("!HHIIBBHHH", tcp[:20])
    s = Segment()
    s.flags, s.seq, s.size, s.ack, s.win, s.urgent = flags, seq, len(tcp) - (offset >> 2), ack, win, urgent
    s.options, s.ecn = read_options(tcp[20:offset >> 2]), (packet[1] >> 4 if six else packet[1]) & 3
    return s, source, target, checksum(pseudo(ends, len(tcp)) + tcp) == 0
