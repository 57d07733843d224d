#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""Listeners come and go behind the handler that stands in front of libos-tcp.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2  appliances/tests/doors.c
"""
import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

ADDRESS = "10.51.0.2"
# Each argument is a port and what to say there; prints each answer.
CLIENT = f"""
import socket, sys
for word in sys.argv[1:]:
    try:
        with socket.create_connection(("{ADDRESS}", int(word[:2])), 10) as s:
            s.sendall(word[2:].encode() or b"?")
            print(s.recv(100).decode().strip() or "end")
    except OSError as error:
        print(type(error).__name__)
"""


def ask(ns, *words):
    return ns.run("python3", "-c", CLIENT, *words, seconds=60).stdout.split()


def expect_answered(ns, port):
    """Sooner or later the handler answers SYNs at that port: one in a second is not its own."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        first, *others, last = ask(ns, *[f"{port}"] * 5)
        assert all(number.isdigit() for number in (first, *others, last)), (first, others, last)
        if int(last) > int(first):
            return
    raise AssertionError(f"the handler answers no SYN at port {port}")


def follows_listeners(ns):
    expect_answered(ns, 80)
    ask(ns, "80+81")
    expect_answered(ns, 81)
    expect_answered(ns, 80)
    assert ask(ns, "81-80", "80", "80", "80")[1:] == ["ConnectionRefusedError"] * 3
    expect_answered(ns, 81)
    ask(ns, "81+80")
    expect_answered(ns, 80)


def has_more_listeners_than_doors(ns):
    ports = range(82, 94)
    ask(ns, *(f"80+{port}" for port in ports))
    got = ask(ns, *map(str, ports))
    assert all(number.isdigit() for number in got), got
    ask(ns, *(f"80-{port}" for port in ports))
    got = ask(ns, *map(str, ports))
    assert set(got) == {"ConnectionRefusedError"}, got
    expect_answered(ns, 80)
    expect_answered(ns, 81)


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    with Namespace() as ns, \
            Machine(payload=paths.payload("doors"), nics=[Nic(tap("tap0"))], within=ns, limit=110,
                    append=f"ip={ADDRESS}/24,10.51.0.1") as machine:
        machine.wait_for("doors: ready, 0")
        for test in (follows_listeners, has_more_listeners_than_doors):
            with report.test("the handler in front " + test.__name__.replace("_", " ")):
                test(ns)
                assert machine.running(), machine.console()[-2000:]
    report.exit()


main()
