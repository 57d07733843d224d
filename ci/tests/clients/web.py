#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 400
"""The web appliance and real clients on a wire.

    namespace: br0 10.51.0.1, fd51::1 ── tap0 ── 10.51.0.2 and fd51::2  web
"""
import concurrent.futures
import os
import random
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths, webs
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

FOUR, SIX = "10.51.0.2", "fd51::2"
ODD = "10.51.0.77"  # an address that only scapy has
URL, URL6 = f"http://{FOUR}", f"http://[{SIX}]"
BIG = random.Random(1).randbytes(1 << 20)
SMALL = bytes(range(32, 96)) * 16
PAGES = {"index.html": b"<p>hello</p>\n", "small": SMALL, "big": BIG, "docs/index.html": b"docs\n",
         "empty": b""}
ODDITIES = os.path.join(paths.TOP, "ci", "harness", "oddities.py")


def curl(ns, *words, seconds=60):
    done = subprocess.run(ns.prefix() + ["curl", "-sS", "--max-time", "30", *words], timeout=seconds,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def status(ns, *words):
    return curl(ns, "-o", "/dev/null", "-w", "%{http_code}", *words).decode()


def expect(got, wanted):
    assert got == wanted, f"{got!r:.200} instead of {wanted!r:.200}"


def raw(ns, text, seconds=5):
    """What the server says to these bytes until it closes, or nothing comes for a second."""
    program = ("import socket, sys\n"
               f"s = socket.create_connection(('{FOUR}', 80), 20); s.settimeout({seconds})\n"
               "s.sendall(sys.stdin.buffer.read())\n"
               "try:\n    while (b := s.recv(65536)): sys.stdout.buffer.write(b)\n"
               "except TimeoutError: pass\n")
    done = subprocess.run(ns.prefix() + ["python3", "-c", program], input=text, timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def serves_curl(ns):
    for url in (URL, URL6):
        expect(curl(ns, f"{url}/"), PAGES["index.html"])
        expect(curl(ns, f"{url}/small"), SMALL)
        expect(curl(ns, f"{url}/big"), BIG)
        expect(curl(ns, f"{url}/empty"), b"")
        expect(curl(ns, "-L", f"{url}/docs"), PAGES["docs/index.html"])
        expect(status(ns, f"{url}/nothing"), "404")
    expect(curl(ns, f"{URL}/a/../small"), SMALL)
    head = curl(ns, "-I", f"{URL}/big").decode()
    assert "Content-Length: 1048576\r\n" in head, head


def serves_ranges(ns):
    for first, last in ((0, 0), (1000, 5000), (1048575, 1048575), (1, 1048575)):
        expect(curl(ns, "-r", f"{first}-{last}", f"{URL}/big"), BIG[first:last + 1])
    expect(curl(ns, "-r", "-100", f"{URL}/big"), BIG[-100:])
    expect(status(ns, "-r", "2000000-", f"{URL}/big"), "416")


def serves_conditions(ns):
    head = curl(ns, "-I", f"{URL}/small").decode()
    tag = re.search(r"ETag: (\S+)", head).group(1)
    date = re.search(r"Last-Modified: (.*)\r", head).group(1)
    expect(status(ns, "-H", f"If-None-Match: {tag}", f"{URL}/small"), "304")
    expect(status(ns, "-H", f"If-Modified-Since: {date}", f"{URL}/small"), "304")
    expect(status(ns, "-H", 'If-Match: "x"', f"{URL}/small"), "412")


def keeps_connections(ns):
    """Many requests of one curl go over one connection, and come back right."""
    out = curl(ns, "-w", "%{num_connects}\n", *[f"{URL}/small"] * 30)
    expect(out, SMALL + b"1\n" + (SMALL + b"0\n") * 29)
    expect(curl(ns, "--http1.0", f"{URL}/small"), SMALL)


def serves_pipelines(ns):
    request = b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"
    last = b"GET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    out = raw(ns, request * 200 + last)
    expect(out.count(b"HTTP/1.1 200 OK\r\n"), 201)
    expect(out.count(SMALL), 200)


def serves_big_pipelines(ns):
    """More queued than any buffer: the server reads on as the client takes."""
    request = b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n"
    out = raw(ns, request * 20 + b"GET /empty HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 20)
    expect(out.count(BIG), 20)


def skips_bodies(ns):
    chunked = (b"POST /small HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
               b"3\r\nabc\r\n0\r\n\r\n")
    out = raw(ns, chunked + b"GET /small HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert out.startswith(b"HTTP/1.1 405 ") and SMALL in out, out[:200]
    expect(status(ns, "-d", "x=1", f"{URL}/small"), "405")


def refuses_nonsense(ns):
    cases = {b"hello\r\n\r\n": b"400", b"GET / HTTP/3.0\r\n\r\n": b"505", b"\x16\x03\x01\x02\x00\x01": b"400",
             b"GET / HTTP/1.1\r\n\r\n": b"400", b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n": b"501",
             b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n": b"414",
             b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70000 + b"\r\n\r\n": b"431",
             b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n" + b"z" * 100000: b"413"}
    for text, code in cases.items():
        out = raw(ns, text)
        assert out.startswith(b"HTTP/1.1 " + code + b" ") and b"\r\nConnection: close\r\n" in out, (text[:50], out[:200])


def serves_nc(ns):
    done = subprocess.run(ns.prefix() + ["nc", "-N", "-w", "5", FOUR, "80"], timeout=20,
                          input=b"GET /small HTTP/1.0\r\n\r\n", stdout=subprocess.PIPE)
    assert done.stdout.endswith(SMALL), done.stdout[:100]
    done = ns.run("nc", "-z", "-v", "-w", "20", FOUR, "81", check=False)
    assert "refused" in done.stderr, done.stderr


def serves_wrk(ns):
    for url in (URL, URL6):
        done = ns.run("wrk", "-t1", "-c32", "-d3s", "--timeout", "10s", f"{url}/small", seconds=60)
        assert "Socket errors" not in done.stdout and "Non-2xx" not in done.stdout, done.stdout
        assert int(re.search(r"(\d+) requests in", done.stdout).group(1)) > 50, done.stdout


def serves_h2load(ns):
    done = ns.run("h2load", "--h1", "-n", "1000", "-c", "20", "-m", "4", f"{URL}/small", seconds=90)
    assert "1000 succeeded, 0 failed, 0 errored" in done.stdout, done.stdout


def shows_nmap_nothing_odd(ns):
    done = ns.run("nmap", "-Pn", "-n", "-sS", "-p", "1-100,443,8080", "-T4", "--max-retries", "8", FOUR, seconds=90)
    assert re.search(r"^80/tcp +open", done.stdout, re.M), done.stdout
    expect(len(re.findall(r"^\d+/tcp +open", done.stdout, re.M)), 1)
    # What does not answer at all would count as filtered.
    assert "filtered" not in done.stdout, done.stdout
    for scan in ("-sF", "-sN", "-sX", "-sA"):
        done = ns.run("nmap", "-Pn", "-n", scan, "-p", "79,80", "-T4", FOUR, seconds=60)
        assert re.search(r"79/tcp +(closed|unfiltered)", done.stdout), done.stdout


def is_found_by_tcptraceroute(ns):
    done = ns.run("tcptraceroute", "-n", "-q", "1", "-w", "10", "-m", "3", FOUR, "80", seconds=60)
    assert re.search(rf"{FOUR} \[open\]", done.stdout), done.stdout + done.stderr


def serves_during_a_flood(ns):
    """SYNs from anywhere, while others are served."""
    with ns.popen("hping3", "-S", "-p", "80", "-i", "u300", "--rand-source", "-q", FOUR,
                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as flood:
        try:
            for _ in range(20):
                expect(curl(ns, f"{URL}/small"), SMALL)
        finally:
            flood.kill()
    expect(curl(ns, f"{URL}/big"), BIG)


def serves_beside_slow_ones(ns):
    """Who sends a byte a second is closed in time, and nobody waits for him."""
    program = ("import socket, sys, time\n"
               f"all = [socket.create_connection(('{FOUR}', 80), 10) for _ in range(150)]\n"
               "for s in all: s.send(b'G')\n"
               "print('open', flush=True)\n"
               "start = time.monotonic(); closed = 0; text = b'ET / HTTP/1.1 and so on and on and on and on'\n"
               "for i in range(25):\n"
               "    time.sleep(1)\n"
               "    for s in list(all):\n"
               "        try:\n"
               "            s.setblocking(False)\n"
               "            if s.recv(1000): all.remove(s); closed += 1; continue\n"
               "        except BlockingIOError: pass\n"
               "        except OSError: all.remove(s); closed += 1; continue\n"
               "        try: s.send(text[i:i + 1])\n"
               "        except OSError: all.remove(s); closed += 1\n"
               "    if not all: break\n"
               "print(closed)\n")
    with ns.popen("python3", "-c", program, stdout=subprocess.PIPE, text=True) as slow:
        expect(slow.stdout.readline().strip(), "open")
        for _ in range(10):
            expect(curl(ns, f"{URL}/small"), SMALL)
        expect(slow.stdout.read().strip(), "150")


def serves_slow_readers(ns):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        slow = [pool.submit(curl, ns, "--limit-rate", "150k", f"{URL}/big") for _ in range(6)]
        expect(curl(ns, f"{URL}/big"), BIG)
        for one in slow:
            expect(one.result(), BIG)


# Asks, and asks again, and takes nothing: each argument is how many do so, and what they send.
HOARDERS = r"""
import resource, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
def hoard(text):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    s.settimeout(10)
    s.connect((sys.argv[1], 80))
    s.setblocking(False)
    try:
        for _ in range(40):
            s.send(text)
    except BlockingIOError:
        pass
    return s
all = [hoard(eval(text)) for text in sys.argv[3:] for _ in range(int(sys.argv[2]))]
print("open", flush=True)
sys.stdin.read()
"""


def serves_beside_hoarders(ns, number, *texts):
    with subprocess.Popen(ns.prefix() + ["python3", "-c", HOARDERS, FOUR, str(number), *map(repr, texts)],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as hoarders:
        expect(hoarders.stdout.readline().strip(), "open")
        for _ in range(10):
            expect(curl(ns, f"{URL}/small"), SMALL)
        expect(status(ns, f"{URL}/nothing"), "404")
        expect(curl(ns, f"{URL}/big"), BIG)


def asking(path, times=1):
    return b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % path * times


def serves_beside_more_slow_readers_than_places(ns):
    serves_beside_hoarders(ns, 1300, asking(b"big"))


def serves_beside_who_holds_its_pools(ns):
    """What was received and not read, and what was queued and is not taken, lies in pools of the stack."""
    serves_beside_hoarders(ns, 20, asking(b"small", 40), asking(b"empty", 80), asking(b"nothing", 80))


def odd(ns, name):
    done = ns.run("/usr/bin/python3", ODDITIES, "br0", ODD, FOUR, name, seconds=60, check=False)
    assert done.stdout.strip() == "ok", (done.stdout + done.stderr).strip().splitlines()[-1]


TESTS = (serves_curl, serves_ranges, serves_conditions, keeps_connections, serves_pipelines,
         serves_big_pipelines, skips_bodies, refuses_nonsense, serves_nc, serves_wrk, serves_h2load,
         shows_nmap_nothing_odd, is_found_by_tcptraceroute, serves_beside_slow_ones,
         serves_slow_readers, serves_beside_more_slow_readers_than_places, serves_beside_who_holds_its_pools)
ODDITY_NAMES = ("plain", "reset_injection", "syn_injection", "ack_injection", "overlaps", "tiny_window",
                "zero_window", "wild_options", "bad_flags")


def without_offloads():
    """Segments are cut by the kernel, their checksums made of what the server knows of its content."""
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns, \
            Machine(payload=webs.payload(folder, PAGES), nics=[Nic(tap("tap0"), options=webs.NO_OFFLOADS)], within=ns,
                    limit=200, memory="128M", append=f"ip={FOUR}/24,10.51.0.1 ip={SIX}/64") as machine:
        machine.wait_for("ready: ")
        for url in (URL, URL6):
            assert curl(ns, f"{url}/big", f"{url}/small", f"{url}/big") == BIG + SMALL + BIG
            for first, last in ((1, 99999), (63, 70000), (777777, len(BIG) - 1)):
                assert curl(ns, "-r", f"{first}-{last}", f"{url}/big") == BIG[first:last + 1]


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    wanted = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns, \
            Machine(payload=webs.payload(folder, PAGES), nics=[Nic(tap("tap0"))], within=ns, limit=390,
                    memory="128M", append=f"ip={FOUR}/24,10.51.0.1 ip={SIX}/64") as machine:
        machine.wait_for("ready: ")
        machine.wait_for("connections begin and end in the kernel")
        started = time.monotonic()
        for test in TESTS:
            if not wanted or test.__name__ in wanted:
                with report.test("web " + test.__name__.replace("_", " ")):
                    test(ns)
                    assert machine.running(), machine.console()[-2000:]
        for name in ODDITY_NAMES:
            if not wanted or name in wanted:
                with report.test("web and oddities: " + name.replace("_", " ")):
                    odd(ns, name)
        # Last: while cookies are out, a stack rightly keeps silent where it would refuse.
        with report.test("web serves during a flood"):
            serves_during_a_flood(ns)
        if wanted:
            print(f"{time.monotonic() - started:.0f} s\n{machine.console()[-1500:]}")
    if not wanted or "without_offloads" in wanted:
        with report.test("web without offloads"):
            without_offloads()
    report.exit()


main()
