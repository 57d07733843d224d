#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 120
"""Hostile and incomplete payloads: init names what is wrong, and starts what is sound."""
import os
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, user_net  # noqa: E402
from harness.report import Report  # noqa: E402

ADDRESSES = "ip=10.0.2.15/24,10.0.2.2 ip=10.0.2.16/24,10.0.2.2"


def flipped(data, at):
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1:]


def last_image(data):
    """Where the archive's last ELF image begins: one that an environment uses."""
    return data.rfind(b"\x7fELF\x02\x01\x01")


def run(report, name, payload, lines, append=ADDRESSES):
    with report.test(name), tempfile.NamedTemporaryFile(suffix=".cpio") as file:
        file.write(payload)
        file.flush()
        with Machine(payload=file.name, nics=[Nic(user_net())], append=append,
                     limit=40) as machine:
            for line in lines:
                machine.wait_for(line, 15)


def main():
    report = Report()
    with open(paths.payload("echo"), "rb") as file:
        good = file.read()
    manifest = good.find(b"SLMF")
    run(report, "a changed byte of an image stops only who uses it",
        flipped(good, last_image(good) + 5000),
        [r"not started: payload: echo-\S+: its digest is not the manifest's",
         r"init: echo: 2 of 3 environments started"])
    run(report, "a truncated archive", good[:last_image(good) + 100],
        [r"init: payload: .* at byte \d+", r"init: nothing was started"])
    run(report, "a manifest of another version", flipped(good, manifest + 4),
        [r"init: manifest: version 3, this is for 2", r"init: nothing was started"])
    run(report, "a manifest whose table lies outside", flipped(good, manifest + 19),
        [r"init: manifest: table of files", r"init: nothing was started"])
    run(report, "no archive at all", b"hello world " * 100, [r"init does not start: "])
    report.exit()


main()
