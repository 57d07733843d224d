#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 240
"""boot/run as a person calls it: without root through QEMU's user network, and on a tap.

    this computer's loopback ── QEMU's user network ── 10.0.2.15, 10.0.2.16
    namespace: br0 10.51.0.1 ── tap0 ── 10.51.0.2, 10.51.0.3 (addresses that boot/run chose)
"""
import contextlib
import os
import re
import signal
import socket
import subprocess
import time

from harness import paths
from harness.netns import Namespace
from harness.report import Report

RUN = os.path.join(paths.TOP, "boot", "run")


@contextlib.contextmanager
def running(*options, prefix=()):
    """boot/run, once it has said what to try: the process, and what it said."""
    process = subprocess.Popen([*prefix, RUN, "--accel", "tcg", *options], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               start_new_session=True)
    said = ""
    try:
        for line in process.stdout:
            said += line
            if line.startswith("Ctrl-C"):
                break
        yield process, said
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=20)


def echoes(port, text):
    """Whether the service behind the forwarded port sends the text back; it may still be starting."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        for _ in range(30):
            client.sendto(text, ("127.0.0.1", port))
            with contextlib.suppress(TimeoutError):
                if client.recv(2000) == text:
                    return True
    return False


def user_network():
    with running("echo", "--memory", "96", "--seconds", "60") as (_, said):
        ports = [int(port) for port in re.findall(r"127\.0\.0\.1:(\d+) ", said)]
        assert len(ports) == 2, said
        for port in ports:
            assert echoes(port, b"hello"), f"no answer on port {port}"


def ends_by(number):
    """The machine goes with boot/run, whoever is told to end: the whole group (Ctrl-C) or it alone."""
    with running("--seconds", "60") as (process, _):
        time.sleep(1)
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        output, _ = process.communicate(timeout=60)
        assert process.returncode == 0, f"status {process.returncode}: {output[-500:]}"
        assert "Traceback" not in output, output
        left = subprocess.run(["pgrep", "-g", str(process.pid)], capture_output=True, text=True)
        assert not left.stdout, f"still running: {left.stdout}"


def on_a_tap():
    with Namespace(taps=1) as ns, \
            running("echo", "--net", "tap:tap0", "--seconds", "60", prefix=ns.prefix()) as (_, said):
        addresses = re.findall(r"^  ping (\S+)$", said, re.M)
        assert addresses == ["10.51.0.2", "10.51.0.3"], said
        for address in addresses:
            for _ in range(30):
                if ns.run("ping", "-c", "1", "-W", "1", address, check=False).returncode == 0:
                    break
            else:
                raise AssertionError(f"{address} answers no ping")


def main():
    report = Report()
    with report.test("UDP echo of both libraries through the user network, in 96 MiB"):
        user_network()
    with report.test("Ctrl-C ends it"):
        ends_by(signal.SIGINT)
    with report.test("a termination signal ends it"):
        ends_by(signal.SIGTERM)
    if Namespace.possible():
        with report.test("ping on a tap, at addresses that it chose"):
            on_a_tap()
    else:
        report.skip("ping on a tap", "a namespace needs root")
    report.exit()


if __name__ == "__main__":
    main()
