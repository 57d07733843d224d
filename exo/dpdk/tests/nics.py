#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The drivers against QEMU's NICs, frame by frame.

Boots nics.elf with one NIC model, on a UNIX socket that this script holds the other end of, and asks:
is the MAC address right, are ARP requests and ICMP echoes of all lengths up to the port's limit
answered with what they held, do the driver's statistics equal what went over the wire, does the link
come up, and are all mbufs back at the end?

    nics.py KERNEL MODEL [--cores N] [--halt]

With --halt the guest sleeps where it has nothing to do, and interrupts have to wake it.
"""
import argparse
import os
import re
import socket
import struct
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, "ci"))

from harness.machine import Machine, Nic, stream  # noqa: E402

GUEST_MAC = bytes.fromhex("525400511c07")
OUR_MAC = bytes.fromhex("02000000000a")
OUR_IP, GUEST_IP = bytes([10, 9, 0, 1]), bytes([10, 9, 0, 2])
STOP = 0x88B6
ROUNDS = 300


class Wire:
    """The other end of the NIC's cable: frames with their length before them."""

    def __init__(self, listener):
        self.socket, _ = listener.accept()
        self.waiting = b""
        self.sent = self.sent_bytes = self.received = 0

    def send(self, frame):
        self.socket.sendall(struct.pack("!I", len(frame)) + frame)
        self.sent += 1
        self.sent_bytes += max(len(frame), 60)

    def receive(self, seconds):
        """The next frame, or None when the time is over."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self.waiting) >= 4:
                size = struct.unpack_from("!I", self.waiting)[0]
                if len(self.waiting) >= 4 + size:
                    frame, self.waiting = self.waiting[4:4 + size], self.waiting[4 + size:]
                    self.received += 1
                    return frame
            self.socket.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                piece = self.socket.recv(1 << 20)
            except (TimeoutError, socket.timeout):
                return None
            if not piece:
                raise SystemExit("FAIL: QEMU closed the wire")
            self.waiting += piece


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def arp_request():
    return (b"\xff" * 6 + OUR_MAC + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1) + OUR_MAC + OUR_IP +
            b"\0" * 6 + GUEST_IP).ljust(60, b"\0")


def echo_request(number, size, to=GUEST_MAC):
    """An ICMP echo in a frame of `size` bytes."""
    data = bytes((number + i) & 0xFF for i in range(size - 42))
    icmp = struct.pack("!BBHHH", 8, 0, 0, 77, number & 0xFFFF) + data
    icmp = icmp[:2] + struct.pack("!H", checksum(icmp)) + icmp[4:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(icmp), number & 0xFFFF, 0, 64, 1, 0, OUR_IP, GUEST_IP)
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return to + OUR_MAC + b"\x08\x00" + ip + icmp


def check(condition, message):
    if not condition:
        raise SystemExit(f"FAIL: {message}")


def is_echo_reply(frame, request):
    """Whether `frame` is the right answer to `request`; it may be padded to Ethernet's minimum."""
    expected_ip = request[14:26] + GUEST_IP + OUR_IP
    return (frame[:14] == OUR_MAC + GUEST_MAC + b"\x08\x00" and frame[14:34] == expected_ip and
            frame[34] == 0 and frame[38:len(request)] == request[38:] and
            checksum(frame[34:len(request)]) == 0 and len(frame) == max(len(request), 60))


def ask_arp(wire, seconds):
    """Asks again until the link is up and somebody answers."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        wire.send(arp_request())
        frame = wire.receive(0.3)
        if frame is not None:
            check(frame[:6] == OUR_MAC and frame[6:12] == GUEST_MAC, f"ARP answer is addressed {frame[:12].hex()}")
            check(frame[20:32] == b"\0\2" + GUEST_MAC + GUEST_IP, f"ARP answer says {frame[20:32].hex()}")
            while wire.receive(0.3) is not None:
                pass
            return
    raise SystemExit(f"FAIL: no ARP answer within {seconds} s")


def echo(wire, number, size):
    request = echo_request(number, size)
    wire.send(request)
    answer = wire.receive(5)
    check(answer is not None, f"echo {number} of {size} bytes was not answered")
    check(is_echo_reply(answer, request), f"echo {number} of {size} bytes came back wrong: {answer[:64].hex()}")


def burst(wire, first, n, *sizes):
    """n echoes at once, as many as queues hold, of these sizes in turn; answers come in order on one queue."""
    requests = {}
    for number in range(first, first + n):
        requests[number] = echo_request(number, sizes[number % len(sizes)])
        wire.send(requests[number])
    for _ in range(n):
        answer = wire.receive(5)
        check(answer is not None, f"{len(requests)} of {n} echoes in a burst were not answered")
        number = struct.unpack_from("!H", answer, 40)[0]
        check(number in requests and is_echo_reply(answer, requests.pop(number)), f"echo {number} came back wrong")


def converse(wire, longest):
    ask_arp(wire, 10)
    sizes = [60, 61, 64, 128, 1000, 1513, 1514] + [s for s in (1518, 2000, 2048, 2049, 4096, 9000) if s < longest]
    for number, size in enumerate(sizes + [longest]):
        echo(wire, number, size)
    for number in range(100, 100 + ROUNDS, 20):
        burst(wire, number, 20, 60 + number % 1400)
    # Frames of one buffer and of several (or the longest that there are) behind each other.
    for number in range(100 + ROUNDS, 200 + ROUNDS, 20):
        burst(wire, number, 20, 60, 600 + number % 500, longest if number % 40 else 1514)
    # A frame for somebody else must come in, too: who gets it is not the NIC's decision.
    wire.send(echo_request(1, 98, to=bytes.fromhex("02deadbeef00")))
    check(wire.receive(5) is not None, "a frame with a foreign address was not received")


def run(kernel, model, cores, halt):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "wire")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(20)
        nic = Nic(stream(path), model=model, mac=":".join(f"{b:02x}" for b in GUEST_MAC))
        append = "halt" if halt else ""
        if model.startswith("virtio"):
            # An argument of the driver: the speed that it shall claim. One of a device that is not
            # there must not matter.
            append += " dpdk.dev=0000:00:1e.0,speed=1"
            append += " dpdk.dev=0000:00:01.0,speed=10000"
        with Machine(kernel=kernel, nics=[nic], smp=cores, limit=90, append=append) as machine:
            wire = Wire(listener)
            port = machine.wait_for(r"port 0: (\S+) \S+ (\S+) frames up to (\d+), (\d+) queues, (\w+)")
            check(port[2] == nic.mac, f"the driver says its address is {port[2]}, not {nic.mac}")
            machine.wait_for("polling")
            converse(wire, int(port[3]))
            wire.send((GUEST_MAC + OUR_MAC + struct.pack("!H", STOP)).ljust(60, b"\0"))
            stats = machine.wait_for(r"port 0: link (\w+) (\d+) Mb/s, rx (\d+) \((\d+) bytes, (\d+) missed, (\d+) bad\), tx (\d+)")
            core = machine.wait_for(r"core 0: .* halted (\d+) times")
            pool = machine.wait_for(r"pool: (\d+) mbufs in use")
            code = machine.wait_exit()
        print(stats[0], "|", core[0], "|", pool[0])
        check((int(core[1]) > 0) == halt, f"core 0 halted {core[1]} times")
        check(code == 0, f"the machine ended with {code}")
        check(stats[1] == "up", "the link is down")
        check("virtio" not in model or stats[2] == "10000", f"the link claims {stats[2]} Mb/s")
        check(int(stats[3]) == wire.sent, f"{wire.sent} frames went in, the driver counted {stats[3]}")
        # Intel's devices count the frame check sequence with a frame's bytes.
        trailer = 4 if "e1000" in port[1] else 0
        check(int(stats[4]) == wire.sent_bytes + trailer * wire.sent,
              f"{wire.sent_bytes} bytes in {wire.sent} frames went in, the driver counted {stats[4]}")
        check(int(stats[5]) == int(stats[6]) == 0, "frames were missed or bad")
        check(int(stats[7]) == wire.received, f"{wire.received} frames came out, the driver counted {stats[7]}")
        check(int(pool[1]) <= (256 + 256) * int(port[4]) + 1 + 64 * cores, "mbufs were lost")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kernel")
    parser.add_argument("model")
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--halt", action="store_true")
    arguments = parser.parse_args()
    run(arguments.kernel, arguments.model, arguments.cores, arguments.halt)


main()
