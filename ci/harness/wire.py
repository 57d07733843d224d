# SPDX-License-Identifier: BSD-2-Clause
"""The other end of a machine's cable: a UNIX socket that QEMU's `-netdev stream` calls; frames go
and come as bytes. No privileges, no kernel of ours in between.

    with Wire(path) as wire, Machine(nics=[Nic(stream(path))]):
        wire.arp("10.51.0.2", "10.51.0.1", seconds=10)
"""
import os
import select
import socket
import struct
import time

MAC = bytes.fromhex("020000000051")


class Wire:
    """Listens at path; the machine connects when it starts."""

    def __init__(self, path):
        self.path = path
        self._pending = b""
        self.socket = None

    def __enter__(self):
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen(1)
        return self

    def __exit__(self, *_):
        for open_socket in (self.socket, self._listener):
            if open_socket:
                open_socket.close()
        os.unlink(self.path)

    def connect(self, seconds=10):
        self._listener.settimeout(seconds)
        self.socket, _ = self._listener.accept()

    def send(self, frame):
        self.socket.sendall(struct.pack(">I", len(frame)) + frame)

    def receive(self, seconds):
        """The next frame, or None where none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            if len(self._pending) >= 4:
                length, = struct.unpack_from(">I", self._pending)
                if len(self._pending) >= 4 + length:
                    frame = self._pending[4:4 + length]
                    self._pending = self._pending[4 + length:]
                    return frame
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.socket], [], [], left)[0]:
                return None
            data = self.socket.recv(65536)
            if not data:
                raise ConnectionError("the machine has gone")
            self._pending += data

    def arp(self, target, source, seconds=20, every=0.25):
        """Asks who has the target until somebody answers; returns the MAC address."""
        question = (b"\xff" * 6 + MAC + b"\x08\x06" + struct.pack(">HHBBH", 1, 0x0800, 6, 4, 1) +
                    MAC + socket.inet_aton(source) + bytes(6) + socket.inet_aton(target)).ljust(60,
                                                                                               b"\0")
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.send(question)
            again = time.monotonic() + every
            while time.monotonic() < again:
                frame = self.receive(again - time.monotonic())
                if frame and frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\2" and \
                        frame[28:32] == socket.inet_aton(target):
                    return frame[22:28]
        raise TimeoutError(f"{target} answers no ARP within {seconds} s")
