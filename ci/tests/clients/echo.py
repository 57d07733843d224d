#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
"""The echo appliance and real clients on a wire; then the same over IPv6.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2  host and echo-udp, one address
                                    └── 10.51.0.3  echo-lwip, its own address

    namespace: br0 fd51::1 ── tap0 ── fd51::2  host and echo-udp (appliance echo6)
"""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

SHARED, LWIP = "10.51.0.2", "10.51.0.3"
SIX = "fd51::2"
CLIENT = os.path.join(paths.TOP, "ci", "harness", "udp_client.py")


def ping(ns, address, count, size):
    """Answers to `count` pings of `size` bytes, one after the other. Each is a ping of its own: once it has had an
    answer, ping waits for the last one only for two round trips, which on a busy computer is too short."""
    return sum(ns.run("ping", "-q", "-n", "-c", "1", "-W", "5", "-s", str(size), address, check=False).returncode == 0
               for _ in range(count))


def udp(ns, address, count, *size):
    done = ns.run("python3", CLIENT, address, "7", str(count), *map(str, size))
    return int(done.stdout)


def expect(got, wanted):
    assert got == wanted, f"{got} instead of {wanted}"


def answers_ping(ns):
    for address in (SHARED, LWIP):
        for size in (0, 1, 56, 1472):
            expect(ping(ns, address, 10, size), 10)


def answers_fragmented_ping(ns):
    for size in (1473, 4000, 20000):
        expect(ping(ns, SHARED, 5, size), 5)
    expect(ping(ns, SHARED, 3, 65507), 3)


def answers_arp(ns):
    for address in (SHARED, LWIP):
        done = ns.run("arping", "-c", "3", "-w", "20", "-I", "br0", address, check=False)
        assert done.returncode == 0, done.stdout
        # One answer for each question: nobody else speaks for the address.
        asked, answered = (int(re.search(rf"{word} (\d+) ", done.stdout).group(1)) for word in ("Sent", "Received"))
        assert 3 <= answered <= asked, done.stdout


def answers_udp(ns):
    for address in (SHARED, LWIP):
        expect(udp(ns, address, 100), 100)


def answers_long_udp(ns):
    """Only a datagram's first fragment has the port; the others follow it."""
    for size in (1473, 4000, 20000):
        expect(udp(ns, SHARED, 5, size), 5)


def refuses_other_ports(ns):
    program = ("import socket\n"
               "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(20)\n"
               f"s.connect(('{SHARED}', 9)); s.send(b'x')\n"
               "try:\n    s.recv(1)\nexcept ConnectionRefusedError:\n    print('refused')\n")
    done = ns.run("python3", "-c", program, check=False)
    assert done.stdout.strip() == "refused", done.stderr


def refuses_tcp(ns):
    """Where nobody has a stream stack the address's host environment says so at once."""
    program = ("import socket\n"
               f"for port in (80, 5201):\n    try:\n        socket.create_connection(('{SHARED}', port), 20)\n"
               "    except ConnectionRefusedError:\n        print('refused')\n")
    done = ns.run("python3", "-c", program, check=False)
    assert done.stdout.split() == ["refused"] * 2, done.stdout + done.stderr


def survives_noise(ns, machine):
    """Random frames, and good ones with a few bytes changed; afterwards all is as before."""
    program = os.path.join(paths.TOP, "ci", "harness", "noise.py")
    mac = re.search(r"lladdr ([0-9a-f:]+)", ns.run("ip", "neigh", "show", SHARED).stdout).group(1)
    ns.run("python3", program, "br0", mac, SHARED, LWIP, "4000", seconds=60)
    expect(ping(ns, SHARED, 5, 56), 5)
    expect(ping(ns, LWIP, 5, 56), 5)
    answers_udp(ns)
    assert machine.running()


def survives_flood(ns):
    """Pings as fast as the client can; most are answered, and the services still are there."""
    done = ns.run("ping", "-q", "-n", "-f", "-i", "0", "-c", "2000", "-W", "2", SHARED, check=False)
    found = re.search(r"(\d+) received", done.stdout)
    assert found and int(found.group(1)) > 1000, done.stdout + done.stderr
    answers_udp(ns)


def answers_over_ipv6(ns):
    for size in (0, 56, 1452, 1453, 4000, 20000):
        expect(ping(ns, SIX, 5, size), 5)
    expect(udp(ns, SIX, 50, 1000), 50)
    for size in (1453, 4000, 20000):
        expect(udp(ns, SIX, 5, size), 5)


def run4(report):
    with Namespace() as ns, \
            Machine(payload=paths.payload("echo"), nics=[Nic(tap("tap0"))], within=ns, limit=170,
                    append=f"ip={SHARED}/24,10.51.0.1 ip={LWIP}/24,10.51.0.1") as machine:
        machine.wait_for("ready: ", count=3)
        for test in (answers_arp, answers_ping, answers_fragmented_ping, answers_udp,
                     answers_long_udp, refuses_other_ports, refuses_tcp, survives_flood):
            with report.test("echo " + test.__name__.replace("_", " ")):
                test(ns)
        with report.test("echo survives noise"):
            survives_noise(ns, machine)


def refuses_tcp_over_ipv6(ns):
    program = ("import socket\ntry:\n"
               f"    socket.create_connection(('{SIX}', 80), 20)\nexcept ConnectionRefusedError:\n    print('refused')\n")
    done = ns.run("python3", "-c", program, check=False)
    assert done.stdout.strip() == "refused", done.stdout + done.stderr


def run6(report):
    with Namespace() as ns, \
            Machine(payload=paths.payload("echo6"), nics=[Nic(tap("tap0"))], within=ns,
                    append=f"ip={SIX}/64") as machine, report.test("echo6 answers"):
        machine.wait_for("ready: ", count=2)
        answers_over_ipv6(ns)
        refuses_tcp_over_ipv6(ns)


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    run4(report)
    run6(report)
    report.exit()


main()
