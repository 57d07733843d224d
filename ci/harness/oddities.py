# SPDX-License-Identifier: BSD-2-Clause
"""Strange TCP from raw frames: a peer of its own address that does what no system does.

    python3 oddities.py INTERFACE OWN-ADDRESS SERVER NAME

Prints `ok` where the server behaved, else what it did."""
import random
import sys

from scapy.all import ARP, IP, TCP, Ether, conf, sniff, sendp, srp1, AsyncSniffer  # noqa: F401

REQUEST = b"GET /small HTTP/1.1\r\nHost: x\r\n\r\n"


class Peer:
    """One connection, by hand."""

    def __init__(self, interface, own, server, window=65535, options=(("MSS", 1460),)):
        self.interface, self.own, self.server = interface, own, server
        self.port = random.randint(20000, 60000)
        self.mac = "02:00:00:00:00:99"
        self.socket = conf.L2socket(iface=interface)
        self.window = window
        self.options = list(options)
        self.server_mac = self._resolve()

    def _resolve(self):
        question = Ether(src=self.mac, dst="ff:ff:ff:ff:ff:ff") / ARP(
            op=1, hwsrc=self.mac, psrc=self.own, pdst=self.server)
        self.socket.send(question)
        for _ in range(200):
            frame = self.receive(lambda f: ARP in f and f[ARP].op == 2 and f[ARP].psrc == self.server)
            if frame:
                return frame[ARP].hwsrc
        raise TimeoutError("nobody answers ARP")

    def receive(self, wanted, seconds=3.0):
        import select
        import time
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            ready, _, _ = select.select([self.socket.ins], [], [], until - time.monotonic())
            if not ready:
                return None
            frame = self.socket.recv()
            if frame is None:
                continue
            if ARP in frame and frame[ARP].op == 1 and frame[ARP].pdst == self.own:
                self.socket.send(Ether(src=self.mac, dst=frame.src) / ARP(
                    op=2, hwsrc=self.mac, psrc=self.own, hwdst=frame.src, pdst=frame[ARP].psrc))
            elif wanted(frame):
                return frame
        return None

    def segment(self, seconds=3.0):
        frame = self.receive(lambda f: IP in f and TCP in f and f[IP].src == self.server
                             and f[TCP].dport == self.port, seconds)
        return frame[TCP] if frame else None

    def send(self, flags, seq, ack=0, data=b"", window=None, options=()):
        self.socket.send(Ether(src=self.mac, dst=self.server_mac) / IP(src=self.own, dst=self.server) / TCP(
            sport=self.port, dport=80, flags=flags, seq=seq & 0xffffffff, ack=ack & 0xffffffff,
            window=self.window if window is None else window, options=list(options)) / data)

    def open(self):
        self.seq = random.getrandbits(32)
        self.send("S", self.seq, options=self.options)
        answer = self.segment()
        assert answer is not None and answer.flags == "SA", f"no SYN/ACK: {answer}"
        assert answer.ack == (self.seq + 1) & 0xffffffff, "SYN/ACK acknowledges something else"
        self.seq += 1
        self.ack = answer.seq + 1
        self.send("A", self.seq, self.ack)

    def read(self, wanted, acknowledge=True):
        """Bytes of the server's stream, at least `wanted`."""
        got = b""
        while len(got) < wanted:
            segment = self.segment()
            assert segment is not None, f"the server fell silent after {len(got)} bytes"
            assert "R" not in segment.flags, "the server reset the connection"
            data = bytes(segment.payload)[:1460] if segment.payload else b""
            if data and (segment.seq - self.ack) & 0xffffffff == len(got) and "Padding" not in segment:
                got += data
            if data and acknowledge:
                self.send("A", self.seq, self.ack + len(got))
        self.ack += len(got)
        return got

    def ask(self):
        self.send("PA", self.seq, self.ack, REQUEST)
        self.seq += len(REQUEST)
        assert b"200 OK" in self.read(1000)

    def close(self):
        self.send("RA", self.seq, self.ack)


def plain(peer):
    peer.open()
    peer.ask()
    peer.close()


def reset_injection(peer):
    """RFC 5961, 3.2: a reset whose number is in the window but not the next one is challenged."""
    peer.open()
    peer.send("R", peer.seq + 100)
    challenge = peer.segment()
    assert challenge is not None and challenge.flags == "A", f"no challenge: {challenge}"
    peer.send("R", peer.seq - 100000)
    peer.ask()
    peer.send("R", peer.seq)
    peer.send("PA", peer.seq, peer.ack, REQUEST)
    answer = peer.segment()
    assert answer is not None and "R" in answer.flags, f"an exact reset did not end it: {answer}"


def syn_injection(peer):
    """RFC 5961, 4.2: a SYN inside a connection is challenged, wherever it stands."""
    peer.open()
    peer.send("S", peer.seq + 5)
    challenge = peer.segment()
    assert challenge is not None and challenge.flags == "A", f"no challenge: {challenge}"
    peer.ask()
    peer.close()


def ack_injection(peer):
    """RFC 5961, 5.2: data whose acknowledgement is far outside is not taken."""
    peer.open()
    peer.send("PA", peer.seq, peer.ack + 0x40000000, b"POST /evil HTTP/1.1\r\n\r\n")
    peer.send("PA", peer.seq, peer.ack - 0x40000000, b"POST /evil HTTP/1.1\r\n\r\n")
    while peer.segment(0.3) is not None:
        pass
    peer.ask()
    peer.close()


def overlaps(peer):
    """The request in overlapping pieces, out of order, twice; what came first counts."""
    peer.open()
    for first, last in ((10, 20), (5, 15), (20, len(REQUEST)), (15, 25), (0, 12)):
        peer.send("PA", peer.seq + first, peer.ack, REQUEST[first:last])
    peer.seq += len(REQUEST)
    assert b"200 OK" in peer.read(1000)
    peer.close()


def tiny_window(peer):
    """16 bytes at a time."""
    peer.window = 16
    peer.open()
    peer.send("PA", peer.seq, peer.ack, REQUEST)
    peer.seq += len(REQUEST)
    got = b""
    while len(got) < 200:
        segment = peer.segment(5)
        assert segment is not None, f"silent after {len(got)} bytes"
        data = bytes(segment.payload)[:segment_size(segment)]
        assert len(data) <= 16, f"{len(data)} bytes into a window of 16"
        if data and segment.seq == (peer.ack & 0xffffffff):
            got += data
            peer.ack += len(data)
            peer.send("A", peer.seq, peer.ack)
    peer.close()


def segment_size(segment):
    ip = segment.underlayer
    return ip.len - ip.ihl * 4 - segment.dataofs * 4


def zero_window(peer):
    """The window closes; a probe must come, and all goes on when it opens."""
    peer.window = 100
    peer.open()
    peer.send("PA", peer.seq, peer.ack, REQUEST)
    peer.seq += len(REQUEST)
    first = peer.segment()
    size = segment_size(first)
    assert 0 < size <= 100, f"{size} bytes into a window of 100"
    peer.ack += size
    peer.send("A", peer.seq, peer.ack, window=0)
    probe = peer.segment(5)
    assert probe is not None, "no probe"
    peer.send("A", peer.seq, peer.ack, window=65535)
    assert len(peer.read(900)) >= 900
    peer.close()


def wild_options(peer):
    """Options that run over the header's end, and ones that nobody knows."""
    peer.options = [("MSS", 0), ("WScale", 200), (77, b"abc"), ("NOP", None), ("Timestamp", (1, 0))]
    peer.open()
    peer.close()


def bad_flags(peer):
    """SYN with FIN, nothing at all, everything: no connection comes of it."""
    for flags in ("SF", "", "FSRPAU", "SR"):
        peer.send(flags, 12345)
    answer = peer.segment(1)
    assert answer is None or "S" not in answer.flags, f"answered {answer.flags}"
    plain(peer)


TESTS = {test.__name__: test for test in (
    plain, reset_injection, syn_injection, ack_injection, overlaps, tiny_window, zero_window,
    wild_options, bad_flags)}


def main():
    interface, own, server, name = sys.argv[1:]
    TESTS[name](Peer(interface, own, server))
    print("ok")


if __name__ == "__main__":
    main()
