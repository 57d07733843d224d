#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""The stacks appliance: four environments on one address, three TCP libraries, real clients.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2  host, own (8080), lwip (8081), static (8082)
"""
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

ADDRESS = "10.51.0.2"
PAGE = os.path.join(paths.TOP, "appliances", "stacks", "pages", "index.html")
PORTS = {8080: "libos-tcp", 8081: "lwIP", 8082: "libos-tcp/static"}
STATIC = 8082  # knows no ranges; its counters are half a second old


def expect(got, wanted):
    assert got == wanted, f"{got!r:.200} instead of {wanted!r:.200}"


def get(ns, port, *words, path="/"):
    return ns.run("curl", "-sS", "--max-time", "20", *words, f"http://{ADDRESS}:{port}{path}").stdout


def serves_pages(ns):
    with open(PAGE, encoding="utf-8") as file:
        page = file.read()
    for port in PORTS:
        expect(get(ns, port), page)
        expect(get(ns, port, "-r", "10-19"), page if port == STATIC else page[10:20])
        expect(get(ns, port, "-o", "/dev/null", "-w", "%{http_code}", path="/nothing"), "404")
        expect(get(ns, port, "-H", "Connection: close"), page)


def tells_who_carried_what(ns):
    for port, stack in PORTS.items():
        time.sleep(2)
        first = int(re.search(r"requests<td>(\d+)", get(ns, port, path="/stats")).group(1))
        for _ in range(5):
            get(ns, port)
        time.sleep(2)
        text = get(ns, port, path="/stats")
        assert f"<h2>{stack}</h2>" in text, text
        expect(int(re.search(r"requests<td>(\d+)", text).group(1)), first + 6)


def serves_all_at_once(ns):
    loads = [(port, ns.popen("wrk", "-t1", "-c8", "-d3s", "--timeout", "10s", f"http://{ADDRESS}:{port}/", stdout=-1, text=True))
             for port in PORTS]
    for port, load in loads:
        out = load.communicate(timeout=60)[0]
        assert "Socket errors" not in out and "Non-2xx" not in out, out
        assert int(re.search(r"(\d+) requests in", out).group(1)) > 20, f"{port}: {out}"


def refuses_other_ports(ns):
    done = ns.run("nc", "-z", "-v", "-w", "3", ADDRESS, "8083", check=False)
    assert "refused" in done.stderr, done.stderr
    expect(ns.run("ping", "-c", "1", "-W", "5", ADDRESS, check=False).returncode, 0)


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    with Namespace() as ns, Machine(payload=paths.payload("stacks"), nics=[Nic(tap("tap0"))], within=ns, limit=110,
                                    memory="160M", append=f"ip={ADDRESS}/24,10.51.0.1") as machine:
        machine.wait_for("ready: ", count=4)
        for test in (serves_pages, tells_who_carried_what, serves_all_at_once, refuses_other_ports, serves_pages):
            with report.test("stacks " + test.__name__.replace("_", " ")):
                test(ns)
                assert machine.running(), machine.console()[-2000:]
    report.exit()


main()
