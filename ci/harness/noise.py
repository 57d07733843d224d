# SPDX-License-Identifier: BSD-2-Clause
"""Sends hostile frames: random bytes, and good frames with a few bytes changed; the same ones each
time.

    python3 noise.py INTERFACE MAC ADDRESS1 ADDRESS2 COUNT
"""
import random
import socket
import struct
import sys
import time


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def ip(dice, source, address, protocol, payload):
    fragment = dice.choice([0, 0, 0, 0x2000, dice.getrandbits(16)])
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(payload), dice.getrandbits(3), fragment,
                       64, protocol, 0, socket.inet_aton(source), socket.inet_aton(address))
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def arp(dice, source, address):
    return struct.pack("!HHBBH6s4s6s4s", 1, 0x800, 6, 4, dice.randrange(4), dice.randbytes(6),
                       socket.inet_aton(source), bytes(6), socket.inet_aton(address))


def good_frame(dice, mac, addresses):
    source = f"10.51.0.{dice.randrange(20, 250)}"
    address = dice.choice(addresses)
    data = dice.randbytes(dice.randrange(200))
    kind = dice.randrange(4)
    if kind == 0:
        return mac + b"\2\0\0\0\0\7\x08\x06" + arp(dice, source, address)
    if kind == 1:
        payload = struct.pack("!HHHH", dice.randrange(65536), dice.choice([7, 9]), 8 + len(data), 0)
        protocol = 17
    elif kind == 2:
        payload, protocol = struct.pack("!BBHI", dice.choice([0, 3, 5, 8, 11, 13]), 0, 0, 1), 1
        payload = payload[:2] + struct.pack("!H", checksum(payload + data)) + payload[4:]
    else:
        payload, protocol = b"", dice.randrange(256)
    return mac + b"\2\0\0\0\0\7\x08\0" + ip(dice, source, address, protocol, payload + data)


def hostile_frame(dice, mac, addresses):
    if dice.randrange(8) == 0:
        return mac + dice.randbytes(dice.randrange(8, 1500))
    frame = bytearray(good_frame(dice, mac, addresses))
    for _ in range(dice.randrange(4)):
        frame[dice.randrange(12, len(frame))] = dice.randrange(256)
    return bytes(frame[:dice.randrange(14, len(frame) + 1)] if dice.randrange(4) == 0 else frame)


def main():
    interface, mac, first, second, count = sys.argv[1:]
    dice = random.Random(1)
    mac = bytes.fromhex(mac.replace(":", ""))
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((interface, 0))
        for i in range(int(count)):
            wire.send(hostile_frame(dice, mac, (first, second)))
            if i % 50 == 49:
                time.sleep(0.02)  # more than the NIC can take would only be dropped there


main()
