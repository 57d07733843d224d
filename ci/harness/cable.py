# SPDX-License-Identifier: BSD-2-Clause
"""sluice-replay on a virtual cable in a namespace of its own, the kernel's own capture at the far end:
what tests of its modes and ports stand on.

    namespace: sluice-replay send ── va ═══ vb ── tcpdump, or sluice-replay reflect
"""
import contextlib
import glob
import json
import os
import random
import signal
import struct
import subprocess
import time

from . import paths
from .netns import Namespace

TOOL = os.path.join(paths.BUILD, "appliances", "replay", "tool", "sluice-replay")


@contextlib.contextmanager
def cable(mtu=None):
    """A namespace with the cable in it."""
    with Namespace(taps=0) as namespace:
        namespace.run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
        for name in ("va", "vb"):
            namespace.run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            if mtu:
                namespace.run("ip", "link", "set", name, "mtu", str(mtu))
            namespace.run("ip", "link", "set", name, "up")
        yield namespace


def read_pcap(path):
    """The frames of a pcap file, each (time in ns, bytes)."""
    with open(path, "rb") as file:
        data = file.read()
    order = "<" if data[:4] in (b"\xd4\xc3\xb2\xa1", b"\x4d\x3c\xb2\xa1") else ">"
    nano = data[:4] in (b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\x3c\x4d")
    at, frames = 24, []
    while at + 16 <= len(data):
        seconds, part, captured, _ = struct.unpack_from(order + "IIII", data, at)
        frames.append((seconds * 10**9 + part * (1 if nano else 1000),
                       data[at + 16:at + 16 + captured]))
        at += 16 + captured
    return frames


def read_pcapng(path):
    """The frames of a pcapng file that sluice-replay wrote."""
    with open(path, "rb") as file:
        data = file.read()
    at, frames = 0, []
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        if kind == 6:
            captured = struct.unpack_from("<I", data, at + 20)[0]
            frames.append(data[at + 28:at + 28 + captured])
        at += length
    return frames


def made_frames(count):
    """UDP datagrams of many sizes, without a checksum, at odd gaps: (time in ns, bytes)."""
    chance, frames, now = random.Random(7), [], 10**18
    for number in range(count):
        size = chance.choice((18, 26, 100, 600, 1472))
        payload = struct.pack("<Q", number) + bytes(chance.randrange(256) for _ in range(size - 8))
        udp = struct.pack("!HHHH", 1000 + number % 50, 9, 8 + size, 0)
        ip = bytearray(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 28 + size, number & 0xffff, 0, 64, 17, 0,
                                   bytes((10, 0, 0, 1)), bytes((10, 0, 0, 2))))
        total = sum(struct.unpack("!10H", ip))
        total = (total & 0xffff) + (total >> 16)
        struct.pack_into("!H", ip, 10, ~((total & 0xffff) + (total >> 16)) & 0xffff)
        frames.append((now, b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + bytes(ip) + udp + payload))
        now += chance.choice((0, 1000, 100000, 900000))
    return frames


def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
        for when, frame in frames:
            file.write(struct.pack("<IIII", when // 10**9, when % 10**9, len(frame), len(frame)))
            file.write(frame)


@contextlib.contextmanager
def running(namespace, *words):
    """A program inside, ended as Ctrl-C would."""
    process = namespace.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=120)
        finally:
            process.kill()  # what does not end would hold its ports against all that follow


def heard(process, word):
    """Waits until a program says a word on its standard error."""
    said = ""
    while word not in said:
        line = process.stderr.readline()
        assert line, f"it ended without '{word}': {said[-500:]}"
        said += line


def until(what, check, seconds=40):
    """Waits until something holds."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"after {seconds} s: {what}"
        time.sleep(0.05)


def send(namespace, trace, port, *words, status=0, seconds=60):
    """Its document."""
    result = namespace.run(TOOL, "send", trace, "--to", port, "-j", "-q", *words, seconds=seconds,
                           check=False)
    assert result.returncode == status, f"{words}: status {result.returncode}\n{result.stderr}"
    return json.loads(result.stdout) if result.stdout else None


def figure(document, name):
    return document["summary"][name]["median"]


def captured(namespace, folder, trace, *words, port="va", at="vb", seconds=60):
    """The document of a trace sent, and what the kernel saw arrive meanwhile."""
    path = os.path.join(folder, "arrived.pcap")
    dump = namespace.popen("tcpdump", "-i", at, "-Q", "in", "-w", path, "--nano", "-U", "-B", "65536",
                           "-s", "0", stderr=subprocess.PIPE, text=True)
    heard(dump, "listening")
    try:
        document = send(namespace, trace, port, "--no-return", *words, seconds=seconds)
        wait_for_frames(path, figure(document, "sent"))
    finally:
        dump.send_signal(signal.SIGINT)
        dump.communicate(timeout=20)
    return document, read_pcap(path)


def wait_for_frames(path, wanted):
    """Until a capture holds so many and grows no more, or for 20 s."""
    deadline, size = time.monotonic() + 20, -1
    while time.monotonic() < deadline:
        time.sleep(0.1)
        now = os.path.getsize(path)
        if now == size and len(read_pcap(path)) >= wanted:
            break
        size = now


def same_frames(arrived, wanted):
    assert len(arrived) == len(wanted), f"{len(arrived)} of {len(wanted)} frames arrived"
    for number, (got, want) in enumerate(zip(arrived, wanted), 1):
        assert got == want, f"frame {number} arrived otherwise than it was sent"


def real_traces():
    """The real captures, where there are any, the smallest first."""
    where = os.environ.get("SLUICE_TRACES", os.path.join(os.path.dirname(paths.TOP), "shared", "pcaps"))
    return sorted(glob.glob(os.path.join(where, "*.pcap*")), key=os.path.getsize)
