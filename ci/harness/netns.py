# SPDX-License-Identifier: BSD-2-Clause
"""A network namespace of a test's own: bridge, taps, addresses. Needs root.

      ┌ namespace slc-PID-N ───────────────────────┐
      │  clients      br0 10.51.0.1/24  ── tap0 ───┼── QEMU's NIC 0 (QEMU runs inside, too)
      │               fd51::1/64        ── tap1 ───┼── NIC 1
      └────────────────────────────────────────────┘

    with Namespace(taps=1) as ns:
        with Machine(nics=[Nic(tap("tap0"))], within=ns): ...
        ns.run("ping", "-c", "1", "10.51.0.2")
"""
import itertools
import os
import subprocess
import time

_numbers = itertools.count()


class Namespace:
    """Made on entry, removed on exit with all that is in it."""

    def __init__(self, taps=1, address="10.51.0.1/24", address6="fd51::1/64", mtu=None, queues=1):
        self.name = f"slc-{os.getpid()}-{next(_numbers)}"
        self.taps, self.address, self.address6, self.mtu = taps, address, address6, mtu
        self.kind = ["mode", "tap"] + ["multi_queue"] * (queues > 1)

    @staticmethod
    def possible():
        """Whether this process may make namespaces."""
        return os.geteuid() == 0

    def prefix(self):
        """What stands before a command that is to run inside."""
        return ["ip", "netns", "exec", self.name]

    def run(self, *words, seconds=30, check=True, **options):
        """Runs a command inside; returns subprocess.CompletedProcess with text output."""
        return subprocess.run(self.prefix() + list(words), timeout=seconds, check=check, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, **options)

    def popen(self, *words, **options):
        return subprocess.Popen(self.prefix() + list(words), stdin=subprocess.DEVNULL, **options)

    def wait_listening(self, port, seconds=30):
        """Until somebody inside listens at a TCP port, or has bound a UDP port."""
        deadline = time.monotonic() + seconds
        while not self.run("ss", "-Hltun", f"sport = :{port}").stdout:
            if time.monotonic() > deadline:
                raise AssertionError(f"nobody listens at port {port} after {seconds} s")
            time.sleep(0.1)

    def _ip(self, *words):
        self.run("ip", *words)

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        try:
            self._build()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _build(self):
        self._ip("link", "set", "lo", "up")
        self._ip("link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0")
        for number in range(self.taps):
            self._ip("tuntap", "add", f"tap{number}", *self.kind)
            self._ip("link", "set", f"tap{number}", "master", "br0", "up")
            if self.mtu:
                self._ip("link", "set", f"tap{number}", "mtu", str(self.mtu))
        self._ip("link", "set", "br0", "up")
        self._ip("addr", "add", self.address, "dev", "br0")
        self._ip("-6", "addr", "add", self.address6, "dev", "br0", "nodad")

    def __exit__(self, *_):
        pids = subprocess.run(["ip", "netns", "pids", self.name], capture_output=True, text=True)
        for pid in pids.stdout.split():
            subprocess.run(["kill", "-9", pid], check=False)
        subprocess.run(["ip", "netns", "del", self.name], check=False)
