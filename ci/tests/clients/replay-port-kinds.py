#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
# alone: a sender with real-time priority takes a core from whatever runs beside it
"""Every kind of port that sluice-replay names, each opened and each frame compared with the trace's:
by the kernel's capture where the kernel sees them, else by what the other end took down.

    an interface       the kernel's capture at the other end: sending by AF_XDP, and where frames may be
                       longer than a page by af_packet
    tap, af_xdp        the same
    memif, vhost       sluice-replay sink --capture in a process of its own
    QEMU's socket      a program that speaks as QEMU does
    net_pcap           the file that DPDK writes
    net_ring, loop     what comes back
"""
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from harness.cable import (TOOL, cable, captured, figure, heard, made_frames, read_pcap, read_pcapng, running,
                           same_frames, send, until, write_pcap)
from harness.netns import Namespace
from harness.report import Report, skip_all

SIGNED = ("--sign", "--rate", "2kpps")


def over_tap(namespace, folder, trace, wanted):
    """The device is made by the tool itself, so that the capture begins when it is there."""
    path = os.path.join(folder, "tap.pcap")
    sender = namespace.popen(TOOL, "send", trace, "--to", "tap:slctap", "--no-return", "-q", "--rate", "400pps",
                             "--warmup", "2s", "--frames", str(5 * len(wanted)), "--loop", "0")
    deadline = time.monotonic() + 20
    while not os.path.exists(f"/run/netns/{namespace.name}") or "slctap" not in namespace.run(
            "ip", "-br", "link", "show", "up").stdout:
        assert time.monotonic() < deadline and sender.poll() is None, "there is no tap device"
        time.sleep(0.02)
    dump = namespace.popen("tcpdump", "-i", "slctap", "-Q", "in", "-w", path, "--nano", "-U", "udp",
                           stderr=subprocess.DEVNULL)
    assert sender.wait(60) == 0
    dump.wait(20)  # the device has gone
    arrived = [frame for _, frame in read_pcap(path)]
    # The capture began some time after the tool: from its first frame on they follow one another, in passes.
    assert len(arrived) > len(wanted) / 2, f"{len(arrived)} frames were captured"
    first = wanted.index(arrived[0])
    for number, frame in enumerate(arrived):
        assert frame == wanted[(first + number) % len(wanted)], f"frame {number} after the first"


def over_xdp(namespace, folder, trace, wanted):
    document, arrived = captured(namespace, folder, trace, "--rate", "2kpps", port="af_xdp:va")
    same_frames([frame for _, frame in arrived], wanted)
    assert "af_xdp" in document["provenance"]["driver"]


def frames_seen(namespace, interface):
    return int(namespace.run("cat", f"/sys/class/net/{interface}/statistics/rx_packets").stdout)


def over_interface(namespace, folder, trace, wanted):
    """No program is attached: what an interface receives stays the kernel's."""
    big = [(when, frame.ljust(length, b"\1")) for (when, frame), length in zip(made_frames(40), range(1515, 9000, 187))]
    jumbo = os.path.join(folder, "jumbo.pcap")
    write_pcap(jumbo, big)
    for mtu, words, by_xdp in ((1500, (), True), (9000, ("--preload", "0"), False)):
        for name in ("va", "vb"):
            namespace.run("ip", "link", "set", name, "mtu", str(mtu))
        document, arrived = captured(namespace, folder, trace, "--rate", "top", *words)
        same_frames([frame for _, frame in arrived], wanted)
        assert ("AF_XDP" in document["provenance"]["driver"]) == by_xdp, document["provenance"]
        assert document["runs"][0]["port"]["send_errors"] == 0
    _, arrived = captured(namespace, folder, jumbo, "--rate", "1kpps")
    same_frames([frame for _, frame in arrived], [frame for _, frame in big])
    for name in ("va", "vb"):
        namespace.run("ip", "link", "set", name, "mtu", "1500")
    before = frames_seen(namespace, "vb")
    with running(namespace, TOOL, "send", trace, "--to", "va", "--loop", "0", "--rate", "1kpps", "-q"):
        until("frames go", lambda: frames_seen(namespace, "vb") > before + 100)
        assert "xdp" not in namespace.run("ip", "link", "show", "va").stdout


def through_sink(namespace, folder, trace, wanted, near, far):
    """Two processes that share memory; the far one takes down what it gets."""
    path = os.path.join(folder, "sink.pcapng")
    sink = namespace.popen(TOOL, "sink", far, "--capture", path, "--frames", str(len(wanted)), "--duration",
                           "60s", "-j", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        heard(sink, "listening on")
        send(namespace, trace, near, "--no-return", "--rate", "2kpps")
        said, _ = sink.communicate(timeout=90)
    finally:
        sink.kill()
        sink.wait()
    same_frames(read_pcapng(path), wanted)
    assert "not measured" in said


def come_and_go(namespace, folder, trace, port):
    """Both may come first, and each sender's end finds the reflector polling what it takes away."""
    with running(namespace, TOOL, "reflect", port, "-q") as reflector:
        for _ in range(4):
            send(namespace, trace, port, "--rate", "2kpps", "--timeout", "10s", "--require", "loss=0")
            assert reflector.poll() is None


def one_way(namespace, trace, near, far):
    """Signed frames tell a sink in this computer when they left."""
    sink = namespace.popen(TOOL, "sink", far, "--frames", "300", "--duration", "60s", "-j",
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        heard(sink, "listening on")
        send(namespace, trace, near, "--no-return", "--loop", "0", "--frames", "300", *SIGNED)
        said, _ = sink.communicate(timeout=90)
    finally:
        sink.kill()
        sink.wait()
    assert "same clock" in said and "one_way_ns" in said, said


def receive_as_qemu(path, frames):
    with socket.socket(socket.AF_UNIX) as machine:
        deadline = time.monotonic() + 20
        while True:
            try:
                machine.connect(path)
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        with machine.makefile("rb") as stream:
            while len(head := stream.read(4)) == 4:
                frames.append(stream.read(struct.unpack("!I", head)[0]))


def over_qemu(namespace, folder, trace, wanted):
    path, arrived = os.path.join(folder, "qemu.sock"), []
    machine = threading.Thread(target=receive_as_qemu, args=(path, arrived))
    machine.start()
    send(namespace, trace, "qemu:" + path, "--no-return", "--rate", "top")
    machine.join(20)
    same_frames(arrived, wanted)


def over_pcap(namespace, folder, trace, wanted):
    path = os.path.join(folder, "net_pcap.pcap")
    send(namespace, trace, f"vdev:net_pcap0,rx_pcap={trace},tx_pcap={path}", "--no-return", "--rate", "top")
    same_frames([frame for _, frame in read_pcap(path)], wanted)


def over_itself(namespace, folder, trace, wanted):
    for port in ("vdev:net_ring0", "loop:"):
        path = os.path.join(folder, "back.pcapng")
        document = send(namespace, trace, port, "--rate", "5kpps", "--capture", path, "--require", "loss=0")
        same_frames(read_pcapng(path), wanted)
        assert figure(document, "returned") == len(wanted)
    document = send(namespace, trace, "loop:", "--rate", "top", "--no-return")
    assert figure(document, "sent") == len(wanted)


HOLDER = """
import os, resource, socket, struct, subprocess, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (9000, 9000))
held = []
for pid in range(os.getpid() + 1, os.getpid() + 160):
    if pid % 2:
        held.append(socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        held[-1].bind(("vb", 3))
        held[-1].setsockopt(263, 18, struct.pack("I", (pid ^ socket.if_nametoindex("va")) & 0xffff | 1 << 16))
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""


def groups_taken(namespace, trace):
    """Every second process that comes would hit a fan-out group of somebody else's."""
    for _ in range(3):
        result = namespace.run(sys.executable, "-c", HOLDER, TOOL, "send", trace, "--to", "va", "--no-return",
                               "--rate", "top", "-q", seconds=60, check=False)
        assert result.returncode == 0, result.stderr
    result = namespace.run(sys.executable, "-c", HOLDER, TOOL, "send", trace, "--to", "va", "--rate", "top", "-q",
                           "--timeout", "10ms", "--require", "loss=0", seconds=60, check=False)
    assert result.returncode == 1, f"a child's status is not passed on: {result}"


def main():
    if not Namespace.possible():
        skip_all("network namespaces need root")
    report, frames = Report(), made_frames(300)
    wanted = [frame for _, frame in frames]
    with cable() as namespace, tempfile.TemporaryDirectory() as folder:
        trace = os.path.join(folder, "made.pcap")
        write_pcap(trace, frames)
        socket_of = lambda name: os.path.join(folder, name)
        for name, of in (("an interface", over_interface), ("tap", over_tap), ("af_xdp", over_xdp), ("QEMU's socket", over_qemu),
                         ("net_pcap", over_pcap), ("net_ring and a loop", over_itself)):
            with report.test(f"{name}, frame by frame"):
                of(namespace, folder, trace, wanted)
        memif = "memif:" + socket_of("memif.sock")
        with report.test("memif, frame by frame"):
            through_sink(namespace, folder, trace, wanted, memif, memif)
        with report.test("a reflector over memif outlives those who come and go"):
            come_and_go(namespace, folder, trace, "memif:" + socket_of("reflected.sock"))
        vhost, virtio = "vhost:" + socket_of("vhost.sock"), "virtio:" + socket_of("vhost.sock")
        with report.test("vhost and virtio, frame by frame"):
            through_sink(namespace, folder, trace, wanted, virtio, vhost)
        with report.test("one-way latency where the clock is one"):
            one_way(namespace, trace, memif, memif)
        with report.test("af_packet's fan-out groups are taken by others"):
            groups_taken(namespace, trace)
    report.exit()


if __name__ == "__main__":
    main()
