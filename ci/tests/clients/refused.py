#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 180
"""A handler that the kernel refuses: the stack behind it says so, and serves all by itself.

    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2  web, or stacks; one instruction of their handler is none
"""
import os
import struct
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths, webs
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

ADDRESS = "10.51.0.2"
PAGE = b"<p>all the same</p>\n"


def code_of(program):
    """An ELF object of a handler, and where its first instruction lies."""
    with open(os.path.join(paths.BUILD, "filters", "programs", f"{program}.o"), "rb") as file:
        data = file.read()
    table, = struct.unpack_from("<Q", data, 40)
    size, count, names = struct.unpack_from("<HHH", data, 58)
    headers = [struct.unpack_from("<IIQQQQ", data, table + i * size) for i in range(count)]
    for header in headers:
        if data[headers[names][4] + header[0]:].startswith(b"xdp\0"):
            return data, header[4]
    raise AssertionError(f"{program}.o has no section xdp")


def spoil(image, program, folder):
    """Writes an image like the build's into the folder, but for the first instruction of the handler in it."""
    with open(os.path.join(paths.BUILD, "appliances", image), "rb") as file:
        data = file.read()
    code, first = code_of(program)
    at = data.find(code)
    assert at >= 0 and data.find(code, at + 1) < 0, f"{image} does not have {program}.o once"
    path = os.path.join(folder, os.path.basename(image))
    with open(path, "wb") as file:
        file.write(data[:at + first] + b"\xff" + data[at + first + 1:])
    os.chmod(path, 0o755)


def check(ns, machine, says, ports):
    machine.wait_for(says, 40)
    for port in ports:
        machine.wait_for(f"ready: .* on port {port}", 40)
        for _ in range(5):
            got = ns.run("curl", "-sS", "--max-time", "20", f"http://{ADDRESS}:{port}/").stdout
            assert got.encode() == PAGE, got
    assert machine.running(), machine.console()[-2000:]


def run(says, ports, append="", **what):
    image, program = what.pop("spoilt")
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns:
        os.mkdir(spoilt := os.path.join(folder, "spoilt"))
        spoil(image, program, spoilt)
        payload = webs.payload(folder, {"index.html": PAGE}, instead=[spoilt], **what)
        with Machine(payload=payload, nics=[Nic(tap("tap0"))], within=ns, limit=80, memory="160M",
                     append=f"ip={ADDRESS}/24,10.51.0.1 {append}") as machine:
            check(ns, machine, says, ports)


def main():
    if not Namespace.possible():
        skip_all("needs root")
    report = Report()
    with report.test("libos-tcp serves by itself where its handler is refused"):
        run("web: no handler in the kernel: .*unknown", [80], append="ip=fd51::2/64", spoilt=("web/web", "edge"))
    with report.test("libos-tcp/static serves by itself where its handler is refused"):
        run("static: no handler in the kernel: .*unknown", [8082], spoilt=("stacks/stacks-static", "front"),
            manifest="stacks", appliance="stacks", images=("web", "stacks", "monitor"))
    report.exit()


main()
