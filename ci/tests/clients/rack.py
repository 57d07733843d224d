#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 500
"""A rack: machines of both firmwares and different NICs boot from boot/serve-rack, untouched.

      ┌ namespace ──────────────────────────────────────────────────────────┐
      │  serve-rack (dnsmasq, HTTP) ── br0 10.51.0.1 ─┬─ tap0  BIOS, virtio  │
      │  clients                                      ├─ tap1  BIOS, e1000   │
      │                                               ├─ tap2  UEFI, virtio, iPXE in its ROM
      │                                               └─ tap3  UEFI, virtio, the firmware's own PXE
      └─────────────────────────────────────────────────────────────────────┘
"""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, tap  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402
import qemu  # noqa: E402

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
CLIENT = """import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
right = 0
for i in range(20):
    s.sendto(b'rack %d' % i, (sys.argv[1], 7))
    try: right += s.recv(100) == b'rack %d' % i
    except OSError: pass
print(right)"""


def tool(name):
    return os.path.join(paths.TOP, "boot", name)


def state(logs):
    with contextlib.suppress(OSError, ValueError), \
            open(os.path.join(logs, "state.json"), encoding="utf-8") as file:
        return {row["mac"]: row for row in json.load(file)}
    return {}


def wait_state(logs, mac, wanted, seconds):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        row = state(logs).get(mac, {})
        if row.get("state") == wanted:
            return row
        time.sleep(0.2)
    raise AssertionError(f"{mac} is not '{wanted}' after {seconds} s: {state(logs).get(mac)}")


def machine(namespace, folder, number, nic, firmware, options):
    words = qemu.uefi(firmware, os.path.join(folder, f"variables{number}")) if firmware else ()
    return Machine(kernel=None, within=namespace, limit=300, memory="256M", firmware=words,
                   nics=[Nic(tap(f"tap{min(number, 3)}"), nic, boots=True, options=options,
                             mac=f"52:54:00:51:1c:{number:02x}")])


def asks(namespace, address):
    right = int(namespace.run(sys.executable, "-c", CLIENT, address, seconds=60).stdout)
    assert right >= 19, f"{address}: {right} of 20 answers"


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
        running = [stack.enter_context(machine(namespace, folder, i, nic, firmware, options))
                   for i, (_, nic, firmware, options) in enumerate(MACHINES)]
        rows = []
        for i, (name, nic, firmware, _) in enumerate(MACHINES):
            with report.test(f"{firmware or 'bios'}, {nic}, {name}: comes up by itself"):
                try:
                    rows.append(wait_state(logs, f"52:54:00:51:1c:{i:02x}", "up", 200))
                except AssertionError:
                    print(running[i].console()[-3000:])
                    raise
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
    with report.test("a damaged payload is named, reported and loaded again"), \
            contextlib.ExitStack() as stack:
        stack.callback(server.kill)
        running = stack.enter_context(machine(namespace, folder, 5, "virtio", None, ""))
        running.wait_for("its digest is not the manifest's", 100)
        running.wait_for("starts again in [0-9]+ s", 10)
        wait_state(logs, "52:54:00:51:1c:05", "payload damaged, retries", 20)
        assert running.wait_exit(60) is None  # the reset, at which QEMU ends


def main():
    if not Namespace.possible():
        skip_all("needs root for a network namespace")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace(taps=4) as namespace:
        with open(paths.payload("echo"), "rb") as file:
            payload = bytearray(file.read())
        payload[payload.rfind(b"\x7fELF\x02\x01\x01") + 5000] ^= 1
        with open(os.path.join(folder, "broken.cpio"), "wb") as file:
            file.write(payload)
        config, tree = os.path.join(folder, "rack.conf"), os.path.join(folder, "tree")
        with open(config, "w", encoding="utf-8") as file:
            file.write(RACK.replace("FOLDER", folder))
        subprocess.run([tool("mkrack"), config, tree], check=True)
        logs = os.path.join(folder, "logs")
        refusals(report, namespace, tree)
        rack(report, namespace, folder, tree, logs)
        damaged(report, namespace, folder, tree, logs)
    report.exit()


main()
