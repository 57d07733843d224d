# SPDX-License-Identifier: BSD-2-Clause
"""A client that asks so often and no more.

    python3 web_client.py ADDRESS PORT PATH BYTES new|keep CONNECTIONS REQUESTS

Each of CONNECTIONS asks one request after the other, all of them REQUESTS in all; every answer is 200
and of so many bytes. Prints the seconds that it took."""
import selectors
import socket
import sys
import time


class Asker:
    """One connection's worth of work."""

    def __init__(self, place, path, size, keep, selector):
        self.place, self.size, self.keep, self.selector = place, size, keep, selector
        end = b"" if keep else b"Connection: close\r\n"
        self.request = b"GET " + path.encode() + b" HTTP/1.1\r\nHost: x\r\n" + end + b"\r\n"
        self.socket = None
        self.buffer = bytearray(1 << 18)

    def ask(self):
        if self.socket is None:
            self.socket = socket.create_connection(self.place, 20)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.selector.register(self.socket, selectors.EVENT_READ, self)
        self.head, self.left = b"", None
        self.socket.sendall(self.request)

    def read(self):
        """Whether the answer is complete."""
        n = self.socket.recv_into(self.buffer)
        if n == 0:
            raise ConnectionError("the server closed")
        if self.left is None:
            self.head += self.buffer[:n]
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return False
            if not self.head.startswith(b"HTTP/1.1 200 "):
                raise ValueError(self.head[:100])
            self.left = self.size - (len(self.head) - end - 4)
        else:
            self.left -= n
        if self.left == 0 and not self.keep:
            self.selector.unregister(self.socket)
            while self.socket.recv_into(self.buffer):
                pass
            self.socket.close()
            self.socket = None
        return self.left == 0


def main():
    address, port, path, size, mode, connections, requests = sys.argv[1:]
    selector = selectors.DefaultSelector()
    askers = [Asker((address, int(port)), path, int(size), mode == "keep", selector)
              for _ in range(int(connections))]
    left = int(requests)
    start = time.monotonic()
    for asker in askers[:left]:
        asker.ask()
        left -= 1
    while selector.get_map():
        for key, _ in selector.select(20):
            if key.data.read():
                if left > 0:
                    left -= 1
                    key.data.ask()
                elif mode == "keep":
                    selector.unregister(key.data.socket)
    print(time.monotonic() - start)


main()
