# SPDX-License-Identifier: BSD-2-Clause
"""What a script runs against: the library, under virtual time; or, to try a script itself, Linux behind a TUN device, under
real time and in a network namespace of its own (needs root)."""
import ctypes
import fcntl
import os
import select
import struct
import subprocess
import time

from calls import Calls

# What `...` is: our end and the peer's, by way of addressing. Packets of IPv6 are allowed 20 bytes more, so that segments are the same.
ENDS = {"4": (("192.168.0.1", 8080), ("192.0.2.1", 8080)), "6": (("fd3d:fa7b:d17d::1", 8080), ("2001:db8::1", 8080))}
ENDS["mapped"] = ENDS["4"]
IP6_MORE = 20
PACKET_MAX = 70000


def runs(thread):
    """Whether a thread of this process does anything but wait."""
    try:
        with open(f"/proc/self/task/{thread}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] in "RD"
    except OSError:
        return False


class Options(ctypes.Structure):
    _fields_ = [("address4", ctypes.c_char_p), ("address6", ctypes.c_char_p), ("mtu", ctypes.c_uint32), ("seed", ctypes.c_uint64),
                ("start_ns", ctypes.c_uint64), ("connections", ctypes.c_uint32), ("congestion", ctypes.c_char_p),
                ("cookies", ctypes.c_bool), ("ecn", ctypes.c_int), ("burst", ctypes.c_uint32), ("black_holes", ctypes.c_bool)]


class Library(Calls):
    def __init__(self, path, ip, congestion="cubic", mtu=1500, ecn=2, burst=0, probing=0, cookies=0, **settings):
        self.lib = ctypes.CDLL(path, use_errno=True)
        for name in ("sluice_net_open", "sluice_net_now", "sluice_net_deadline", "sluice_net_output"):
            getattr(self.lib, name).restype = ctypes.c_void_p if name.endswith("open") else ctypes.c_uint64
        for name in ("read", "write", "recv", "send", "sendto", "recvmsg", "splice", "sendfile"):
            getattr(self.lib, "sluice_" + name).restype = ctypes.c_ssize_t
        here, there = ENDS[ip]
        address = here[0].encode()
        options = Options(address if ip != "6" else None, address if ip == "6" else None, mtu + IP6_MORE * (ip == "6"), 1, 0, 0, congestion.encode(), bool(cookies), ecn,
                          burst, bool(probing))
        self.net = ctypes.c_void_p(self.lib.sluice_net_open(ctypes.byref(options)))
        assert self.net, "no net"
        for name, value in settings.items():
            assert self.lib.sluice_net_sysctl(self.net, name.encode(), str(value).encode()) == 0, name
        Calls.__init__(self, self._function, here, there, ip != "4")

    def _function(self, name):
        function = getattr(self.lib, "sluice_" + name)
        return lambda *arguments: function(self.net, *arguments)

    def epoll_size(self, size):
        return []

    def now(self):
        return self.lib.sluice_net_now(self.net) / 1e9

    def inject(self, packet):
        return self.lib.sluice_net_input(self.net, packet, ctypes.c_size_t(len(packet)))

    def next_packet(self, until):
        """The next packet that leaves up to then, and when; the clock stands there at most afterwards."""
        room, at = ctypes.create_string_buffer(PACKET_MAX), ctypes.c_uint64()
        while True:
            size = self.lib.sluice_net_output(self.net, room, ctypes.c_size_t(PACKET_MAX), ctypes.byref(at))
            if size:
                return room.raw[:size], at.value / 1e9
            due = self.lib.sluice_net_deadline(self.net)
            if due > int(until * 1e9):
                self.wait_until(until)
                return None
            self.lib.sluice_net_advance(self.net, ctypes.c_uint64(due))

    def wait_until(self, when):
        self.lib.sluice_net_advance(self.net, ctypes.c_uint64(round(when * 1e9)))

    def settle(self, thread):
        """A call in another thread has begun and waits, or has ended."""
        calm = 0
        for _ in range(5000):
            calm = calm + 1 if thread.native_id is not None and not runs(thread.native_id) else 0
            if calm == 5:
                break
            time.sleep(0.001)

    def close(self):
        self.lib.sluice_net_close(self.net)


class Linux(Calls):
    def __init__(self, ip, congestion="cubic", mtu=1500, ecn=2, burst=0, probing=0, cookies=0, **settings):  # never in bursts: TUN has no offload
        libc = ctypes.CDLL(None, use_errno=True)
        libc.unshare(0x40000000)
        self.tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(self.tun, 0x400454ca, struct.pack("16sH", b"drill0", 0x1001))
        here, there = ENDS[ip]
        for words in (f"addr add {here[0]}/{48 if ip == '6' else 16} dev drill0" + (" nodad" if ip == "6" else ""),
                      f"link set drill0 mtu {mtu + IP6_MORE * (ip == '6')} up",
                      ("-6 " if ip == "6" else "") + "route add default dev drill0", "link set lo up"):
            subprocess.run(["ip", *words.split()], check=True)
        # Of the machine's settings those that scripts count on; which may not be changed stay.
        for name, value in {"tcp_ecn": ecn, "tcp_mtu_probing": probing, "tcp_syncookies": 1 + cookies,
                            "tcp_no_metrics_save": 1, "tcp_syn_linear_timeouts": 0, "tcp_min_tso_segs": 4, "tcp_rmem": "4096 131072 6291456",
                            "tcp_wmem": "4096 16384 4194304", **settings}.items():
            try:
                with open(f"/proc/sys/net/ipv4/{name}", "w", encoding="ascii") as file:
                    file.write(str(value))
            except OSError:
                pass
        Calls.__init__(self, lambda name: getattr(libc, name), here, there, ip != "4")
        self.congestion = congestion
        self.start = time.monotonic()
        self.epoch = time.time()

    def do_socket(self, domain, kind, protocol):
        made = Calls.do_socket(self, domain, kind, protocol)
        self.raw("setsockopt", made[0], 6, 13, self.congestion.encode(), len(self.congestion))
        return made

    def now(self):
        return time.monotonic() - self.start

    def inject(self, packet):
        os.write(self.tun, packet)

    def next_packet(self, until):
        while True:
            left = until - self.now()
            if not select.select([self.tun], [], [], max(left, 0))[0]:
                return None
            packet = os.read(self.tun, PACKET_MAX)
            if packet[0] == 0x45 and packet[9] == 6 or packet[0] >> 4 == 6 and packet[6] == 6:
                return packet, self.now()

    def wait_until(self, when):
        time.sleep(max(when - self.now(), 0))

    def settle(self, thread):
        time.sleep(0.002)

    def close(self):
        os.close(self.tun)
