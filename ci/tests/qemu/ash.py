#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
"""The ash appliance through QEMU's user network: what handlers in the kernel answer, and what the
monitor says of them.

    this computer, 127.0.0.1 ports ── QEMU's NAT ── 10.0.2.15: UDP 7, 9000, 9001, 11211, TCP 80
"""
import os
import re
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.machine import Machine, Nic, user_net
from harness.report import Report
from harness.udp_client import ask, free_port


def question(port, data, patience=5):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(patience)
        for _ in range(3):
            client.sendto(data, ("127.0.0.1", port))
            try:
                return client.recv(65535)
            except socket.timeout:
                pass
    raise TimeoutError("no answer")


def get_page(port):
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: ash\r\n\r\n")
        page = b""
        while data := client.recv(65535):
            page += data
    return page


def answers(ports):
    assert ask("127.0.0.1", ports[7], 24) == 24
    value = question(ports[11211], b"\0\1\0\0\0\1\0\0get greeting\r\n")
    assert value == b"\0\1\0\0\0\1\0\0VALUE greeting 0 21\r\nhello from the kernel\r\nEND\r\n", value
    assert question(ports[9000], struct.pack(">4I", 5, 1, 40, 2)) == struct.pack(">3I", 5, 0, 42)
    assert question(ports[9001], struct.pack(">3I", 0, 2, 7))[:8] == struct.pack(">2I", 0, 2)
    page = get_page(ports[80])
    assert page.startswith(b"HTTP/1.1 200 OK") and b"in the kernel" in page, page


def shows(machine):
    """`top` lists each handler with its runs, and none over its budget."""
    machine.send("top\r")
    machine.wait_for(" http +\\d", 20)
    lines = [line.split() for line in machine.console().splitlines()
             if re.search(r"\d+ ash +\w+ +\d+ +\d+ +\d+", line)]
    seen = {}
    for words in lines:
        at = words.index("ash")
        seen[words[at + 1]] = list(map(int, words[at + 2:at + 5]))
    assert len(seen) == 7, seen
    for name, (cost, budget, runs) in seen.items():
        assert 0 < cost <= budget, name
        assert runs > 0 or name in ("icmp_echo", "neighbour"), name


def main():
    report = Report()
    kinds = {7: "udp", 9000: "udp", 9001: "udp", 11211: "udp", 80: "tcp"}
    ports = {port: free_port(socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM)
             for port, kind in kinds.items()}
    backend = user_net() + "".join(f",hostfwd={kind}:127.0.0.1:{ports[port]}-10.0.2.15:{port}"
                                   for port, kind in kinds.items())
    for model in ("virtio", "e1000e"):
        with Machine(payload=paths.payload("ash"), nics=[Nic(backend, model)], limit=80,
                     append="ip=10.0.2.15/24,10.0.2.2") as machine:
            with report.test(f"ash on {model}: handlers answer"):
                machine.wait_for("7 handlers in the kernel", 60)
                answers(ports)
            with report.test(f"ash on {model}: the monitor lists them"):
                shows(machine)
    report.exit()


main()
