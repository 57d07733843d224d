#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
"""The stacks appliance: four environments on one address, three TCP libraries, real clients.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2  host, own (8080), lwip (8081), static (8082)
"""
import os
import re
import subprocess
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
        first, asked = settled(ns, port)
        for _ in range(5):
            get(ns, port)
        assert f"<h2>{stack}</h2>" in get(ns, port, path="/stats")
        expect(settled(ns, port)[0], first + asked + 5 + 1)


def answers_heads_for_ever(ns):
    """The counters' page is made for who asks, in one of few places: it must come back, whatever becomes of it."""
    for port in PORTS:
        for words in (("-I",), ("-H", "If-Match: x")):
            get(ns, port, *words, *[f"http://{ADDRESS}:{port}/stats"] * 30)
        expect(get(ns, port, "-o", "/dev/null", "-w", "%{http_code}", path="/stats"), "200")


def answers_who_has_ended(ns):
    """A client that asks for much, and says that it will not ask for more, gets all of it."""
    program = ("import socket, sys\n"
               f"s = socket.create_connection(('{ADDRESS}', int(sys.argv[1])), 20)\n"
               "s.sendall(b'GET / HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n' * 200)\n"
               "s.shutdown(socket.SHUT_WR)\n"
               "text = b''\n"
               "while (b := s.recv(65536)): text += b\n"
               "print(text.count(b'HTTP/1.1 200 OK'), text.count(b'</html>'))\n")
    for port in PORTS:
        if port != STATIC:  # which takes few at a time
            expect(ns.run("python3", "-c", program, str(port), seconds=60).stdout.split(), ["200", "200"])


def settled(ns, port):
    """The requests that a stack has counted up to the first of those that ask here, once two of these agree; and how
    many asked."""
    seen = []
    while len(seen) < 12 and (len(seen) < 2 or seen[-1] != seen[-2]):
        time.sleep(1)
        text = get(ns, port, path="/stats")
        seen.append(int(re.search(r"requests<td>(\d+)", text).group(1)) - len(seen))
    return seen[-1], len(seen)


def serves_all_at_once(ns):
    loads = [(port, ns.popen("wrk", "-t1", "-c8", "-d3s", "--timeout", "10s", f"http://{ADDRESS}:{port}/", stdout=-1, text=True))
             for port in PORTS]
    for port, load in loads:
        out = load.communicate(timeout=60)[0]
        assert "Socket errors" not in out and "Non-2xx" not in out, out
        assert int(re.search(r"(\d+) requests in", out).group(1)) > 20, f"{port}: {out}"


class Kept:
    """A connection that stays open over several requests: who answers it?"""

    def __init__(self, ns, port):
        program = ("import http.client, sys\n"
                   f"c = http.client.HTTPConnection('{ADDRESS}', {port}, timeout=20)\n"
                   "for line in sys.stdin:\n"
                   "    c.request('GET', '/stats'); r = c.getresponse(); t = r.read().decode()\n"
                   "    s = c.sock.getsockname()[1]\n"
                   "    print(s, t.split('<h2>')[1].split('</h2>')[0], flush=True)\n")
        self.process = subprocess.Popen(ns.prefix() + ["python3", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self):
        """The client's port, which tells whether the connection is still the same, and the stack."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().split()

    def end(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def stack_at(ns, port):
    return re.search("<h2>(.*)</h2>", get(ns, port, path="/stats")).group(1)


def swap(ns, machine, old, new, port):
    """While clients ask at `port`, on connections that stay and on new ones, its flows change hands."""
    kept = Kept(ns, port)
    first = kept.ask()
    expect(first[1], PORTS[port if old == "own" else 8081])
    loads = [ns.popen("wrk", "-t1", "-c4", "-d8s", "--timeout", "10s", *more, f"http://{ADDRESS}:{port}/", stdout=-1, text=True)
             for more in ((), ("-H", "Connection: close"))]
    loads.append(ns.popen("h2load", "--h1", "-n600", "-c20", "-t1", f"http://{ADDRESS}:{port}/", stdout=-1, text=True))
    time.sleep(2)
    machine.send(f"replace {old} {new} {port}\r")
    machine.wait_for(rf"{old}: handover: 1 listening flows given, \d+ connections kept", seconds=30)
    expect(kept.ask(), first)
    for load in loads:
        out = load.communicate(timeout=60)[0]
        assert "Socket errors" not in out and "Non-2xx" not in out, out
        assert re.search(r"[1-9]\d+ requests in|600 succeeded, 0 failed, 0 errored, 0 timeout", out), out
    expect(kept.ask(), first)
    kept.end()


def replaces_live(ns, machine):
    swap(ns, machine, "own", "lwip", 8080)
    expect(stack_at(ns, 8080), "lwIP")
    expect(stack_at(ns, 8081), "lwIP")
    machine.wait_for("own: handover: all connections that were kept have ended", seconds=30)
    machine.send("replace lwip static 8080\r")
    machine.wait_for("static has no such flow to stand by for", seconds=20)
    machine.send("replace lwip own 8080\r")
    machine.wait_for("lwip: handover: 1 listening flows given", seconds=30)
    expect(stack_at(ns, 8080), "libos-tcp")
    expect(stack_at(ns, 8081), "lwIP")


def refuses_other_ports(ns):
    done = ns.run("nc", "-z", "-v", "-w", "20", ADDRESS, "8083", check=False)
    assert "refused" in done.stderr, done.stderr
    expect(ns.run("ping", "-c", "1", "-W", "5", ADDRESS, check=False).returncode, 0)


def sends_nothing_that_is_others(_ns, machine):
    refused = re.findall(".*outside its flow space.*", machine.console())
    assert not refused, refused


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    with Namespace() as ns, Machine(payload=paths.payload("stacks"), nics=[Nic(tap("tap0"))], within=ns, limit=170,
                                    memory="160M", append=f"ip={ADDRESS}/24,10.51.0.1") as machine:
        machine.wait_for("ready: ", count=4)
        machine.wait_for("own: connections begin and end in the kernel")  # at 8080: 8081 is lwIP's
        for test in (serves_pages, tells_who_carried_what, answers_heads_for_ever, answers_who_has_ended, serves_all_at_once,
                     refuses_other_ports, replaces_live, serves_pages, sends_nothing_that_is_others):
            with report.test("stacks " + test.__name__.replace("_", " ")):
                test(*(ns, machine)[:test.__code__.co_argcount])
                assert machine.running(), machine.console()[-2000:]
    report.exit()


main()
