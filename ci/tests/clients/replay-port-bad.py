#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# alone: a sender with real-time priority takes a core from whatever runs beside it
"""Bad traces, bad ports and people who end things early: each is named, with the record's number, and
counted; nothing is skipped in silence. Each trace is played from memory and streamed."""
import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import tempfile
import termios
import threading
import time

from harness.cable import TOOL, cable, figure, made_frames, send, until, write_pcap
from harness.netns import Namespace
from harness.report import Report, skip_all
from harness.traces import pcapng

MTU = 1500
WHOLE = ("--rate", "top", "--timeout", "0.2s")


def frame(number, length=60):
    return (b"\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb5" + struct.pack("!I", number)).ljust(length, b"\0")


def pcap(records, magic=0xa1b2c3d4):
    """Records are (seconds, fraction, bytes, length on the wire)."""
    text = struct.pack("<IHHiIII", magic, 2, 4, 0, 0, 262144, 1)
    return text + b"".join(struct.pack("<IIII", seconds, part, len(data), length) + data
                           for seconds, part, data, length in records)


def plain(numbers):
    return [(1, number, frame(number), 60) for number in numbers]


class Player:
    """Plays the same bytes both ways over a port; what the tool said, and its document."""

    def __init__(self, namespace, folder):
        self.namespace, self.folder = namespace, folder

    def play(self, data, *words, port="loop:", status=0):
        path = os.path.join(self.folder, "bad.pcap")
        with open(path, "wb") as file:
            file.write(data)
        for preload in ("512M", "0"):
            result = self.namespace.run(TOOL, "send", path, "--to", port, "-j", "--preload", preload, *WHOLE, *words,
                                        check=False)
            assert result.returncode == status, f"{preload}: {result}"
            yield result.stderr, json.loads(result.stdout) if result.stdout else None

    def left_out(self, data, wanted, sent, port="loop:"):
        for said, document in self.play(data, port=port):
            found = {row["reason"]: row["numbers"] for row in document["trace"]["left_out"] if row["frames"]}
            assert found == wanted, found
            assert figure(document, "sent") == sent
            for reason, numbers in wanted.items():
                assert reason in said and f"(the first: {numbers[0]})" in said, said


def damaged(player):
    whole = pcap(plain(range(1, 101)))
    record = 16 + 60
    for cut in (24 + 40 * record + 5, 24 + 40 * record + 16 + 30):
        for said, document in player.play(whole[:cut]):
            assert figure(document, "sent") == 40 and "behind frame 40" in document["trace"]["damaged"], document["trace"]
            assert "damaged behind frame 40" in said
    broken = bytearray(whole)
    struct.pack_into("<I", broken, 24 + 10 * record + 8, 0x7fffffff)  # a length that can't be
    for said, document in player.play(bytes(broken)):
        assert figure(document, "sent") == 10 and "behind frame 10" in said
    for data, hint in ((b"", "only got 0"), (bytes(range(256)), "unknown file format"), (whole[:24], "no frame"),
                       (whole[:20], "only got")):
        for said, _ in player.play(data, status=3):
            assert hint in said, said


def lengths(player):
    reason = "shorter than an Ethernet header"
    player.left_out(pcap([*plain([1]), (1, 2, b"", 0), *plain([3]), (1, 4, frame(4)[:13], 60)]), {reason: [2, 4]}, 2)
    reason = "longer than the port can receive"
    huge = (1, 2, frame(2, 262144), 262144)
    player.left_out(pcap([*plain([1]), huge, *plain([3])]), {reason: [2]}, 2)
    over = (1, 3, frame(3, MTU + 19), MTU + 19)  # one byte more than header, tag and MTU
    just = (1, 2, frame(2, MTU + 18), MTU + 18)
    player.left_out(pcap([*plain([1]), just, over]), {reason: [3]}, 2, port="va")
    for said, document in player.play(pcap([*plain([1]), (1, 2, frame(2), 1000)])):
        assert document["trace"]["snapped"] == {"frames": 1, "numbers": [2]} and "(the first: 2)" in said
    for said, document in player.play(pcap([*plain([1]), just]), "--rewrite", "vlan=5", port="va"):
        assert document["runs"][0]["too_long"] == 1 and "the first: record 2" in said, said


def times(player):
    for said, document in player.play(pcap([(1, 500, frame(1), 60), (1, 400, frame(2), 60), (1, 600, frame(3), 60),
                                            (1, 1, frame(4), 60)]), "--rate", "original"):
        assert document["trace"]["disordered"] == {"frames": 2, "numbers": [2, 4]}, document["trace"]
        assert figure(document, "sent") == 4 and "(the first: 2)" in said
    nano = pcap([(1, number * 1000, frame(number), 60) for number in range(1, 11)], magic=0xa1b23c4d)
    for _, document in player.play(nano, "--rate", "original"):
        assert abs(document["trace"]["seconds"] - 9e-6) < 1e-9, document["trace"]


def mixed_links(player):
    def block(kind, body):
        return struct.pack("<II", kind, 12 + len(body)) + body + struct.pack("<I", 12 + len(body))

    whole = pcapng(1, [frame(number) for number in range(1, 6)])
    other = block(1, struct.pack("<HHI", 101, 0, 0)) + block(6, struct.pack("<IIIII", 1, 0, 0, 60, 60) + frame(6))
    for said, document in player.play(whole + other):
        assert figure(document, "sent") == 5
        assert "behind frame 5" in said and "different from the type of the first interface" in said, said


@contextlib.contextmanager
def pipe_of(folder, write):
    """A pipe with a name, into which a thread writes until nobody reads."""
    path = os.path.join(folder, "pipe")
    os.mkfifo(path)

    def feed():
        with contextlib.suppress(BrokenPipeError), open(path, "wb", buffering=0) as file:
            write(file)

    thread = threading.Thread(target=feed)
    thread.start()
    try:
        yield path
    finally:
        os.unlink(path)
        thread.join(20)


def endless(player):
    def write(file):
        file.write(pcap([]))
        while True:
            file.write(struct.pack("<IIII", 1, 1, 60, 60) + frame(1))

    with pipe_of(player.folder, write) as path:
        document = send(player.namespace, path, "loop:", "--rate", "top", "--frames", "50000")
    assert figure(document, "sent") == 50000 and document["trace"]["streamed"] is True
    with pipe_of(player.folder, write) as path:
        result = player.namespace.run(TOOL, "rfc2544", "--to", "loop:", "--trace", path, check=False)
    assert result.returncode == 3 and "read again" in result.stderr, result


def unread(file):
    """How many bytes of a pipe nobody has taken yet."""
    return struct.unpack("i", fcntl.ioctl(file, termios.FIONREAD, bytes(4)))[0]


def silent(player):
    """A pipe that brings some frames, and then nothing: they leave at once, and Ctrl-C works."""
    taken, done = threading.Event(), threading.Event()

    def write(file):
        file.write(pcap(plain(range(1, 31))))
        until("nobody reads", lambda: not unread(file))
        taken.set()
        done.wait(90)

    with pipe_of(player.folder, write) as path:
        process = player.namespace.popen(TOOL, "send", path, "--to", "loop:", "--rate", "top", "-j", "-q",
                                         stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert taken.wait(60), "nobody reads"
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        said, complaints = process.communicate(timeout=60)
        done.set()
    document = json.loads(said)
    assert process.returncode == 0 and document["interrupted"] and figure(document, "sent") == 30, said
    assert "damaged" not in document["trace"], complaints


def ended_early(player):
    """Every output is there after Ctrl-C, and says that it was interrupted."""
    trace = os.path.join(player.folder, "made.pcap")
    write_pcap(trace, made_frames(200))
    out = {name: os.path.join(player.folder, "out." + name) for name in ("report", "json", "csv", "hgrm", "capture")}
    words = [word for name, path in out.items() for word in ("--" + name, path)]
    process = player.namespace.popen(TOOL, "send", trace, "--to", "loop:", "--loop", "0", "--rate", "2kpps",
                                     "--require", "loss=0", "--require", "p99<1ns", *words, stderr=subprocess.PIPE,
                                     text=True)
    until("nothing came back", lambda: os.path.exists(out["capture"]) and os.path.getsize(out["capture"]) > 20000)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1 and "It was interrupted" in said and "p99<1ns did not hold" in said, said
    with open(out["report"], encoding="utf-8") as file:
        page = file.read()
    assert "It was interrupted" in page and page.rstrip().endswith("</html>")
    with open(out["json"], encoding="utf-8") as file:
        assert json.load(file)["interrupted"] is True
    assert all(os.path.getsize(path) > 100 for path in out.values())


def progress(player):
    """On a terminal a bar shows rate, loss and the time that is left."""
    trace = os.path.join(player.folder, "made.pcap")
    write_pcap(trace, made_frames(200))
    ours, theirs = pty.openpty()
    process = player.namespace.popen(TOOL, "send", trace, "--to", "loop:", "--loop", "15", "--rate", "1kpps",
                                     stderr=theirs)
    os.close(theirs)
    seen = b""
    with contextlib.suppress(OSError):
        while data := os.read(ours, 4096):
            seen += data
    os.close(ours)
    assert process.wait(20) == 0
    for part in (b"[####", b" %", b"pps", b"lost 0", b" left"):
        assert part in seen, (part, seen[:400])


def no_link(player):
    player.namespace.run("ip", "link", "add", "vc", "type", "veth", "peer", "name", "vd")
    player.namespace.run("ip", "link", "set", "vc", "up")
    trace = os.path.join(player.folder, "made.pcap")
    write_pcap(trace, made_frames(5))
    result = player.namespace.run(TOOL, "send", trace, "--to", "vc", "-q", check=False, seconds=60)
    assert result.returncode == 3 and "vc has no link" in result.stderr, result


def main():
    if not Namespace.possible():
        skip_all("network namespaces need root")
    report = Report()
    with cable() as namespace, tempfile.TemporaryDirectory() as folder:
        player = Player(namespace, folder)
        for name, of in (("cut and damaged traces", damaged), ("records of every length", lengths),
                         ("times out of order, in nanoseconds", times), ("link types that are mixed", mixed_links),
                         ("a trace without end", endless), ("a pipe that falls silent", silent),
                         ("what was measured until it was ended", ended_early), ("progress on a terminal", progress),
                         ("a port without link", no_link)):
            with report.test(name):
                of(player)
    report.exit()


if __name__ == "__main__":
    main()
