#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 400
"""The replay engine on a machine of its own: it reflects what this computer sends, and it sends a trace
from its payload, from a disk and from a web server, longer than its memory too; what arrives is compared
frame by frame."""
import functools
import http.server
import json
import os
import re
import struct
import subprocess
import tempfile
import threading

from harness import paths
from harness.cable import made_frames, read_pcapng, same_frames, write_pcap
from harness.machine import Machine, Nic
from harness.report import Report

RUN = os.path.join(paths.TOP, "boot", "run")
FRAMES = 300


def make_trace(path):
    """UDP datagrams of growing size with their number in them."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xa1b23c4d, 2, 4, 0, 0, 65535, 1))
        for number in range(FRAMES):
            payload = struct.pack("<Q", number) + bytes(10 + 4 * number)
            frame = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + struct.pack(
                "!BBHHHBBH4s4s", 0x45, 0, 28 + len(payload), number, 0, 64, 17, 0, bytes((10, 0, 0, 1)),
                bytes((10, 0, 0, 2))) + struct.pack("!HHHH", 1024, 9, 8 + len(payload), 0) + payload
            file.write(struct.pack("<IIII", 0, number * 1_000_000, len(frame), len(frame)) + frame)


def run(*words):
    result = subprocess.run([RUN, "replay", *words], capture_output=True, text=True, timeout=150,
                            stdin=subprocess.DEVNULL)
    assert result.returncode == 0, f"status {result.returncode}: {result.stdout[-500:]}{result.stderr[-2000:]}"
    return json.loads(result.stdout)


REWRITE = "src-ip=192.168.7.1-192.168.7.9 dst-port=5000-5009 vlan=12-14"
MEMORY = 4096 * 4096  # bytes that the sending environment may take (boot/run)


def rewritten(frame, turn):
    """The fields that REWRITE sets, and what it leaves alone, of a frame of made_frames."""
    address, port = int.from_bytes(frame[26:30], "big"), int.from_bytes(frame[36:38], "big")
    return (12 + turn % 3, bytes((192, 168, 7, 1 + (address + turn) % 9)), 5000 + (port + turn) % 10, frame[42:])


def fields(frame):
    assert frame[12:14] == b"\x81\0", "it has no tag"
    return (int.from_bytes(frame[14:16], "big"), frame[30:34], int.from_bytes(frame[40:42], "big"), frame[46:])


def sends_from(folder, where):
    """Three passes with other addresses each, at a fixed rate."""
    frames, path = made_frames(200), os.path.join(folder, "loop.pcap")
    arrived = os.path.join(folder, "arrived.pcapng")
    write_pcap(path, frames)
    document = run(path, "--role", "send", "--accel", "tcg", "--trace-on", where, "-j", "--capture", arrived, "--",
                   "--rate", "1kpps", "--loop", "3", "--no-return", "--rewrite", REWRITE)
    assert document["frames"] == 3 * len(frames)
    for number, frame in enumerate(read_pcapng(arrived)):
        turn, original = divmod(number, len(frames))
        assert fields(frame) == rewritten(frames[original][1], turn), f"frame {number + 1}"


def longer_than_memory(folder, where):
    """As fast as it goes; no frame is like another."""
    count = 2 * MEMORY // 1400
    frames = [b"\2\0\0\0\0\1\2\0\0\0\0\2\x88\xb6" + number.to_bytes(4, "big") * 346 for number in range(count)]
    path, arrived = os.path.join(folder, "long.pcap"), os.path.join(folder, "arrived.pcapng")
    write_pcap(path, [(number, frame) for number, frame in enumerate(frames)])
    assert os.path.getsize(path) > MEMORY
    run(path, "--role", "send", "--accel", "tcg", "--trace-on", where, "-j", "--capture", arrived, "--", "--rate",
        "top", "--no-return")
    same_frames(read_pcapng(arrived), frames)


CONF = """name = "send"; power_off = true; environments = ( {{ name = "send"; image = "station";
  arguments = [ "send", {words}, "--rate", "top", "--no-return" ]; frames = 4096; may = [ "console", "power" ];
  {place} flows = ( {{ name = "all"; ports = [ 0 ]; receive = ""; transmit = ""; }}, {{ name = "fetch";
  receive = "arp host $addr or (ip and dst host $addr)"; transmit = "ether src $mac and (arp or ip)"; }} ); }} );
"""


def says(folder, words, place="", disks=()):
    """The console of a machine whose trace is not as it should be, up to its end."""
    conf, payload = os.path.join(folder, "bad.conf"), os.path.join(folder, "bad.cpio")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(CONF.format(words=", ".join(f'"{word}"' for word in words), place=place))
    images = [os.path.join(paths.BUILD, "appliances", part) for part in ("replay", "init")]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), "-I", images[0], "-I", images[1], "-o",
                    payload, conf], check=True)
    with Machine(payload=payload, disks=list(disks), nics=[Nic("user,net=10.0.2.0/24", "virtio")],
                 append="ip=10.0.2.15/24,10.0.2.2") as machine:
        return machine.wait_for(r"replay: ([^\r\n]*)").group(1)


def bad_traces(folder):
    made = os.path.join(folder, "loop.pcap")
    write_pcap(made, made_frames(50))
    with open(made, "rb") as file:
        whole = file.read()
    disk = os.path.join(folder, "disk")
    extent = "disk = { first = 0; sectors = 64; };"
    for data, size, wanted in ((whole[:5000], 5000, r"cut \(record \d+\)"), (b"x" * 512, 512, "neither"),
                               (b"", 64 * 512 + 1, "shorter than that"), (whole, 3, "shorter|empty|cut")):
        with open(disk, "wb") as file:
            file.write(data.ljust(64 * 512, b"\0"))
        said = says(folder, ["--from", "disk", "--bytes", str(size)], extent, [disk])
        assert re.search(wanted, said), f"{wanted}: {said}"
    assert "no part of a disk" in says(folder, ["--from", "disk"])
    with open(os.path.join(folder, "cut.pcap"), "wb") as file:
        file.write(whole[:7000])
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f"http://10.0.2.2:{server.server_address[1]}/"
        for path, wanted in (("nothing", "404"), ("cut.pcap", r"cut \(record \d+\)")):
            said = says(folder, ["--from", base + path])
            assert wanted in said or re.search(wanted, said), said
        server.shutdown()
    assert "nobody listens" in says(folder, ["--from", base + "loop.pcap"])
    assert "in digits" in says(folder, ["--from", "http://example.net/x"])
    assert "--rate 'fast'" in says(folder, ["--rate", "fast"])


def main():
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        trace, page = os.path.join(folder, "made.pcap"), os.path.join(folder, "report.html")
        make_trace(trace)
        for nic in ("virtio", "e1000e"):
            with report.test(f"a machine reflects, {nic}"):
                document = run(trace, "--role", "reflect", "--nic", nic, "--accel", "tcg", "-j", "--report",
                               page, "--", "--rate", "200pps", "--timeout", "10s", "--require", "loss=0")
                assert document["runs"][0]["returned"] == FRAMES
                assert document["provenance"]["emulated"] is True
                with open(page, encoding="utf-8") as file:
                    assert "is emulated" in file.read()
            with report.test(f"a machine sends, {nic}"):
                document = run(trace, "--role", "send", "--nic", nic, "--accel", "tcg", "-j", "--bind",
                               "data=udp port 9", "--", "--rate", "500pps")
                assert document["bindings"][1]["frames"] == FRAMES, document
        for where in ("payload", "disk", "http"):
            with report.test(f"a machine sends from its {where}, three passes with other addresses"):
                sends_from(folder, where)
        for where in ("disk", "http"):
            with report.test(f"a machine sends from its {where} what its memory does not hold"):
                longer_than_memory(folder, where)
        with report.test("traces that a machine can't send are named"):
            bad_traces(folder)
    report.exit()


if __name__ == "__main__":
    main()
