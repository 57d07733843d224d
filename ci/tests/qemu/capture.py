#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
"""Captures: what tap bindings bring, as pcapng, to a file on the host and to readers by TCP; in nanoseconds, with the
bindings' names; whatever is lost is counted in the file."""
import os
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream  # noqa: E402
from harness.pcapng import Capture, count, read_growing  # noqa: E402
from harness.report import Report  # noqa: E402
from harness.udp_client import ask  # noqa: E402
from harness.wire import MAC, Wire  # noqa: E402
import channel  # noqa: E402

KEY = "00112233445566778899aabbccddeeff"
FRAMES, FLOOD = 300, 20000
NAME = "capture.pcapng"


def payload(folder):
    """The appliance, with a file besides, and a wire at port 2 of which only what is sent to port 9 counts twice."""
    with open(os.path.join(paths.TOP, "appliances", "capture", "capture.conf"), encoding="utf-8") as file:
        text = file.read()
    text = text.replace('name = "capture";', 'name = "capture";\ncontrol_port = 1;', 1)
    text = text.replace('"port=2002"', f'"port=2002", "file={NAME}"')
    text = text.replace("tap = true;\n        sent = true;\n      },",
                        'ports = [ 0, 2 ];\n tap = true;\n sent = true;\n },\n '
                        '{ name = "nine"; receive = "udp dst port 9"; ports = [ 2 ]; tap = true; },', 1)
    path = os.path.join(folder, "capture")
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write(text)
    subprocess.run([os.path.join(paths.TOP, "boot", "mkappliance"), "--payload-only", "-o", path + ".cpio",
                    path + ".conf"], check=True)
    return path + ".cpio"


def frame(number, port, size):
    payload_ = struct.pack(">I", number) + bytes(size - 46)
    udp = struct.pack(">HHHH", 1, port, 8 + len(payload_), 0) + payload_
    ip = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0) + bytes([10, 0, 0, 1, 10, 0, 0, 2])
    return bytes(6) + MAC + b"\x08\x00" + ip + udp


class Reader:
    """Reads a capture from the machine by TCP, as `nc` would."""

    def __init__(self, port):
        self.socket, self.data = socket.create_connection(("127.0.0.1", port), 10), b""

    def read_until(self, enough, seconds=15):
        deadline = time.monotonic() + seconds
        while True:
            found = Capture(self.data, whole=False)
            if enough(found):
                return found
            left = deadline - time.monotonic()
            assert left > 0, f"{len(found.packets)} packets of {found.names()} after {seconds} s"
            self.socket.settimeout(left)
            more = self.socket.recv(1 << 20)
            assert more, "the stream has ended"
            self.data += more


def check_packets(report, wire, reader, path):
    """Frames of all sizes, each of them twice where both bindings match."""
    sent = [frame(i, 9 if i % 3 == 0 else 10, 60 + 13 * i % 1400) for i in range(FRAMES)]
    start = time.time()
    for each in sent:
        wire.send(each)
    nine = [each for each in sent if each[36:38] == b"\0\x09"]
    for where, found in (("by TCP", lambda enough: reader.read_until(enough)),
                         ("in the file", lambda enough: read_growing(path, enough))):
        with report.test(f"every frame {where}, byte for byte, under its binding's name"):
            capture = found(lambda got: {"port2/all", "port2/nine"} <= set(got.names()) and
                            len(got.of(got.names().index("port2/all"))) >= FRAMES and
                            len(got.of(got.names().index("port2/nine"))) >= len(nine))
            names = capture.names()
            assert [p.data for p in capture.of(names.index("port2/all"))] == sent
            assert [p.data for p in capture.of(names.index("port2/nine"))] == nine
            described = capture.interfaces[names.index("port2/nine")].options
            assert described[1] == b"binding nine" and described[9] == b"\x09", described
            assert described[11] == b"\0udp dst port 9" and len(described[6]) == 6, described
        with report.test(f"times {where} are the wall clock's, in nanoseconds, and rise"):
            times = [p.time_ns for p in capture.of(names.index("port2/all"))]
            assert times == sorted(times) and any(t % 1000 for t in times), times[:9]
            assert start - 5 < times[0] / 1e9 < time.time() + 5, (start, times[0])
            assert all(p.options[2] == b"\1\0\0\0" for p in capture.of(names.index("port2/all"))), "inbound"


def directions(capture):
    """Of the UDP echo's datagrams: direction and ports, as often as they are there."""
    number, found = capture.names().index("port0/all"), {}
    for packet in capture.of(number):
        if packet.data[12:14] == b"\x08\0" and packet.data[23] == 17:
            source, target = struct.unpack_from(">HH", packet.data, 34)
            if 7 in (source, target):
                key = (packet.options[2][0], "from" if source == 7 else "to")
                found[key] = found.get(key, 0) + 1
    return found


def check_sent(report, reader, echo, path):
    """What an environment sends is there once, and said to leave; what the capture itself sends is not."""
    assert ask("127.0.0.1", echo, 5, 200) == 5
    for where, found in (("by TCP", lambda enough: reader.read_until(enough)),
                         ("in the file", lambda enough: read_growing(path, enough))):
        with report.test(f"requests that arrive and answers that leave {where}, each with its direction"):
            capture = found(lambda got: "port0/all" in got.names() and
                            min(directions(got).get(key, 0) for key in ((1, "to"), (2, "from"))) >= 5)
            assert set(directions(capture)) == {(1, "to"), (2, "from")}, directions(capture)
            own = [p for p in capture.of(capture.names().index("port0/all")) if p.data[12:14] == b"\x08\0" and
                   p.data[23] == 6 and p.data[34:36] == struct.pack(">H", 2002)]
            assert not own, f"{len(own)} frames of the capture's own"


def check_flood(report, wire, reader, path):
    """More than a file can take: what is missing is counted, and adds up."""
    with report.test("a flood: the file has a frame, or has counted its loss"):
        burst = b"".join(struct.pack(">I", 1400) + frame(i, 10, 1400) for i in range(FLOOD))
        wire.socket.sendall(burst)
        wanted = FRAMES + FLOOD

        # The binding's losses stand at its first interface: port 0's.
        def complete(got):
            first, number = got.names().index("port0/all"), got.names().index("port2/all")
            return len(got.of(number)) + got.last_counts(first)[2] >= wanted

        capture = read_growing(path, complete, 60)
        number = capture.names().index("port2/all")
        lost = capture.last_counts(capture.names().index("port0/all"))[2]
        # What port 0 had meanwhile (ARP and its answers) may be lost as well, and is counted in the same place.
        assert 0 <= len(capture.of(number)) + lost - wanted <= 40, (len(capture.of(number)), lost)
        numbers = [struct.unpack_from(">I", p.data, 42)[0] for p in capture.of(number)][FRAMES:]
        assert numbers == sorted(numbers) and len(set(numbers)) == len(numbers)
        print(f"    {len(numbers)} of {FLOOD} in the file, {lost} counted as lost", flush=True)
    with report.test("a flood: a reader misses packets that the next one counts"):
        got = reader.read_until(lambda got: True)
        number = got.names().index("port2/all")
        told = reader.read_until(lambda got: len(got.of(number)) + missed(got, number) >= len(capture.of(number)), 30)
        assert len(told.of(number)) + missed(told, number) <= FRAMES + FLOOD


def missed(capture, number):
    return sum(count(p.options[4]) for p in capture.of(number) if 4 in p.options)


def check_wireshark(report, machine, port, echo, path):
    if not shutil.which("tshark"):
        report.skip("tshark", "it is not installed")
        return
    with report.test("tshark reads it over the network (-i TCP@…), as Wireshark does"):
        out = path + ".net"
        with subprocess.Popen(["tshark", "-i", f"TCP@127.0.0.1:{port}", "-w", out, "-a", "packets:6"],
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as shark:
            while "Capture started" not in (line := shark.stderr.readline()):
                assert line, "tshark ended"
            assert ask("127.0.0.1", echo, 3, 100) == 3
            shark.wait(60)
        said = subprocess.run(["tshark", "-r", out, "-T", "fields", "-e", "frame.interface_name", "-e", "udp.length"],
                              capture_output=True, text=True, check=True).stdout.split()
        assert said.count("port0/all") == 6 and said.count("108") == 6, said
    with report.test("capinfos finds nothing wrong with the file"):
        said = subprocess.run(["capinfos", path], capture_output=True, text=True, check=True).stdout
        assert "nanoseconds" in said and re.search(r"Comment = binding nine\b", said), said
        assert re.search(r"Number of interfaces in file: 4\b", said), said


def free_port(kind):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        path, files = os.path.join(folder, "channel"), os.path.join(folder, "files")
        tcp, echo = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
        net = f"user,net=10.0.2.0/24,hostfwd=tcp:127.0.0.1:{tcp}-10.0.2.16:2002," \
              f"hostfwd=udp:127.0.0.1:{echo}-10.0.2.15:7"
        receiver = channel.Receiver(path, KEY, None, say=lambda text: None, files={NAME: files})
        with Wire(os.path.join(folder, "wire")) as wire, \
                Machine(payload=payload(folder), memory="128M", limit=140,
                        nics=[Nic(net), Nic(stream(path)), Nic(stream(wire.path))],
                        append=f"channel={KEY} ip=10.0.2.15/24,10.0.2.2 ip=10.0.2.16/24,10.0.2.2") as machine:
            wire.connect()
            machine.wait_for("environments started", 40)
            reader = Reader(tcp)
            reader.read_until(lambda got: got.section is not None)  # it gets what arrives from now on
            check_sent(report, reader, echo, files)
            check_packets(report, wire, reader, files)
            check_wireshark(report, machine, tcp, echo, files)
            check_flood(report, wire, reader, files)
        receiver.close()
    report.exit()


main()
