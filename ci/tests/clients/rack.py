#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 500
# alone: PXE in a NIC's ROM gives up where answers take their time, and the firmware then tries HTTP for minutes
"""A rack: machines of both firmwares and different NICs boot from boot/serve-rack, untouched.

      ┌ namespace ──────────────────────────────────────────────────────────┐
      │  serve-rack (dnsmasq, HTTP) ── br0 10.51.0.1 ─┬─ tap0  BIOS, virtio  │
      │  clients                                      ├─ tap1  BIOS, e1000   │
      │                                               ├─ tap2  UEFI, virtio, iPXE in its ROM
      │                                               └─ tap3  UEFI, virtio, the firmware's own PXE
      └─────────────────────────────────────────────────────────────────────┘
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.racks import asks, damage, mac, machine, make, tool, wait_state, wait_up  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402

KEY = "000102030405060708090a0b0c0d0e0f"
RACK = f"""[rack]
address = 10.51.0.1/24
range = 10.51.0.100-10.51.0.199
default = echo
menu = 1
append = syslog=7514
key = {KEY}

[appliance echo]
payload = {paths.payload("echo")}

[appliance broken]
payload = FOLDER/broken.cpio

[machine left]
mac = 52:54:00:51:1c:00
appliance = echo
append = ip=10.51.0.11/24,10.51.0.1 ip=10.51.0.21/24,10.51.0.1

[machine damaged]
mac = 52:54:00:51:1c:05
appliance = broken
append = ip=10.51.0.15/24 ip=10.51.0.25/24
"""
MACHINES = [("left", "virtio", None, ""), ("e1000", "e1000", None, ""),
            ("ROM", "virtio", "uefi", ""), ("firmware's PXE", "virtio", "uefi", "romfile=")]


def refusals(report, namespace, tree):
    def refused(interface, because):
        result = namespace.run(tool("serve-rack"), tree, "--interface", interface, "--seconds", "1",
                               check=False)
        assert result.returncode == 1 and because in result.stderr, result.stderr

    with report.test("serve-rack refuses other interfaces"):
        refused("lo", "loopback")
        refused("tap0", "is a port of br0")
        refused("nowhere", "there is no interface nowhere")
        namespace.run("ip", "tuntap", "add", "other", "mode", "tap")
        namespace.run("ip", "addr", "add", "10.51.0.77/28", "dev", "other")
        namespace.run("ip", "link", "set", "other", "up")
        refused("br0", "other, which was not named")
        refused("other", "has not the rack's address")
        namespace.run("ip", "link", "del", "other")


def rack(report, namespace, folder, tree, logs):
    server = namespace.popen(tool("serve-rack"), tree, "--interface", "br0", "--logs", logs,
                             stdout=subprocess.DEVNULL)
    with contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        starts = [lambda i=i, nic=nic, firmware=firmware, options=options: stack.enter_context(
            machine(namespace, folder, i, nic, firmware, options))
                  for i, (_, nic, firmware, options) in enumerate(MACHINES)]
        running, rows = [start() for start in starts], []
        for i, (name, nic, firmware, _) in enumerate(MACHINES):
            with report.test(f"{firmware or 'bios'}, {nic}, {name}: comes up by itself"):
                row, running[i] = wait_up(logs, i, running[i], starts[i])
                rows.append(row)
        with report.test("all answer"):
            assert len(rows) == len(MACHINES)
            for row in rows:
                asks(namespace, row["address"])
        with report.test("the table tells NIC, version and boot time; the console is kept"):
            assert rows[0]["name"] == "left" and rows[0]["address"] == "10.51.0.11"
            assert "net_virtio" in rows[0]["nics"][0] and "net_e1000" in rows[1]["nics"][0]
            assert all(row["up_us"] > 0 and row["version"] for row in rows)
            with open(os.path.join(logs, "console-left.log"), encoding="utf-8") as file:
                assert "environments started" in file.read()
        with report.test("loss of the boot server changes nothing"):
            server.terminate()
            server.wait(10)
            for row in rows:
                asks(namespace, row["address"])
        with report.test("who has the key reboots a machine; a wrong key does not"):
            namespace.run(sys.executable, "-c", "import socket, sys; socket.socket(socket.AF_INET, "
                          "socket.SOCK_DGRAM).sendto(b'reboot ' + b'0' * 16 + b' ' + b'0' * 16, "
                          "('10.51.0.11', 7516))")
            running[0].wait_for("wrong key.*refused", 20)
            namespace.run(tool("serve-rack"), tree, "--interface", "br0", "--logs", logs,
                          "--reboot", "left")
            running[0].wait_for("rebooting", 20)
            assert running[0].wait_exit(20) is None
            assert running[1].running()


def damaged(report, namespace, folder, tree, logs):
    server = namespace.popen(tool("serve-rack"), tree, "--interface", "br0", "--logs", logs,
                             stdout=subprocess.DEVNULL)
    with report.test("a damaged payload is named, reported, loaded again, and starts once it is whole"), \
            contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        running = stack.enter_context(machine(namespace, folder, 5, at=3,
                                              extra=["-action", "reboot=reset"]))
        running.wait_for("its digest is not the manifest's", 100)
        running.wait_for("starts again in [0-9]+ s", 10)
        wait_state(logs, mac(5), "payload damaged, retries", 20)
        shutil.copyfile(paths.payload("echo"), os.path.join(tree, "http", "broken.cpio"))
        asks(namespace, wait_state(logs, mac(5), "up", 120)["address"])


def main():
    if not Namespace.possible():
        skip_all("needs root for a network namespace")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace(taps=4) as namespace:
        damage(folder)
        tree = make(folder, RACK.replace("FOLDER", folder))
        logs = os.path.join(folder, "logs")
        refusals(report, namespace, tree)
        rack(report, namespace, folder, tree, logs)
        damaged(report, namespace, folder, tree, logs)
    report.exit()


main()
