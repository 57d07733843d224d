#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 200
"""IPv6 addresses formed from router announcements: the echo6 appliance without any ip=, and dnsmasq as router.

    namespace: br0 fd51::1 (dnsmasq --enable-ra) ── tap0 ── one formed address: host and echo-udp
"""
import contextlib
import ipaddress
import os
import subprocess
import time

from harness import paths
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

CLIENT = os.path.join(paths.TOP, "ci", "harness", "udp_client.py")
FORMED = r"address 0: (\S+)/64 formed from what a router announced, gateway (\S+)"


@contextlib.contextmanager
def router(ns, prefix):
    process = ns.popen(
        "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=br0", "--bind-interfaces",
        "--user=root", "--dhcp-leasefile=/dev/null", "--enable-ra", f"--dhcp-range={prefix},ra-only,64,300",
        "--ra-param=br0,4,1800", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


def works(ns, address):
    for _ in range(20):
        done = ns.run("python3", CLIENT, address, "7", "5", "1000", check=False)
        if done.returncode == 0 and done.stdout.strip() == "5":
            break
        time.sleep(0.5)
    else:
        raise AssertionError("UDP echo does not answer")
    assert ns.run("ping", "-6", "-c", "2", "-W", "3", address, check=False).returncode == 0


def machine(ns, append=""):
    return Machine(payload=paths.payload("echo6"), nics=[Nic(tap("tap0"))], within=ns, limit=120, append=append)


def forms_and_keeps(ns):
    """The same address at each boot; another with another key; never one with the MAC in it."""
    seen = []
    with router(ns, "fd51::"):
        for append in ("", "", "stable=000102030405060708090a0b0c0d0e0f"):
            with machine(ns, append) as guest:
                found = guest.wait_for(FORMED, 40)
                address, gateway = found.groups()
                guest.wait_for("ready: ", 30, count=2)
                works(ns, address)
                assert ipaddress.ip_address(address) in ipaddress.ip_network("fd51::/64")
                assert ipaddress.ip_address(gateway).is_link_local
                assert not guest.has("refused to send"), guest.console()
                seen.append(address)
    assert seen[0] == seen[1] and seen[0] != seen[2], seen
    assert "ff:fe" not in seen[0], seen


def waits_for_a_router(ns):
    with machine(ns) as guest:
        guest.wait_for("no router announces a prefix on port 0", 40)
        guest.wait_for("0 of 2 environments started", 20)
        with router(ns, "fd51::"):
            address = guest.wait_for(FORMED, 60).group(1)
            guest.wait_for("ready: ", 30, count=2)
            works(ns, address)


def yields_to_who_has_it(ns):
    """The address that it would form is the namespace's: it forms another."""
    with router(ns, "fd51::"):
        with machine(ns) as guest:
            first = guest.wait_for(FORMED, 40).group(1)
        ns.run("ip", "-6", "addr", "add", first + "/128", "dev", "br0", "nodad")
        with machine(ns) as guest:
            second = guest.wait_for(FORMED, 40).group(1)
            assert first != second
            guest.wait_for("ready: ", 30, count=2)
            works(ns, second)


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    for test in (forms_and_keeps, waits_for_a_router, yields_to_who_has_it):
        with report.test("autoconf " + test.__name__.replace("_", " ")), Namespace() as ns:
            ns.run("sysctl", "-q", "-w", "net.ipv6.conf.br0.forwarding=1")
            test(ns)
    report.exit()


if __name__ == "__main__":
    main()
