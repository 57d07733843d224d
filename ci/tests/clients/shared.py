#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""One address, six environments: its host, a TCP service, two clients with ranges of ports of their own, two who
joined a group.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2  host      ARP, echo, resets, unreachable
                                                   service   TCP port 5001
                                                   fetches   ports 40000 to 40999: TCP and UDP, errors that quote them
                                                   asks      ports 41000 to 41999
                                                   first, second   224.0.0.251, a copy each
"""
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, tap  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402
from harness import programs  # noqa: E402

HOST, ADDRESS = "10.51.0.1", "10.51.0.2"
HOST_FLOW = ('{ name = "host"; receive = "arp host $addr or (ip and dst host $addr)"; host = true; transmit = "ether src $mac'
             ' and ((arp and (src host $addr or src host 0.0.0.0)) or (src host $addr and (icmp or (tcp and tcp[13] & 4'
             ' != 0))))"; }')
SERVICE_FLOW = ('{ name = "own"; share = true; receive = "tcp dst port 5001 and dst host $addr";'
                ' transmit = "ether src $mac and src host $addr and tcp src port 5001"; }')
# What asks: its ports, errors about what it sent from there (an IP header of 20 bytes quoted), and questions by ARP.
CLIENT_FLOW = ('{ name = "own"; share = true; receive = "dst host $addr and (((tcp or udp) and dst portrange %s) or'
               ' (icmp and (icmp[0] == 3 or icmp[0] == 11) and (icmp[17] == 17 or icmp[17] == 6) and icmp[28:2] >= %d and'
               ' icmp[28:2] <= %d))"; transmit = "ether src $mac and src host $addr and (arp or ((tcp or udp) and src'
               ' portrange %s))"; }')


# Everybody who joined gets a copy: taps.
GROUP_FLOW = ('{ name = "own"; share = true; tap = true; receive = "udp dst port 5353 and dst host 224.0.0.251";'
              ' transmit = "ether src $mac and src host $addr and (arp or igmp)"; }')


def client_flow(first, last):
    return CLIENT_FLOW % (f"{first}-{last}", first, last, f"{first}-{last}")


def environments():
    shell = ["sh", "-c"]
    fetch = f"sleep 1; wget -q -O - http://{HOST}:8000/page; wget -q -O - http://{HOST}:1/; echo fetched"
    # A name server that is not there: the error that comes back ends the waiting.
    ask = f"sleep 1; nslookup web.test {HOST}; echo asked"
    return [
        '{ name = "host"; image = "echo-host"; frames = 512; may = [ "console" ]; flows = ( %s ); }' % HOST_FLOW,
        programs.environment("service", "busybox", "nc -ll -p 5001 -e /busybox cat".split(), flow=SERVICE_FLOW),
        programs.environment("fetches", "busybox", shell + [fetch], flow=client_flow(40000, 40999)),
        programs.environment("asks", "busybox", shell + [ask], flow=client_flow(41000, 41999)),
        *(programs.environment(name, "group", ["224.0.0.251", "5353", "2"], flow=GROUP_FLOW)
          for name in ("first", "second")),
    ]


class Wire:
    """What passes on the bridge."""

    def __init__(self, ns, folder):
        self.path = os.path.join(folder, "wire.pcap")
        self.ns = ns
        self.process = ns.popen("tcpdump", "-i", "br0", "-Z", "root", "-U", "-w", self.path, stderr=subprocess.PIPE, text=True)
        while "listening" not in (line := self.process.stderr.readline()):
            assert line, "tcpdump ended before it listened"

    def lines(self, expression):
        """What was seen of it; waits until something was, for frames reach the file late."""
        for _ in range(20):
            seen = self.ns.run("tcpdump", "-Z", "root", "-nn", "-r", self.path, expression, check=False).stdout
            if seen:
                break
            time.sleep(0.5)
        return seen.splitlines()


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns:
        with open(os.path.join(folder, "page"), "w", encoding="ascii") as file:
            file.write("a page\n")
        web = ns.popen("python3", "-m", "http.server", "8000", "--directory", folder)
        ns.wait_listening(8000)
        wire = Wire(ns, folder)
        payload = programs.build(folder, environments(), include=["appliances/echo", "appliances/tests"])
        with Machine(payload=payload, nics=[Nic(tap("tap0"))], within=ns, limit=100, memory="1G", smp=2,
                     append=f"ip={ADDRESS}/24,{HOST}") as machine:
            machine.wait_for("6 of 6 environments started", 40)
            with report.test("shared: the host answers pings"):
                assert ns.run("ping", "-c", "1", "-W", "5", ADDRESS, check=False).returncode == 0
            with report.test("shared: a service has its port"):
                assert programs.talk(ns, ADDRESS, 5001, b"to the service\n") == "to the service\n"
            with report.test("shared: other ports are refused by the host"):
                program = f"import socket\ntry:\n    socket.create_connection(('{ADDRESS}', 5002), 5)\n" \
                          "except ConnectionRefusedError:\n    print('refused')\n"
                assert ns.run("python3", "-c", program).stdout.strip() == "refused"
            with report.test("shared: a client connects from its own ports to a neighbour that the host found"):
                machine.wait_for(r"\] fetches: fetched", 40)
                assert "a page" in programs.said(machine, "fetches"), machine.console()
                ports = {int(found) for line in wire.lines(f"tcp and src host {ADDRESS} and dst port 8000")
                         for found in re.findall(r"10\.51\.0\.2\.(\d+) >", line)}
                assert ports and all(40000 <= port <= 40999 for port in ports), ports
            with report.test("shared: an error reaches whose datagram it quotes"):
                machine.wait_for(r"\] asks: asked", 40)
                assert any("refused" in line for line in programs.said(machine, "asks")), machine.console()
                refused = [line for line in programs.said(machine, "fetches") if "refused" in line]
                assert len(refused) == 1 and "can't connect" in refused[0], refused
            with report.test("shared: a group's datagrams reach all who joined"):
                program = ("import socket\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                           f"s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('{HOST}'))\n"
                           "for i in range(2):\n    s.sendto(b'to all %d' % i, ('224.0.0.251', 5353))\n")
                for name in ("first", "second"):
                    machine.wait_for(rf"\] {name}: joined", 40)
                ns.run("python3", "-c", program)
                for name in ("first", "second"):
                    machine.wait_for(rf"\] {name}: heard to all 1", 20)
                    heard = programs.said(machine, name)
                    assert heard == ["joined", "heard to all 0", "heard to all 1"], heard
            print(machine.console()) if os.environ.get("SHOW") else None
        for process in (web, wire.process):
            process.kill()
            process.wait()
    report.exit()


main()
