#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# alone: a sender with real-time priority takes a core from whatever runs beside it
"""sluice-replay over a virtual cable, with the kernel's own capture as the truth.

    namespace: sluice-replay send ── va ═══ vb ── tcpdump, or sluice-replay reflect
               sluice-replay send ── memif socket ── sluice-replay reflect
"""
import json
import os
import signal
import struct
import subprocess
import tempfile

from harness.cable import (TOOL, cable, captured, figure, heard, made_frames, real_traces, running, same_frames,
                           send, until, write_pcap)
from harness.netns import Namespace
from harness.replay_modes import MODES, Capture
from harness.report import Report, skip_all

MTU = 1500


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
    with running(namespace, TOOL, "reflect", far, "--swap", "ports") as reflector:
        heard(reflector, "reflecting on")
        for words in (["--sign"], []):
            document = send(namespace, trace, port, "--rate", "500pps", "--timeout", "5s", "--flows",
                            "--require", "loss=0", *words)
            assert figure(document, "foreign") == 0 and figure(document, "duplicates") == 0
            assert document["runs"][0]["latency_ns"]["count"] == figure(document, "sent")


def interrupted(namespace, trace):
    before = int(namespace.run("cat", "/sys/class/net/vb/statistics/rx_packets").stdout)
    process = namespace.popen(TOOL, "send", trace, "--to", "va", "--loop", "0", "--rate", "1kpps",
                              "--no-return", "-j", "-q", stdout=subprocess.PIPE, text=True)
    until("hardly a frame was sent", lambda: int(namespace.run(
        "cat", "/sys/class/net/vb/statistics/rx_packets").stdout) > before + 300)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    document = json.loads(said)
    assert process.returncode == 0 and document["interrupted"] and figure(document, "sent") > 100


def compared(namespace, folder, trace):
    """Intervals that don't overlap differ; a figure without one, or that only one result has, is not judged."""
    def document(name, **figures):
        path = os.path.join(folder, name)
        summary = {figure: dict(zip(("mean", "half_width_95"), values)) for figure, values in figures.items()}
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"summary": summary}, file)
        return path

    left = document("a.json", pps=(1000, 5), p50=(2000, 150), p99=(5000, 100), lost=(0, 0), max=(7e6,))
    right = document("b.json", pps=(4000, 9), p50=(2200, 51), p99=(5250, 100), lost=(3, 0.5), max=(8e6,))
    found = json.loads(namespace.run(TOOL, "compare", left, right, "-j").stdout)
    assert {row["figure"]: row["verdict"] for row in found} == {
        "pps": "differs", "p50": "same", "p99": "differs", "lost": "differs", "max": ""}, found
    said = namespace.run(TOOL, "compare", left, right).stdout
    for part in ("1 k +- 5", "2 us +- 150 ns", "+10.00 %  same", "7 ms", "new"):
        assert part in said, (part, said)
    assert "-  " in namespace.run(TOOL, "compare", left, document("c.json", pps=(1000, 5))).stdout
    result = namespace.run(TOOL, "compare", left, trace, check=False)
    assert result.returncode == 3 and "no result" in result.stderr, result


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


def captures(namespace, folder):
    """Three of the real ones in every mode; the suite soak plays all."""
    for path in real_traces()[10:40:12]:
        capture = Capture(path, folder)
        for name, play in MODES.items():
            try:
                play(capture, namespace, folder)
            except AssertionError as reason:
                raise AssertionError(f"{path}, {name}: {reason}") from None


def main():
    if not Namespace.possible():
        skip_all("network namespaces need root")
    report, frames = Report(), made_frames(600)
    with cable() as namespace, tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "made.pcap")
        write_pcap(trace, frames)
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
        with report.test("two results side by side"):
            compared(namespace, folder, trace)
        with report.test("bad input is named"):
            bad_input(namespace, folder, trace)
        if real_traces():
            with report.test("real captures in every mode, frame by frame"):
                captures(namespace, folder)
        else:
            report.skip("real captures in every mode, frame by frame", "there are none here")
    report.exit()


if __name__ == "__main__":
    main()
