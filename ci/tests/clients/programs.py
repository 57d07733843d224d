#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 300
"""Linux programs, unchanged, whose sockets are libos-tcp and libos-udp, with Linux at the other end.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2 …  one address for each environment
               fd51::1                   fd51::2 …
"""
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths, programs  # noqa: E402
from harness.machine import Machine, Nic, tap  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402

HOST = "10.51.0.1"
OWN = ('{ name = "own"; address = %d; receive = "arp dst host $addr or (ip and dst host $addr)"; transmit = "ether src $mac'
       ' and ((arp and (src host $addr or src host 0.0.0.0)) or (ip and src host $addr))"; }')


OWN6 = ('{ name = "own"; address = %d; family = 6; receive = "ip6 and (dst host $addr or (icmp6 and dst host $group))";'
        ' transmit = "ether src $mac and ip6 and src host $addr"; }')


class Programs:
    """Environments of one machine: the n-th has address 10.51.0.(2 + n)."""

    def __init__(self):
        self.entries, self.names = [], []

    def add(self, name, program, arguments, content=(), frames=16384, flow=OWN):
        index = len(self.names)
        self.names.append(name)
        self.entries.append(programs.environment(name, program, arguments, content, frames, flow % index))
        return f"10.51.0.{2 + index}"

    def build(self, folder, include=()):
        return programs.build(folder, self.entries, include)

    def append(self):
        return f"dns={HOST} " + " ".join(f"ip=10.51.0.{2 + i}/24,{HOST}" for i in range(len(self.names)))


CONTENT = {"www/index.html": b"<html>a page</html>\n", "www/big": random.Random(1).randbytes(300000)}


# Answers questions for known names with A and AAAA records (RFC 1035), over UDP.
NAME_SERVER = r"""
import socket, struct, sys
names = {"web.test": ("10.51.0.1", "fd51::1")}
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(("10.51.0.1", 53))
while True:
    q, who = s.recvfrom(1500)
    at, labels = 12, []
    while q[at]:
        labels.append(q[at + 1:at + 1 + q[at]].decode()); at += 1 + q[at]
    kind = struct.unpack_from("!H", q, at + 1)[0]
    known = names.get(".".join(labels))
    data = b"" if not known else socket.inet_aton(known[0]) if kind == 1 else socket.inet_pton(socket.AF_INET6, known[1]) \
        if kind == 28 else b""
    head = q[:2] + struct.pack("!5H", 0x8180 if known else 0x8183, 1, 1 if data else 0, 0, 0)
    answer = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data if data else b""
    s.sendto(head + q[12:at + 5] + answer, who)
"""


# Takes one connection and prints what comes. (nc would end the conversation when its own input ends.)
LISTENER = """
import socket, sys
s = socket.create_server(("10.51.0.1", 4000)).accept()[0]
while part := s.recv(65536):
    sys.stdout.write(part.decode())
"""


def write_content(folder):
    for name, data in CONTENT.items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)


def curl(ns, url, *more):
    """A refusal may only mean that the program does not listen yet."""
    return ns.run("curl", "-sS", "--max-time", "20", "--retry", "8", "--retry-connrefused", "--retry-delay", "1", *more,
                  url, seconds=60, check=False)


class Test:
    def __init__(self, report, ns, machine, addresses, folder):
        self.report, self.ns, self.machine, self.addresses, self.folder = report, ns, machine, addresses, folder

    def said(self, name, last, seconds=40):
        self.machine.wait_for(rf"\] {name}: {last}", seconds)
        return programs.said(self.machine, name)

    def nc_sends(self):
        self.machine.wait_for("sends: sent 0", 40)
        got = self.listener.communicate(timeout=10)[0]
        assert got == b"hello\n", got

    def nc_listens(self):
        self.machine.wait_for("listens: ready", 40)
        assert programs.talk(self.ns, self.addresses["listens"], 5000, b"from outside\n") == "an answer\n"
        assert "from outside" in self.said("listens", "done")

    def nc_serves_by_exec(self):
        """-ll -e: each connection becomes the standard files of a program of its own."""
        for text in (b"one\n", b"two\n" * 3000):
            got = programs.talk(self.ns, self.addresses["serves"], 5001, text)
            assert got == text.decode(), (len(got), len(text))

    def wget_fetches(self):
        digest = hashlib.md5(CONTENT["www/big"]).hexdigest()
        assert f"{digest}  -" in self.said("fetches", "fetched"), programs.said(self.machine, "fetches")

    def nslookup_resolves(self):
        lines = self.said("resolves", "resolved")
        text = "\n".join(lines)
        assert "10.51.0.1" in text and "fd51::1" in text, text
        assert "status 0" in lines[-1] and any("10.51.0.1:53" in line for line in lines), text

    def wget_by_name(self):
        """busybox's wget is static glibc: its own resolver, by /etc/resolv.conf."""
        assert "<html>a page</html>" in self.said("names", "by name 0"), programs.said(self.machine, "names")

    def loopback_stays_inside(self):
        """127.0.0.1 and ::1 are the family's own: from outside nobody is there."""
        lines = self.said("loops", "looped")
        assert lines.count("<html>a page</html>") == 2, lines
        assert "four 0" in lines and "six 0" in lines and any("refused" in line for line in lines), lines
        done = self.ns.run("curl", "-sS", "--max-time", "10", f"http://{self.addresses['loops']}:8080/", seconds=30, check=False)
        assert done.returncode == 7, done.stderr  # curl's word for a refusal

    def httpd_serves(self):
        base = f"http://{self.addresses['httpd']}/"
        for _ in range(3):
            assert curl(self.ns, base + "index.html").stdout == CONTENT["www/index.html"].decode()
        path = os.path.join(self.folder, "got")
        done = curl(self.ns, base + "big", "-o", path)
        assert done.returncode == 0, done.stderr
        with open(path, "rb") as file:
            assert file.read() == CONTENT["www/big"]
        assert "404" in curl(self.ns, base + "nothing", "-i").stdout

    def httpd_serves_several_at_once(self):
        base = f"http://{self.addresses['httpd']}/big"
        runs = [self.ns.popen("curl", "-sS", "--max-time", "60", "-o", os.path.join(self.folder, f"got{i}"), base)
                for i in range(4)]
        for i, run in enumerate(runs):
            assert run.wait(70) == 0
            with open(os.path.join(self.folder, f"got{i}"), "rb") as file:
                assert file.read() == CONTENT["www/big"]


def busybox_environments(entries):
    shell = ["sh", "-c"]
    fetch = f"wget -q -O - http://{HOST}:8000/www/big | md5sum; echo fetched"
    named = "sleep 1; wget -q -O - http://web.test:8000/www/index.html; echo by name $?"
    loop = ("httpd -f -p 127.0.0.1:8080 -h /www & httpd -f -p [::1]:8081 -h /www & sleep 1;"
            "wget -q -O - http://127.0.0.1:8080/index.html; echo four $?;"
            "wget -q -O - http://[::1]:8081/index.html; echo six $?;"
            "wget -q -O - http://127.0.0.1:8082/index.html; echo looped; wait")
    listen = "echo ready; echo an answer | nc -l -p 5000; echo done"
    return {
        "sends": entries.add("sends", "busybox", shell + [f"echo hello | nc {HOST} 4000; echo sent $?"]),
        "listens": entries.add("listens", "busybox", shell + [listen]),
        "serves": entries.add("serves", "busybox", "nc -ll -p 5001 -e /busybox cat".split()),
        "fetches": entries.add("fetches", "busybox", shell + [fetch]),
        "resolves": entries.add("resolves", "busybox", shell + ["nslookup web.test; echo resolved, status $?"]),
        "names": entries.add("names", "busybox", shell + [named]),
        "loops": entries.add("loops", "busybox", shell + [loop], list(CONTENT), 49152),
        "httpd": entries.add("httpd", "busybox", ["httpd", "-f", "-p", "80", "-h", "/www"], list(CONTENT), 32768),
    }


def check_busybox(report):
    entries = Programs()
    addresses = busybox_environments(entries)
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns:
        write_content(folder)
        resolver = ns.popen("python3", "-c", NAME_SERVER)
        web = ns.popen("python3", "-m", "http.server", "8000", "--directory", folder,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        listener = ns.popen("python3", "-c", LISTENER, stdout=subprocess.PIPE)
        for port in (53, 8000, 4000):
            ns.wait_listening(port)
        with Machine(payload=entries.build(folder, [folder]), nics=[Nic(tap("tap0"))], within=ns, limit=250,
                     memory="1G", smp=2, append=entries.append()) as machine:
            test = Test(report, ns, machine, addresses, folder)
            test.listener = listener
            for one in (test.nc_sends, test.nc_listens, test.nc_serves_by_exec, test.wget_fetches,
                        test.nslookup_resolves, test.wget_by_name, test.loopback_stays_inside, test.httpd_serves,
                        test.httpd_serves_several_at_once):
                with report.test("busybox: " + one.__name__.replace("_", " ")):
                    one()
            print(machine.console()) if os.environ.get("SHOW") else None
        for process in (resolver, web, listener):
            process.kill()
            process.wait()


def check_sockets(report):
    """Local sockets, control messages, epoll, options, ends: the same program says the same on Linux."""
    entries = Programs()
    entries.add("checks", "sockets", [])
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns, \
            Machine(payload=entries.build(folder, ["appliances/tests"]), nics=[Nic(tap("tap0"))], within=ns, limit=100,
                    memory="512M", append=entries.append()) as machine, report.test("sockets: they are like Linux's"):
        native = ns.run(os.path.join(paths.BUILD, "appliances", "tests", "sockets"), seconds=60).stdout.splitlines()
        machine.wait_for(r"\] checks: sockets: (not )?all", 80)
        lines = [line for line in programs.said(machine, "checks") if line.startswith("sockets: ")]
        assert lines == native and native[-1] == "sockets: all is well", "\n".join(lines)


def check_six(report):
    """Two environments on one port with an IPv6 address each, and nothing else: a fork per connection, both ways."""
    entries = Programs()
    for name in ("six", "other"):
        entries.add(name, "busybox", ["httpd", "-f", "-p", "[::]:80", "-h", "/www"], list(CONTENT), 32768, OWN6)
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns:
        write_content(folder)
        with Machine(payload=entries.build(folder, [folder]), nics=[Nic(tap("tap0"))], within=ns, limit=100,
                     memory="512M", append="ip=fd51::9/64 ip=fd51::a/64") as machine, report.test("busybox: httpd over IPv6"):
            machine.wait_for("2 of 2 environments started", 30)
            path = os.path.join(folder, "got")
            for address in ("fd51::9", "fd51::a"):
                done = curl(ns, f"http://[{address}]/big", "-o", path)
                assert done.returncode == 0, done.stderr + machine.console()
                with open(path, "rb") as file:
                    assert file.read() == CONTENT["www/big"]


def check_lease(report):
    """Address and name server by DHCP, both seen by the program."""
    entries = Programs()
    entries.add("lease", "busybox", ["sh", "-c", "cat /etc/resolv.conf; nslookup web.test; echo resolved $?"])
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns:
        resolver = ns.popen("python3", "-c", NAME_SERVER)
        ns.wait_listening(53)
        server = ns.popen("dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--interface=br0",
                          "--bind-interfaces", f"--dhcp-leasefile={folder}/leases", "--user=root", "--no-ping",
                          "--dhcp-range=10.51.0.10,10.51.0.19,120", f"--dhcp-option=option:dns-server,{HOST}",
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with Machine(payload=entries.build(folder), nics=[Nic(tap("tap0"))], within=ns, limit=90, memory="512M",
                     append="ip=dhcp") as machine, report.test("busybox: name servers of a DHCP lease"):
            machine.wait_for(r"\] lease: resolved", 60)
            lines = programs.said(machine, "lease")
            assert lines[0] == f"nameserver {HOST}" and lines[-1] == "resolved 0", lines
        for process in (resolver, server):
            process.kill()
            process.wait()


def iperf(ns, *more):
    """What iperf3 says at its end: bytes that the receiver got, without a figure of time."""
    done = ns.run("iperf3", "-c", "10.51.0.3", "-J", *more, seconds=60, check=False)
    report = json.loads(done.stdout)
    assert "error" not in report, report["error"]
    return report["end"]


def check_programs(report):
    """The appliance `programs`: mini_httpd and iperf3."""
    append = "ip=10.51.0.2/24,10.51.0.1 ip=10.51.0.3/24,10.51.0.1"
    with Namespace() as ns, Machine(payload=paths.payload("programs"), nics=[Nic(tap("tap0"))], within=ns, limit=200,
                                    memory="384M", append=append) as machine:
        machine.wait_for("Server listening on 5201", 60)
        with report.test("mini_httpd: pages, one after the other"):
            for _ in range(5):
                done = curl(ns, "http://10.51.0.2/")
                assert "mini_httpd on Sluice" in done.stdout, done.stderr + machine.console()
            assert "404" in curl(ns, "http://10.51.0.2/nothing", "-i").stdout
        with report.test("mini_httpd: a conversation byte by byte"):
            assert programs.talk(ns, "10.51.0.2", 80, b"GET / HTTP/1.0\r\n\r\n").startswith("HTTP/1.")
        for what, words in {"to it": ["-n", "20M"], "from it": ["-n", "20M", "-R"], "four at once": ["-n", "20M", "-P", "4"],
                            "both ways": ["-n", "10M", "--bidir"]}.items():
            with report.test(f"iperf3: {what}"):
                end = iperf(ns, *words)
                ways = [end[name]["bytes"] for name in ("sum_received", "sum_received_bidir_reverse") if name in end]
                assert len(ways) == 1 + ("--bidir" in words) and min(ways) > 1e5 and sum(ways) > 5e6, ways
        with report.test("iperf3: datagrams"):
            end = iperf(ns, "-u", "-b", "2M", "-n", "500K")
            assert end["sum"]["packets"] > 100 and end["sum"]["lost_percent"] < 50, end["sum"]
        with report.test("iperf3: an MSS and a window are asked for"):
            assert iperf(ns, "-n", "5M", "-M", "1000", "-w", "64K")["sum_received"]["bytes"] > 4e6


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    check_busybox(report)
    check_sockets(report)
    check_six(report)
    check_lease(report)
    check_programs(report)
    report.exit()


main()
