# SPDX-License-Identifier: BSD-2-Clause
"""A rack in a namespace: its tree, its server's table of machines, machines that boot from their NIC."""
import contextlib
import json
import os
import subprocess
import sys
import time

from . import paths
from .machine import Machine, Nic, tap
import qemu

CLIENT = os.path.join(paths.TOP, "ci", "harness", "udp_client.py")


def tool(name):
    return os.path.join(paths.TOP, "boot", name)


def make(folder, text):
    """The tree that mkrack makes of rack.conf's text."""
    config, tree = os.path.join(folder, "rack.conf"), os.path.join(folder, "tree")
    with open(config, "w", encoding="utf-8") as file:
        file.write(text)
    subprocess.run([tool("mkrack"), config, tree], check=True)
    return tree


def damage(folder):
    """The echo appliance's payload with one bit changed, within an image."""
    with open(paths.payload("echo"), "rb") as file:
        payload = bytearray(file.read())
    payload[payload.rfind(b"\x7fELF\x02\x01\x01") + 5000] ^= 1
    path = os.path.join(folder, "broken.cpio")
    with open(path, "wb") as file:
        file.write(payload)
    return path


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


def mac(number):
    return f"52:54:00:51:1c:{number:02x}"


def machine(namespace, folder, number, nic="virtio", firmware=None, options="", at=None, extra=()):
    """Machine `number`, on tap `at` or that of its number."""
    words = qemu.uefi(firmware, os.path.join(folder, f"variables{number}")) if firmware else ()
    return Machine(kernel=None, within=namespace, limit=300, memory="256M", firmware=words,
                   nics=[Nic(tap(f"tap{number if at is None else at}"), nic, boots=True,
                             options=options, mac=mac(number))], extra=extra)


def wait_up(logs, number, running, start, seconds=200):
    """Waits until a machine has reported; returns its row and the machine.

    Firmware that gave up (OVMF's PXE does where its own time-outs pass on a busy host) ends in its
    shell: it is switched on again, as a person would do; not more than twice."""
    for _ in range(3):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not running.has("UEFI Interactive Shell"):
            row = state(logs).get(mac(number), {})
            if row.get("state") == "up":
                return row, running
            time.sleep(0.2)
        if not running.has("UEFI Interactive Shell"):
            break
        print(f"machine {number}: its firmware gave up: switched on again")
        running.process.kill()
        running.process.wait()
        running = start()
    raise AssertionError(f"{mac(number)} is not up: {state(logs).get(mac(number))}\n" +
                         running.console()[-3000:])


def asks(namespace, address):
    right = int(namespace.run(sys.executable, CLIENT, address, "7", "20", "100", seconds=60).stdout)
    assert right == 20, f"{address}: {right} of 20 answers"
