#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 400
# alone: the firmware's PXE gives up where answers take their time, and then tries HTTP for minutes
"""A rack on a network whose DHCP server is somebody else's: serve-rack adds what boots to its answers.

      ┌ namespace ───────────────────────────────────┐   ┌ namespace ─────────────────┐
      │ serve-rack (proxy-DHCP) ── br0 10.51.0.1 ──── │─v─│── br0 10.51.0.2 ── dnsmasq │
      │   tap0  BIOS, known by its asset tag          │   │   leases, knows no boots   │
      │   tap1  UEFI, the firmware's own PXE          │   └────────────────────────────┘
      │   tap2  BIOS, on nobody's list                │
      └───────────────────────────────────────────────┘
"""
import contextlib
import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.racks import asks, mac, machine, make, tool, wait_up  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402

RACK = f"""[rack]
address = 10.51.0.1/24
default = probe
menu = 1
append = syslog=7514

[appliance echo]
payload = {paths.payload("echo")}

[appliance probe]
payload = {paths.payload("probe")}

[machine seventh]
asset = RACK-7
appliance = echo

[machine firm]
mac = {mac(1)}
appliance = echo
append = ip=10.51.0.12/24 ip=10.51.0.22/24
"""
MACHINES = [
    ("BIOS, by its asset tag", {"extra": ["-smbios", "type=3,asset=RACK-7"]}),
    ("UEFI's own PXE", {"firmware": "uefi", "options": "romfile="}),
    ("BIOS, on no list", {"nic": "e1000"}),
]


def join(inner, outer):
    """A cable between two namespaces' bridges."""
    subprocess.run(["ip", "link", "add", "cable", "netns", inner.name, "type", "veth", "peer", "name",
                    "cable", "netns", outer.name], check=True)
    for namespace in (inner, outer):
        namespace.run("ip", "link", "set", "cable", "master", "br0", "up")


def leases(namespace):
    return namespace.popen("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0",
                           "--interface=br0", "--bind-interfaces", "--user=root",
                           "--dhcp-leasefile=/dev/null", "--dhcp-authoritative", "--no-ping",
                           "--dhcp-range=10.51.0.100,10.51.0.199,1h",
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def run(report, inner, outer, folder):
    tree, logs = make(folder, RACK), os.path.join(folder, "logs")
    with contextlib.ExitStack() as stack:
        stack.callback(leases(outer).kill)
        server = inner.popen(tool("serve-rack"), tree, "--interface", "br0", "--logs", logs,
                             stdout=subprocess.DEVNULL)
        stack.callback(server.kill)
        starts = [lambda number=number, how=how: stack.enter_context(machine(inner, folder, number, **how))
                  for number, (_, how) in enumerate(MACHINES)]
        running, rows = [start() for start in starts], []
        for number, (name, _) in enumerate(MACHINES):
            with report.test(f"proxy-DHCP: {name}: comes up by itself"):
                rows.append(wait_up(logs, number, running[number], starts[number])[0])
        with report.test("each is what the table says, with the other server's addresses"):
            assert [row["appliance"] for row in rows] == ["echo", "echo", "probe"], rows
            assert rows[0]["address"].startswith("10.51.0.1"), rows[0]
            assert rows[1]["address"] == "10.51.0.12", rows[1]
            for row in rows[:2]:
                asks(inner, row["address"])
        with report.test("serve-rack leased nothing itself"):
            with open(os.path.join(logs, "dnsmasq.log"), encoding="utf-8") as file:
                log = file.read()
            assert "DHCPOFFER" not in log and "PXE(br0)" in log, log[-2000:]


def main():
    if not Namespace.possible():
        skip_all("needs root for network namespaces")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace(taps=3) as inner, \
            Namespace(taps=0, address="10.51.0.2/24", address6="fd51::2/64") as outer:
        join(inner, outer)
        run(report, inner, outer, folder)
    report.exit()


main()
