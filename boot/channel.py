# SPDX-License-Identifier: BSD-2-Clause
"""The host channel's end on this computer, as far as files come through it (exo/include/exo/channel.h):
authenticated Ethernet frames, acknowledged in order, from QEMU's `-netdev stream`."""
import os
import socket
import struct
import threading

ETHERTYPE, MAGIC, VERSION = 0x88b5, 0x43584c53, 1
ACK, LOG, FILE = 0, 2, 8
HEADER = struct.Struct("<IHHIIIIQ")
MASK = (1 << 64) - 1
OWN_MAC = bytes.fromhex("020000000001")
NAME_MAX, FILE_MAX, OPEN_MAX = 64, 1 << 40, 16


def _round(a, b, c, d):
    a = (a + b) & MASK
    b = ((b << 13 | b >> 51) & MASK) ^ a
    a = (a << 32 | a >> 32) & MASK
    c = (c + d) & MASK
    d = ((d << 16 | d >> 48) & MASK) ^ c
    a = (a + d) & MASK
    d = ((d << 21 | d >> 43) & MASK) ^ a
    c = (c + b) & MASK
    b = ((b << 17 | b >> 47) & MASK) ^ c
    return a, b, (c << 32 | c >> 32) & MASK, d


def siphash(key, data):
    """SipHash-2-4 (Aumasson and Bernstein, INDOCRYPT 2012) under a key of two words."""
    a, b = key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d
    c, d = key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573
    data += bytes(-(len(data) + 1) % 8) + bytes([len(data) & 255])
    for word in struct.unpack(f"<{len(data) // 8}Q", data):
        a, b, c, d = _round(*_round(a, b, c, d ^ word))
        a ^= word
    c ^= 0xff
    for _ in range(4):
        a, b, c, d = _round(a, b, c, d)
    return a ^ b ^ c ^ d


class Receiver:
    """Listens at a UNIX socket, takes what one machine sends, and keeps its files: those named in `files` at the
    paths that it gives, the others in a folder (None: nowhere).

    Everything that arrives is the machine's: names keep to the folder, sizes to FILE_MAX."""

    def __init__(self, path, key, folder, say=print, files=()):
        self.folder, self.say, self.received, self.paths = folder, say, 0, dict(files)
        self.open, self.begun = {}, set()
        self.key = struct.unpack("<2Q", bytes.fromhex(key))
        if folder:
            os.makedirs(folder, exist_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def close(self):
        """Stops listening; what came is on disk."""
        self.listener.close()
        self.thread.join(1)
        for file in self.open.values():
            file.close()

    def _serve(self):
        try:
            connection = self.listener.accept()[0]
            with connection, connection.makefile("rb") as stream:
                while True:
                    size = stream.read(4)
                    if len(size) < 4:
                        return
                    self._take(connection, stream.read(struct.unpack(">I", size)[0]))
        except OSError:
            return  # the machine has gone, or we have closed

    def _take(self, connection, frame):
        if len(frame) < 14 + HEADER.size or frame[12:14] != ETHERTYPE.to_bytes(2, "big"):
            return
        magic, version, kind, sequence, _, size, zero, mac = HEADER.unpack_from(frame, 14)
        body = frame[14 + HEADER.size:14 + HEADER.size + size]
        signed = frame[14:14 + HEADER.size - 8] + bytes(8) + body
        if (magic, version, zero) != (MAGIC, VERSION, 0) or len(body) != size or \
                siphash(self.key, signed) != mac or kind == ACK:
            return
        if sequence == self.received + 1:
            self.received = sequence
            self._message(kind, body)
        self._acknowledge(connection, frame[6:12])

    def _acknowledge(self, connection, to):
        head = HEADER.pack(MAGIC, VERSION, ACK, 0, self.received, 0, 0, 0)
        frame = to + OWN_MAC + ETHERTYPE.to_bytes(2, "big") + head[:-8] + \
            struct.pack("<Q", siphash(self.key, head))
        frame += bytes(60 - len(frame))
        connection.sendall(struct.pack(">I", len(frame)) + frame)

    def _message(self, kind, body):
        if kind != FILE or len(body) < 9:
            return
        offset = struct.unpack_from("<Q", body)[0]
        name, _, data = body[8:].partition(b"\0")
        name = name.decode("ascii", "replace")
        if not 0 < len(name) <= NAME_MAX or "/" in name or name.startswith(".") or \
                offset > FILE_MAX or not name.isprintable() or not (self.folder or name in self.paths):
            self.say(f"a file with a strange name or place was left out: {name[:80]!r}")
            return
        file = self.open.get(name) or self._begin(name)
        if file.seekable():
            file.seek(offset)
        file.write(data)

    def _begin(self, name):
        """Files stay open; unbuffered, so that who reads along sees all there is. A pipe is as good."""
        path = self.paths.get(name) or os.path.join(self.folder, name)
        self.say(f"a file comes: {path}")
        while len(self.open) >= OPEN_MAX:
            self.open.pop(next(iter(self.open))).close()
        again = name in self.begun
        self.begun.add(name)
        self.open[name] = open(path, "r+b" if again else "wb", buffering=0)
        return self.open[name]
