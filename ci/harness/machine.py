# SPDX-License-Identifier: BSD-2-Clause
"""A Sluice machine in QEMU, for tests: start it, wait for what its console says, end it.

    with Machine(payload=payload("echo"), append="ip=10.0.0.2/24", nics=[Nic(tap("tap0"))],
                 within=namespace) as machine:
        machine.wait_for("host: ready")
        ...
        status = machine.wait_exit()

A machine never outlives its limit, the `with` block, or the process that started it.
"""
import collections
import ctypes
import re
import signal
import subprocess
import threading
import time

from . import paths
import qemu

Nic, tap, user_net, stream = qemu.Nic, qemu.tap, qemu.user_net, qemu.stream

# Tests name the seconds that something takes at most on a computer with nothing else to do; a crowded one, or one that
# stands still for a moment, gets so many times as long. Who waits goes on as soon as it is there.
PATIENCE = 2


class MachineError(Exception):
    """Something did not come; the message holds the end of the console."""


def _die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


class Machine:
    """One running QEMU. limit: seconds (times PATIENCE) after which it is ended, whatever happens."""

    def __init__(self, payload=None, append="", kernel=paths.KERNEL, limit=60, within=None,
                 **description):
        words = qemu.command(kernel, payload=payload, append=append, **description)
        self.words = within.prefix() + words if within else words
        self.limit = limit * PATIENCE
        self.lines = collections.deque()
        self.process = None
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self):
        self.process = subprocess.Popen(self.words, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)
        self._watchdog = threading.Timer(self.limit, self.process.kill)
        self._watchdog.daemon = True
        self._watchdog.start()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._watchdog.cancel()
        self._reader.join(5)
        self.process.stdin.close()
        self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            with self._changed:
                self.lines.append(line.decode("utf-8", "replace").rstrip("\r\n"))
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def console(self):
        """All lines so far, as one text."""
        with self._changed:
            return "\n".join(self.lines)

    def _failed(self, what):
        tail = "\n".join(self.console().splitlines()[-40:])
        return MachineError(f"{what}; the console ends with:\n{tail}")

    def wait_for(self, pattern, seconds=20, count=1):
        """Waits until `count` console lines match the pattern (re.search, anywhere since the
        start); returns the last one's match."""
        seconds *= PATIENCE
        expression, deadline = re.compile(pattern), time.monotonic() + seconds
        with self._changed:
            while True:
                found = [match for match in map(expression.search, self.lines) if match]
                if len(found) >= count:
                    return found[count - 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    break
                self._changed.wait(left)
        state = "the machine ended" if self._ended else f"{seconds} s passed"
        raise self._failed(f"{state} without a line like /{pattern}/")

    def has(self, pattern):
        """Whether a line has matched so far."""
        return re.search(pattern, self.console(), re.M) is not None

    def send(self, text):
        """Types on the serial console."""
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def running(self):
        return self.process.poll() is None

    def wait_exit(self, seconds=20):
        """The guest's exit code (isa-debug-exit); None after an ordinary power-off."""
        seconds *= PATIENCE
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise self._failed(f"the machine still runs after {seconds} s") from None
        self._reader.join(5)
        if status < 0:
            raise self._failed(f"QEMU was ended by signal {-status} (limit: {self.limit} s)")
        code = qemu.exit_code(status)
        if status and code is None:
            raise self._failed(f"QEMU ended with status {status}")
        return code
