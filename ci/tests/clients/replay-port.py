#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""sluice-replay over a virtual cable, with the kernel's own capture as the truth.

    namespace: sluice-replay send ── va ═══ vb ── tcpdump, or sluice-replay reflect
               sluice-replay send ── memif socket ── sluice-replay reflect
"""
import contextlib
import glob
import json
import os
import random
import signal
import struct
import subprocess
import tempfile
import time

from harness import paths
from harness.netns import Namespace
from harness.report import Report, skip_all

TOOL = os.path.join(paths.BUILD, "appliances", "replay", "tool", "sluice-replay")
MTU = 1500


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


def made_frames(count):
    """UDP datagrams of many sizes, without a checksum, at odd gaps."""
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
    process = namespace.popen(*words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def send(namespace, trace, port, *words, status=0):
    for _ in range(4):
        result = namespace.run(TOOL, "send", trace, "--to", port, "-j", "-q", *words, seconds=60,
                               check=False)
        if "may do when started again" not in result.stderr:
            break
    assert result.returncode == status, f"{words}: status {result.returncode}\n{result.stderr}"
    return json.loads(result.stdout) if result.stdout else None


def figure(document, name):
    return document["summary"][name]["median"]


def captured(namespace, folder, trace, *words):
    """What the kernel saw arrive while a trace was sent."""
    path = os.path.join(folder, "arrived.pcap")
    dump = namespace.popen("tcpdump", "-i", "vb", "-Q", "in", "-w", path, "--nano", "-U", "-B", "65536",
                           "-s", "0", stderr=subprocess.PIPE, text=True)
    while "listening" not in dump.stderr.readline():
        assert dump.poll() is None
    document = send(namespace, trace, "va", "--no-return", *words)
    sent, deadline = figure(document, "sent"), time.monotonic() + 20
    while time.monotonic() < deadline and len(read_pcap(path)) < sent:
        time.sleep(0.1)
    dump.send_signal(signal.SIGINT)
    dump.communicate(timeout=20)
    return document, read_pcap(path)


def same_frames(arrived, wanted):
    assert len(arrived) == len(wanted), f"{len(arrived)} of {len(wanted)} frames arrived"
    for number, (got, want) in enumerate(zip(arrived, wanted), 1):
        assert got == want, f"frame {number} arrived otherwise than it was sent"


def modes(namespace, folder, trace, frames):
    wanted = [frame for _, frame in frames]
    span = (frames[-1][0] - frames[0][0]) / 1e9
    for words in (["--rate", "original"], ["--rate", "20x"], ["--rate", "2kpps"],
                  ["--rate", "40Mbit/s"], ["--rate", "top"], ["--rate", "3kpps", "--burst", "16"],
                  ["--rate", "5kpps", "--preload", "0"]):
        document, arrived = captured(namespace, folder, trace, *words)
        same_frames([frame for _, frame in arrived], wanted)
        assert figure(document, "sent") == len(wanted)
        if words == ["--rate", "original"]:
            took = (arrived[-1][0] - arrived[0][0]) / 1e9
            assert took >= span * 0.9, f"{span} s of trace were played in {took} s"


def loops(namespace, folder, trace, frames):
    _, arrived = captured(namespace, folder, trace, "--rate", "5kpps", "--loop", "3", "--rewrite",
                          "src-ip=192.168.7.1-192.168.7.9 dst-port=5000-5009 vlan=12-14")
    assert len(arrived) == 3 * len(frames)
    for number, (_, frame) in enumerate(arrived):
        turn, original = divmod(number, len(frames))
        old = frames[original][1]
        assert frame[12:14] == b"\x81\0" and int.from_bytes(frame[14:16], "big") == 12 + turn % 3
        address = int.from_bytes(old[26:30], "big")
        assert frame[30:34] == bytes((192, 168, 7, 1 + (address + turn) % 9))
        assert int.from_bytes(frame[40:42], "big") == 5000 + (9 + turn) % 10
        words = struct.unpack("!10H", frame[18:38])
        total = sum(words)
        assert ((total & 0xffff) + (total >> 16)) % 0xffff == 0, f"checksum of frame {number}"
        assert frame[46:] == old[42:]


def round_trips(namespace, trace, port, far):
    with running(namespace, TOOL, "reflect", far, "--swap", "ports", "-q"):
        time.sleep(2)
        for words in (["--sign"], []):
            document = send(namespace, trace, port, "--rate", "500pps", "--timeout", "5s", "--flows",
                            "--require", "loss=0", *words)
            assert figure(document, "foreign") == 0 and figure(document, "duplicates") == 0
            assert document["runs"][0]["latency_ns"]["count"] == figure(document, "sent")


def interrupted(namespace, trace):
    process = namespace.popen(TOOL, "send", trace, "--to", "va", "--loop", "0", "--rate", "1kpps",
                              "--no-return", "-j", "-q", stdout=subprocess.PIPE, text=True)
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=20)
    document = json.loads(said)
    assert process.returncode == 0 and document["interrupted"] and figure(document, "sent") > 100


def bad_input(namespace, folder, trace):
    cut = os.path.join(folder, "cut.pcap")
    with open(trace, "rb") as file, open(cut, "wb") as out:
        out.write(file.read()[:5000])
    document = send(namespace, cut, "va", "--no-return", "--rate", "top")
    assert "damaged" in document["trace"] and figure(document, "sent") > 0
    empty = os.path.join(folder, "empty.pcap")
    write_pcap(empty, [])
    for words, status, hint in (
            (["send", empty, "--to", "va"], 3, "no frame"),
            (["send", "/does/not/exist", "--to", "va"], 3, "No such file"),
            (["send", trace, "--to", "nosuchport"], 3, "no such network interface"),
            (["send", trace, "--to", "va", "--rate", "fast"], 2, "--rate"),
            (["send", trace, "--to", "va", "--require", "p99>"], 2, "p99>"),
            (["send", trace, "--to", "va", "--rewrite", "colour=red"], 2, "colour"),
            (["send", trace, "--to", "va", "--bind", "x=udp prt 5"], 2, "udp prt 5"),
            (["juggle"], 2, "juggle")):
        result = namespace.run(TOOL, *words, seconds=30, check=False)
        assert result.returncode == status and hint in result.stderr, f"{words}: {result}"
    big = os.path.join(folder, "big.pcap")
    write_pcap(big, [(0, bytes(60)), (0, bytes(MTU + 100)), (0, bytes(5)), (0, bytes(61))])
    document = send(namespace, big, "va", "--no-return", "--rate", "top")
    left_out = {row["reason"]: row["numbers"] for row in document["trace"]["left_out"]}
    assert [2] in left_out.values() and [3] in left_out.values(), left_out
    assert send(namespace, big, "va", "--rate", "top", "--timeout", "0.2s", "--require", "loss=0",
                status=1)["requirements"][0]["held"] is False


def traces():
    """Some of the real captures, where there are any."""
    where = os.environ.get("SLUICE_TRACES", os.path.join(os.path.dirname(paths.TOP), "shared", "pcaps"))
    return sorted(glob.glob(os.path.join(where, "*.pcap")), key=os.path.getsize)[8:40:8]


def captures(namespace, folder):
    for trace in traces():
        document, arrived = captured(namespace, folder, trace, "--rate", "3kpps")
        assert len(arrived) == figure(document, "sent") == document["trace"]["frames"], trace


def main():
    if not Namespace.possible():
        skip_all("network namespaces need root")
    report, frames = Report(), made_frames(600)
    with Namespace(taps=0) as namespace, tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "made.pcap")
        write_pcap(trace, frames)
        namespace.run("ip", "link", "add", "va", "type", "veth", "peer", "name", "vb")
        for name in ("va", "vb"):
            namespace.run("sysctl", "-qw", f"net.ipv6.conf.{name}.disable_ipv6=1")
            namespace.run("ip", "link", "set", name, "up")
        with report.test("every mode of sending delivers every frame"):
            modes(namespace, folder, trace, frames)
        with report.test("passes with rewritten addresses"):
            loops(namespace, folder, trace, frames)
        with report.test("round trips over a cable"):
            round_trips(namespace, trace, "va", "vb")
        memif = "memif:" + os.path.join(folder, "memif.sock")
        with report.test("round trips over memif"):
            round_trips(namespace, trace, memif, memif)
        with report.test("Ctrl-C ends it with what was measured"):
            interrupted(namespace, trace)
        with report.test("bad input is named"):
            bad_input(namespace, folder, trace)
        if traces():
            with report.test("real captures, frame by frame"):
                captures(namespace, folder)
        else:
            report.skip("real captures, frame by frame", "there are none here")
    report.exit()


if __name__ == "__main__":
    main()
