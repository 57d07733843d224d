#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A DHCP server that means ill: hostile_dhcp.py DEVICE OWN-ADDRESS

To each question it sends some dozens of answers with the right transaction number: cut short, with
options that reach beyond the message, with impossible addresses and lease times, with random bytes
among the options, for other clients. None of them gives a usable lease.
"""
import random
import socket
import struct
import sys

MAGIC = bytes([99, 130, 83, 99])


def options(*pairs):
    return b"".join(bytes([code, len(value)]) + value for code, value in pairs) + b"\xff"


def reply(question, address, extra, op=2, mac=None):
    head = bytearray(236)
    head[0:3] = bytes([op, 1, 6])
    head[4:8] = question[4:8]
    head[16:20] = socket.inet_aton(address)
    head[28:34] = mac or question[28:34]
    return bytes(head) + MAGIC + extra


def kind(question):
    found = question.find(b"\x35\x01", 240)
    return question[found + 2] if found > 0 else 0


def answers(question, own, dice):
    answer = 2 if kind(question) == 1 else 5
    server, time = (54, socket.inet_aton(own)), (51, struct.pack(">I", 3600))
    base = [(53, bytes([answer])), server, time, (1, b"\xff\xff\xff\0")]
    good = reply(question, "10.51.0.66", options(*base))
    yield from (good[:n] for n in (0, 1, 100, 239, 240, 242, 244, 250))
    for address in ("0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.51.0.255", "10.51.0.0"):
        yield reply(question, address, options(*base))
    for seconds in (0, 1, 9):
        yield reply(question, "10.51.0.66", options(*base[:2], (51, struct.pack(">I", seconds))))
    yield reply(question, "10.51.0.66", options(*base[:2], base[3]))           # no time at all
    yield reply(question, "10.51.0.66", options(*base), op=1)
    yield reply(question, "10.51.0.66", options(*base), mac=bytes(6))
    yield reply(question, "10.51.0.66", options(*base)[:-1] + b"\x0c\xff")      # reaches out
    yield reply(question, "10.51.0.66", options((52, b"\x09"), *base))          # no such overload
    yield reply(question, "10.51.0.66", b"\x34\x01\x03" + b"\0" * 300)          # nothing anywhere
    for _ in range(30):
        yield reply(question, "10.51.0.66", bytes([53, 1, answer]) + bytes(
            dice.randrange(256) for _ in range(dice.randrange(400))) + b"\x33")


def main():
    device, own = sys.argv[1:]
    dice = random.Random(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode())
        wire.bind(("", 67))
        while True:
            question = wire.recv(2048)
            for answer in answers(question, own, dice):
                wire.sendto(answer, ("255.255.255.255", 68))


main()
