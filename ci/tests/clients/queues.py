#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""A NIC with four pairs of queues, spread by RSS over four cores: one environment gets what all of
them poll, and answers.

    namespace: br0 10.51.0.1 ── tap0, 4 queues ── 10.51.0.2  host on core 0, echo-udp on core 1

Core 2 sends for echo-udp, and runs nobody: no call is on the way.
"""
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

ADDRESS, QUEUES, FLOWS, EACH = "10.51.0.2", 4, 16, 20
CLIENT = os.path.join(paths.TOP, "ci", "harness", "udp_client.py")
SPREAD = rf"{QUEUES} receive queues, (\d+) by the busiest"


def payload(folder):
    """The monitor's, with its echo-udp on a core of its own and another core to send for it."""
    path = os.path.join(folder, "queues")
    with open(os.path.join(paths.TOP, "appliances", "monitor", "monitor.conf"),
              encoding="utf-8") as file:
        text = file.read()
    placed = text.replace('image = "echo-udp";', 'image = "echo-udp"; core = 1; sender = 2;')
    assert placed != text
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write(placed)
    images = [word for part in ("init", "echo", "monitor")
              for word in ("-I", os.path.join(paths.BUILD, "appliances", part))]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), *images, "-o",
                    path + ".cpio", path + ".conf"], check=True)
    return path + ".cpio"


def finds_queues(machine):
    machine.wait_for(rf"net: \S+: {QUEUES} pairs of queues$", 20)


def answers_many_flows(ns):
    """Each client asks from a port of its own: another queue, as the hash will have it."""
    right = sum(int(ns.run("python3", CLIENT, ADDRESS, "7", str(EACH)).stdout)
                for _ in range(FLOWS))
    assert right == FLOWS * EACH, f"{right} of {FLOWS * EACH}"


def spreads(machine):
    """Sixteen flows by one queue of four: once in a billion."""
    machine.send("ports\r")
    busiest = int(machine.wait_for(SPREAD, 20).group(1))
    assert EACH <= busiest < FLOWS * EACH, f"{busiest} frames by the busiest queue"


def answers_ping(ns):
    # With a deadline ping goes on until so many were answered; it may have asked more by then.
    done = ns.run("ping", "-q", "-n", "-c", "50", "-i", "0.02", "-w", "20", ADDRESS, check=False)
    assert " 50 received" in done.stdout, done.stdout


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    with tempfile.TemporaryDirectory() as folder, Namespace(queues=QUEUES) as ns, \
            Machine(payload=payload(folder), append=f"ip={ADDRESS}/24", smp=QUEUES,
                    nics=[Nic(tap("tap0") + f",queues={QUEUES}",
                              options=f"mq=on,rss=on,vectors={2 * QUEUES + 2}")],
                    within=ns, limit=110, memory="160M") as machine:
        machine.wait_for("ready: ", 60, count=2)
        with report.test("a port has as many pairs of queues as there are cores"):
            finds_queues(machine)
        with report.test("sixteen flows are answered, whichever core gets them"):
            answers_many_flows(ns)
        with report.test("they came by several queues"):
            spreads(machine)
        with report.test("pings are answered"):
            answers_ping(ns)
    report.exit()


main()
