#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
"""Addresses by DHCP: the echo appliance without any ip=, and dnsmasq.

    namespace: br0 10.51.0.1 (dnsmasq) ── tap0 ── two leases: host and echo-udp; echo-lwip
"""
import contextlib
import os
import re
import subprocess
import tempfile
import time

from harness import paths
from harness.machine import Machine, Nic, tap, user_net
from harness.netns import Namespace
from harness.report import Report, skip_all

CLIENT = os.path.join(paths.TOP, "ci", "harness", "udp_client.py")
ADDRESS = r"address {}: (\d+\.\d+\.\d+\.\d+)/24 by DHCP from 10\.51\.0\.1"


@contextlib.contextmanager
def dnsmasq(ns, scratch, first, last, *more):
    """A DHCP server for first … last; its log is `log`."""
    log = os.path.join(scratch, f"log-{time.monotonic_ns()}")
    leases = os.path.join(scratch, "leases")
    process = ns.popen(
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=br0",
        "--bind-interfaces", "--log-dhcp", f"--log-facility={log}", f"--dhcp-leasefile={leases}",
        "--user=root", "--no-ping", "--dhcp-authoritative", f"--dhcp-range={first},{last},120",
        "--dhcp-option=option:router,10.51.0.1", *more,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield lambda: open(log, encoding="utf-8").read() if os.path.exists(log) else ""
    finally:
        process.terminate()
        process.wait(10)


def echoes(ns, address, count=5):
    """UDP echo answers; the environment may be starting just now."""
    for _ in range(20):
        done = ns.run("python3", CLIENT, address, "7", str(count), check=False)
        if done.returncode == 0 and done.stdout.strip() == str(count):
            return True
        time.sleep(0.5)
    return False


def machine(ns, append="", **more):
    return Machine(payload=paths.payload("echo"), nics=[Nic(tap("tap0"))], within=ns, limit=120,
                   append=append, **more)


def addresses(guest, count=1):
    return [guest.wait_for(ADDRESS.format(i), 40, count).group(1) for i in (0, 1)]


def leases_two(ns, scratch):
    with dnsmasq(ns, scratch, "10.51.0.10", "10.51.0.19") as log, machine(ns) as guest:
        got = addresses(guest)
        assert got[0] != got[1], got
        guest.wait_for("ready: ", 30, count=3)
        for address in got:
            assert echoes(ns, address), guest.console()
        assert "DHCPACK" in log() and "vendor class" not in log()
        assert not guest.has("refused to send"), guest.console()


def renews(ns, scratch):
    """T1 after three seconds: the lease goes on, and nobody is disturbed."""
    with dnsmasq(ns, scratch, "10.51.0.10", "10.51.0.19", "--dhcp-option=58,3",
                 "--dhcp-option=59,100") as log, machine(ns) as guest:
        address = addresses(guest)[0]
        guest.wait_for("ready: ", 30, count=3)
        deadline = time.monotonic() + 40
        while log().count(f"DHCPACK(br0) {address}") < 3 and time.monotonic() < deadline:
            time.sleep(0.5)
        assert log().count(f"DHCPACK(br0) {address}") >= 3, log()
        assert echoes(ns, address)
        assert not guest.has("the lease is lost") and not guest.has("starting again"), guest.console()


def address_changes(ns, scratch):
    """The server comes back with another range: it refuses the old address, and all move."""
    times = ["--dhcp-option=58,3", "--dhcp-option=59,100"]
    with machine(ns) as guest:
        with dnsmasq(ns, scratch, "10.51.0.10", "10.51.0.19", *times):
            old = addresses(guest)
            guest.wait_for("ready: ", 30, count=3)
            assert echoes(ns, old[0])
        os.remove(os.path.join(scratch, "leases"))
        with dnsmasq(ns, scratch, "10.51.0.30", "10.51.0.39", *times):
            guest.wait_for("the lease is lost", 90, count=2)
            new = addresses(guest, count=2)
            assert not set(new) & set(old), (old, new)
            guest.wait_for("ready: ", 30, count=6)
            for address in new:
                assert echoes(ns, address), guest.console()
            done = ns.run("ping", "-c", "1", "-W", "1", old[0], check=False)
            assert done.returncode != 0, "the old address still answers"


def no_server(ns, scratch):
    """Nobody answers: it says so, takes the fall-back for one address and goes on asking."""
    with machine(ns, "ip=dhcp,10.51.0.2/24,10.51.0.1 ip=dhcp") as guest:
        guest.wait_for("address 0: no DHCP server answers .*taking the one given", 40)
        guest.wait_for("address 1: no DHCP server answers .*still asking", 40)
        guest.wait_for("2 of 3 environments started", 30)
        assert echoes(ns, "10.51.0.2"), guest.console()
        with dnsmasq(ns, scratch, "10.51.0.10", "10.51.0.19"):
            lwip = guest.wait_for(ADDRESS.format(1), 60).group(1)
            assert echoes(ns, lwip), guest.console()
            moved = guest.wait_for(ADDRESS.format(0), 60).group(1)
            assert echoes(ns, moved), guest.console()


def conflict(ns, scratch):
    """The namespace itself has the address that the server gives first."""
    ns.run("ip", "addr", "add", "10.51.0.10/32", "dev", "br0")
    try:
        with dnsmasq(ns, scratch, "10.51.0.10", "10.51.0.11", "--dhcp-sequential-ip") as log, \
                machine(ns) as guest:
            guest.wait_for("somebody uses what the DHCP server gave", 40)
            deadline = time.monotonic() + 20
            while "DHCPDECLINE" not in log() and time.monotonic() < deadline:
                time.sleep(0.5)
            assert re.search(r"DHCPDECLINE\(br0\) 10\.51\.0\.10", log()), log()
            assert not guest.has("10.51.0.10/24 by DHCP"), guest.console()
    finally:
        ns.run("ip", "addr", "del", "10.51.0.10/32", "dev", "br0")


def hostile_server(ns, scratch):
    """A server that answers each question with damaged and lying messages first; then a good one."""
    program = os.path.join(paths.TOP, "ci", "harness", "hostile_dhcp.py")
    hostile = ns.popen("python3", program, "br0", "10.51.0.1")
    try:
        with machine(ns) as guest:
            guest.wait_for("no DHCP server answers", 40, count=2)
            assert not guest.has("by DHCP from"), guest.console()
            hostile.terminate()
            hostile.wait(10)
            with dnsmasq(ns, scratch, "10.51.0.10", "10.51.0.19"):
                for address in addresses(guest):
                    assert echoes(ns, address), guest.console()
    finally:
        hostile.kill()
        hostile.wait()


def user_network(report):
    """QEMU's own network has a DHCP server; it knows one address per MAC."""
    with report.test("dhcp in QEMU's user network"), \
            Machine(payload=paths.payload("echo"), nics=[Nic(user_net())], limit=60,
                    append="ip=dhcp") as guest:
        guest.wait_for(r"address 0: 10\.0\.2\.15/24 by DHCP from 10\.0\.2\.2, gateway 10\.0\.2\.2", 30)
        guest.wait_for("ready: ", 30, count=2)
    with report.test("dhcp asked for two addresses of a server that goes by MAC alone"), \
            Machine(payload=paths.payload("echo"), nics=[Nic(user_net())], limit=60) as guest:
        guest.wait_for(r"the DHCP server gives 10\.0\.2\.15 to port 0 once more.*ip=ADDR/LEN", 40)
        guest.wait_for("2 of 3 environments started|1 of 3 environments started", 30)
        guest.wait_for("by DHCP from 10.0.2.2", 30)
        assert not guest.has("declined"), guest.console()


def main():
    report = Report()
    user_network(report)
    if not Namespace.possible():
        report.skip("dhcp beside dnsmasq", "a namespace needs root")
        report.exit()
    for test in (leases_two, renews, address_changes, no_server, conflict, hostile_server):
        with report.test("dhcp " + test.__name__.replace("_", " ")), Namespace() as ns, \
                tempfile.TemporaryDirectory(prefix="sluice-") as scratch:
            test(ns, scratch)
    report.exit()


if __name__ == "__main__":
    main()
