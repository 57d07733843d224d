#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The appliance `probe`: what it finds out goes to the console, a page, and the network.

    this script ── QEMU's user network (HTTP) or a socket (UDP broadcasts) ── NIC of the machine
"""
import json
import os
import re
import socket
import tempfile
import time
import urllib.error
import urllib.request

from harness import paths
from harness.machine import Machine, Nic, stream, user_net
from harness.report import Report
from harness.udp_client import free_port
from harness.wire import Wire

# What a rack engineer wants to see, wherever he reads it.
LINES = [r"cpu: .*, 1 cores", r"cpu: has .*SSE4\.2", r"time: TSC [0-9]+ kHz, timer by",
         r"memory: [0-9a-f]+ \.\.\. [0-9a-f]+ RAM", r"memory: [0-9]+ MiB of RAM", r"acpi: .*APIC",
         r"iommu: Intel VT-d", r"timers: local APIC, HPET",
         r"pci: 0000:00:1f\.2 \[8086:2922\] SATA", r"pci: .*: port 0 by net_virtio",
         r"pci: .*: NO DRIVER: Realtek", r"port 0: net_virtio at .*, 52:54:00:51:1c:00, link is up",
         r"probe: done; 1 ports, 1 network controllers without a driver"]
ODD = ["-device", "rtl8139", "-device", "intel-iommu"]


def has_all(text):
    missing = [line for line in LINES if not re.search(line, text)]
    assert not missing, f"{missing} not in:\n{text}"


def by_http(report):
    port = free_port(socket.SOCK_STREAM)
    with Machine(payload=paths.payload("probe"), nics=[Nic(user_net([("tcp", port, 80)]))], limit=90,
                 extra=ODD) as machine:
        with report.test("probe on the console"):
            machine.wait_for("probe: done", 60)
            has_all(machine.console())
        with report.test("probe by HTTP, as text and as a page"):
            machine.wait_for("this report by HTTP: port 80", 30)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/probe.txt", timeout=20) as answer:
                assert answer.headers.get_content_type() == "text/plain"
                has_all(answer.read().decode())
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as answer:
                text = answer.read().decode()
            has_all(text)
            assert text.startswith("<!DOCTYPE html>") and text.rstrip().endswith("</html>")
        with report.test("probe by HTTP has no other page"):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/other", timeout=20).close()
            except urllib.error.HTTPError as error:
                assert error.code == 404
            else:
                raise AssertionError("/other was found")


def datagrams(wire, until, seconds):
    """{port: text} of the machine's UDP broadcasts, until one of them matches."""
    said, deadline = {}, time.monotonic() + seconds
    while time.monotonic() < deadline and not re.search(until, said.get(7514, "")):
        frame = wire.receive(1)
        port = int.from_bytes(frame[36:38], "big") if frame else 0
        if port not in (7514, 7517) or frame[12:14] != b"\x08\x00" or frame[23] != 17:
            continue
        assert frame[:6] == b"\xff" * 6 and frame[30:34] == b"\xff" * 4, frame[:42]
        size = int.from_bytes(frame[38:40], "big") - 8
        said[port] = said.get(port, "") + frame[42:42 + size].decode() + "\n"
    return said


def by_udp(report, folder):
    """No address, nobody to ask: it reports all the same."""
    path = os.path.join(folder, "wire")
    with report.test("probe by UDP, without an address"), Wire(path) as wire, \
            Machine(payload=paths.payload("probe"), nics=[Nic(stream(path))], limit=90, extra=ODD,
                    append="report=7517 syslog=7514") as machine:
        wire.connect()
        said = datagrams(wire, r"probe: done", 60)
        assert 7514 in said and 7517 in said, machine.console()
        has_all(said[7514])
        up = json.loads(said[7517].splitlines()[0])
        assert up["name"] == "probe" and up["nics"][0]["driver"] == "net_virtio", up


def main():
    report = Report()
    by_http(report)
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        by_udp(report, folder)
    report.exit()


if __name__ == "__main__":
    main()
