#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
"""A NIC's virtual functions behind an IOMMU (QEMU 10's igb and intel-iommu), each an environment's own: a stack serves on
one; its DMA keeps to its environment's frames, also to those of them that are taken away; its environment's death frees all.
Without an IOMMU a function is refused, unless the manifest wants it all the same. Skips where QEMU 10 can't be had.
"""
import concurrent.futures
import http.client
import os
import re
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths, programs, receivers  # noqa: E402
from harness.machine import Machine, MachineError, stream, user_net  # noqa: E402
from harness.newer import newer_qemu  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402
from harness.trials import trial_payload  # noqa: E402
from harness.udp_client import ask, free_port  # noqa: E402
from harness.wire import MAC, Wire  # noqa: E402

TYPE = bytes.fromhex("88b6")
IOMMU = ["-device", "intel-iommu"]


def machine(newer, netdev, before, **description):
    """A machine with an igb that has two functions, ports 1 and 2."""
    words = [*newer["extra"], *before, "-netdev", f"{netdev},id=n", "-device", "igb,netdev=n,romfile="]
    return Machine(limit=150, **{**newer, **description, "extra": words})


def serves(report, newer, name, payload, before, expect):
    """lwIP on the function answers datagrams, also after a pause."""
    port = free_port()
    with report.test(name), machine(newer, user_net([("udp", port, 7)]), before, payload=paths.payload(payload),
                                    append="functions=2 ip=10.0.2.15/24,10.0.2.2@1") as running:
        running.wait_for("echo-lwip: ready: ", 90)
        for line in expect:
            assert running.has(line), f"no line like {line}:\n{running.console()}"
        for pause in (0, 1):
            time.sleep(pause)
            right = ask("127.0.0.1", port, 24)
            assert right == 24, f"{right} of 24 answers\n{running.console()}"
        assert not running.has("iommu: .* kept from"), running.console()


def fetch(port, page, wanted, times):
    """One connection, kept; as often as `times`."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(times):
        client.request("GET", page)
        got = client.getresponse().read()
        assert got == wanted, f"request {number}: {len(got)} bytes, not the {len(wanted)} of {page}"
    client.close()


def serves_pages(report, newer):
    """libos-tcp on a second function: requests enough for its buffers to go round several times, pages of many segments, a
    pause, two at once."""
    port = free_port()
    with open(os.path.join(paths.TOP, "appliances", "stacks", "page.png"), "rb") as file:
        picture = file.read()
    with open(os.path.join(paths.TOP, "appliances", "web", "pages", "index.html"), "rb") as file:
        page = file.read()
    with report.test("behind an IOMMU libos-tcp serves pages on a function, in the NIC's own buffers"), \
            machine(newer, user_net() + f",hostfwd=tcp:127.0.0.1:{port}-10.0.2.16:80", IOMMU, payload=paths.payload("function"),
                    append="functions=2 ip=10.0.2.15/24,10.0.2.2@1 ip=10.0.2.16/24,10.0.2.2@2") as running:
        running.wait_for("web: ready", 90)
        fetch(port, "/page.png", picture, 5)
        fetch(port, "/", page, 300)
        time.sleep(1)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            for done in [pool.submit(fetch, port, "/page.png", picture, 10) for _ in range(2)]:
                done.result()
        assert not running.has("iommu: .* kept from"), running.console()


def refused(report, newer):
    with report.test("no IOMMU: the function is refused"), \
            machine(newer, user_net(), [], payload=paths.payload("function"),
                    append="functions=2 ip=10.0.2.15/24,10.0.2.2@1") as running:
        running.wait_for("echo-lwip: not started: flow function: no IOMMU keeps the function", 90)


def send(wire, mac, what, rest=b""):
    """→ the payload, as it should come back."""
    frame = (mac + MAC + TYPE + what + rest).ljust(60, b"\0")
    wire.send(frame)
    return frame[14:]


def echo(wire, mac, rest):
    """Whether a frame comes back as it was sent. What was said before may come first."""
    sent = send(wire, mac, b"E", rest)
    while (frame := wire.receive(5)) is not None:
        if frame == MAC + mac + TYPE + sent:
            return True
    return False


def tell(wire, running, mac, what, pattern, count):
    """Says it until the machine has heard it: a ring may be full."""
    for _ in range(20):
        send(wire, mac, what)
        try:
            return running.wait_for(pattern, 3, count=count)
        except MachineError:
            if not running.running():
                raise
    raise AssertionError(f"no line like {pattern}\n{running.console()}")


def mac_of(match):
    return bytes.fromhex(match[1].replace(":", ""))


def trials(report, newer, cores):
    """appliances/tests/trial_function.c, which tells what each child waits for."""
    with tempfile.TemporaryDirectory() as folder, Wire(os.path.join(folder, "wire")) as wire, \
            machine(newer, stream(wire.path), IOMMU, smp=cores, append="functions=2",
                    payload=trial_payload(os.path.join(folder, "trial.cpio"))) as running:
        wire.connect()
        serving, loser = r"function: echo (\S+)", r"function: loser-before (\S+)"
        with report.test(f"{cores} cores: frames of all lengths come back as they were"):
            mac = mac_of(running.wait_for(serving, 90))
            for length in (1, 46, 47, 200, 513, 1024, 1400, 1499):
                for seed in range(8):
                    assert echo(wire, mac, bytes((length * 7 + seed * 31 + i * i) & 255 for i in range(length))), \
                        f"{length} bytes do not come back\n{running.console()}"
            for i in range(400):  # the buffers go round
                assert echo(wire, mac, b"%d" % i), f"frame {i}\n{running.console()}"
        tell(wire, running, mac, b"Q", loser, 1)
        mac = mac_of(running.wait_for(loser, 30))
        running.wait_for("function: loser 00", 60)
        for i in range(400):
            send(wire, mac, b"E", b"%d" % i)
            time.sleep(0.005)
        tell(wire, running, mac, b"C", "(ok|FAIL) a function can't reach", 1)
        with report.test(f"{cores} cores: what was stopped is said, with function and address"):
            assert running.has(r"iommu: 00:[0-9a-f]{2}\.[0-7] was kept from writing 8000"), running.console()
        mac = mac_of(running.wait_for(serving, 30, count=2))
        tell(wire, running, mac, b"D", serving, 3)
        with report.test(f"{cores} cores: the next environment has it whole"):
            for i in range(300):
                assert echo(wire, mac, b"next %d" % i), f"frame {i}\n{running.console()}"
        tell(wire, running, mac, b"Q", "trials: done", 1)
        results = re.findall(r"(ok|FAIL) (.*)$", running.console(), re.M)
        for verdict, name in results:
            with report.test(f"{cores} cores: {name}"):
                assert verdict == "ok", running.console()[-3000:]
        with report.test(f"{cores} cores: all trials were made"):
            assert len(results) == 3, running.console()[-3000:]


def keeps_apart(report, newer):
    """The NIC's own port and a function beside each other: each hears its own address, in every way to receive."""
    with tempfile.TemporaryDirectory() as folder, Wire(os.path.join(folder, "wire")) as wire, \
            machine(newer, stream(wire.path), IOMMU, append=f"functions=2 ip={receivers.ADDRESS}/24",
                    payload=receivers.payload(folder, [("environments = (", receivers.QUEUE)])) as running:
        wire.connect()
        own = running.wait_for(r"queued: ready: .* at (\S+)", 90)
        running.wait_for("ready: from", 30, count=receivers.READY + 1)
        nic, function = wire.arp(receivers.ADDRESS, receivers.ASKER, seconds=30), mac_of(own)
        with report.test("what is for the NIC's own address comes to its port, and to no function"):
            before = receivers.counts(wire, function, receivers.QUEUED)[0]
            for port in (receivers.COPIED, receivers.EXCHANGED):
                for _ in range(20):
                    wire.send(receivers.marked(nic, port, 1000))
                found = receivers.counts(wire, nic, port)
                assert (found[0], found[2]) == (20, 0), f"port {port}: {found}\n{running.console()}"
            assert receivers.counts(wire, function, receivers.QUEUED)[0] == before
        with report.test("what is for a function comes to it, and not to the NIC's port"):
            for _ in range(20):
                wire.send(receivers.marked(function, receivers.COPIED, 1000))
            assert receivers.counts(wire, function, receivers.QUEUED)[0] == before + 20
            assert receivers.counts(wire, nic, receivers.COPIED)[0] == 20


STEERED = """name = "steered"; environments = ( {
  name = "steered"; image = "receiver"; arguments = [ "0", "steer" ]; frames = 2048; may = [ "console" ]; flows = ( {
    name = "steered"; receive = "ip and udp dst port 16546 and dst host $addr";
    transmit = "ether src $mac and ip and udp src port 16546 and src host $addr"; } ); } );
"""
IGB_MAC = bytes.fromhex("525400123456")


def spares_a_queue(report, newer, before, said):
    """The NIC's own port with a queue to spare, in a domain that reaches all memory. QEMU's igb takes the driver's rule and steers
    by none, so everything comes by the usual way, and has to: exo/core/tests/test_net_steer.c has a NIC that does."""
    with tempfile.TemporaryDirectory() as folder, Wire(os.path.join(folder, "wire")) as wire, \
            machine(newer, stream(wire.path), before, append=f"spare=1 ip={receivers.ADDRESS}/24",
                    payload=programs.build_text(folder, STEERED, ["appliances/tests"])) as running:
        wire.connect()
        running.wait_for("ready: from", 90)
        with report.test("a queue to spare: " + said):
            assert running.has("steered: queue: " + said), running.console()
            for _ in range(5):
                for _ in range(20):
                    wire.send(receivers.marked(IGB_MAC, receivers.COPIED, 1000))
                found = receivers.counts(wire, IGB_MAC, receivers.COPIED)
            assert (found[0], found[2]) == (100, 0), f"{found}\n{running.console()}"
            assert not running.has("iommu: .* kept from"), running.console()


def main():
    newer = newer_qemu()
    if newer is None:
        skip_all("the backport of QEMU can't be had here")
    report = Report()
    serves(report, newer, "behind an IOMMU a stack serves on the function", "function", IOMMU,
           [r"iommu: VT-d", r"net: .*: a function: port 1$"])
    serves_pages(report, newer)
    refused(report, newer)
    serves(report, newer, "no IOMMU: a function that may be unprotected is given, and said so", "function-unprotected",
           [], [r"port 1, unprotected: there is no IOMMU", r"flow function: port 1 is a function that is unprotected"])
    keeps_apart(report, newer)
    spares_a_queue(report, newer, IOMMU, "a rule leads to it")
    spares_a_queue(report, newer, [], "EXO_EINVAL")
    trials(report, newer, 2)
    report.exit()


main()
