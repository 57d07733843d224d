#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
"""Segments of TCP arrive one by one, as they were sent, but at a port that `lro=` or the manifest names: there one long
frame.

    namespace: tap0 ── port 0 (as ever)   tap1 ── port 1 (lro=1)   tap2 ── port 2 (manifest)   captured by port 3

Linux hands a tap a TCP stream's bytes in one piece where the machine behind it has said that it takes such, and
cuts them before where it has not."""
import os
import random
import re
import struct
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths, programs  # noqa: E402
from harness.machine import Machine, Nic, stream, tap  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.pcapng import read_growing  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402
import channel  # noqa: E402

KEY = "00112233445566778899aabbccddeeff"
NAME = "merging.pcapng"
BYTES, SEGMENT = 12000, 1448
ADDRESS, UPLOAD = "10.51.0.2", 300000
# What it is sent comes back: all that a port of merged segments gave to a stack.
ECHO = programs.environment("echo", "busybox", "nc -ll -p 9 -e /busybox cat".split(), flow='{ name = "own"; receive = '
                            '"arp dst host $addr or (ip and dst host $addr)"; transmit = "ether src $mac and ((arp and '
                            '(src host $addr or src host 0.0.0.0)) or (ip and src host $addr))"; }')
CONF = f"""name = "merging";
control_port = 3;
lro = [ 2 ];
environments = ( {ECHO}, {{
  name = "capture"; image = "capture"; frames = 2048; may = [ "console" ];
  arguments = [ "file={NAME}", "snap=16384", "ring=64" ];
  flows = ( {{ name = "stream"; receive = "tcp dst port 9"; ports = [ 0, 1, 2 ]; tap = true; }} );
}} );
"""
# Sends a frame that is to be cut, as a NIC would be asked to: packet(7), PACKET_VNET_HDR.
SENDER = """
import socket, struct, sys
def total(data):
    sum_ = sum(struct.unpack(f">{len(data) // 2}H", data))
    while sum_ >> 16:
        sum_ = (sum_ & 0xffff) + (sum_ >> 16)
    return sum_
bytes_, segment = int(sys.argv[2]), int(sys.argv[3])
addresses = bytes([10, 9, 0, 1, 10, 9, 0, 2])
data = b"".join(struct.pack(">I", i) for i in range(bytes_ // 4))
ip = struct.pack(">BBHHHBBH", 0x45, 0, 40 + bytes_, 1, 0x4000, 64, 6, 0) + addresses
ip = ip[:10] + struct.pack(">H", ~total(ip) & 0xffff) + ip[12:]
pseudo = total(addresses + struct.pack(">HH", 6, 20 + bytes_))
tcp = struct.pack(">HHIIBBHHH", 7, 9, 1000, 1, 0x50, 0x10, 1024, pseudo, 0)
frame = b"\\x02\\0\\0\\0\\0\\x02" + b"\\x02\\0\\0\\0\\0\\x01" + b"\\x08\\0" + ip + tcp + data
header = struct.pack("<BBHHHH", 1, 1, 54, segment, 34, 16)
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
    raw.setsockopt(263, 15, 1)
    raw.bind((sys.argv[1], 0))
    raw.send(header + frame)
"""


# Sends what it reads, and writes what comes back meanwhile.
TALK = """
import socket, sys, threading
data = sys.stdin.buffer.read()
s = socket.create_connection(("{address}", 9), 30)
s.settimeout(60)
threading.Thread(target=s.sendall, args=(data,), daemon=True).start()
got = b""
while len(got) < {size} and (part := s.recv(65536)):
    got += part
sys.stdout.buffer.write(got)
"""


def payload(folder):
    return programs.build_text(folder, CONF, ["appliances/capture"])


def payloads(capture, port):
    """Of the TCP segments that came by a port."""
    name = f"port{port}/stream"
    return [packet.data[54:] for number, each in enumerate(capture.names()) if each == name for packet in capture.of(number)]


def arrived(path, port):
    """The same, once all bytes are there."""
    return payloads(read_growing(path, lambda got: sum(map(len, payloads(got, port))) >= BYTES), port)


def echoes(ns, machine):
    """A stream to the port that merges, and the same back."""
    machine.wait_for("port 2 may merge", 20)
    data = random.Random(3).randbytes(UPLOAD)
    program = TALK.format(address=ADDRESS, size=UPLOAD)
    done = subprocess.run(ns.prefix() + ["python3", "-c", program], input=data, capture_output=True, timeout=90, check=False)
    assert done.stdout == data, f"{len(done.stdout)} bytes came back, {done.stderr[-500:]}\n{machine.console()[-2000:]}"


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    wanted = b"".join(struct.pack(">I", i) for i in range(BYTES // 4))
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace(taps=3) as ns:
        path, file = os.path.join(folder, "channel"), os.path.join(folder, "file")
        receiver = channel.Receiver(path, KEY, None, say=lambda text: None, files={NAME: file})
        with Machine(payload=payload(folder), within=ns, memory="256M", limit=160,
                     nics=[*(Nic(tap(f"tap{i}")) for i in range(3)), Nic(stream(path))],
                     append=f"channel={KEY} lro=1 ip={ADDRESS}/24@2") as machine:
            machine.wait_for("environments started", 40)
            with report.test("the console names the ports that may merge, and no other"):
                said = machine.console()
                assert re.findall(r"port (\d) may merge segments of TCP", said) == ["1", "2"], said[-2000:]
            for port, what in ((0, "as they were sent"), (1, "in one piece"), (2, "in one piece")):
                ns.run("python3", "-c", SENDER, f"tap{port}", str(BYTES), str(SEGMENT))
                with report.test(f"at port {port} segments arrive {what}"):
                    parts = arrived(file, port)
                    assert b"".join(parts) == wanted, [len(part) for part in parts]
                    assert len(parts) == (1 if port else -(-BYTES // SEGMENT)), [len(part) for part in parts]
            with report.test("a stack is given what was merged, and answers right"):
                echoes(ns, machine)
                longest = max(map(len, arrived(file, 2)[1:]))
                assert longest > SEGMENT, f"no frame of the upload was longer than {longest} bytes of payload"
        receiver.close()
    report.exit()


main()
