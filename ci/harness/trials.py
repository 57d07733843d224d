# SPDX-License-Identifier: BSD-2-Clause
"""The payload of the kernel's trials (appliances/tests/trial.c): one program, in init's place."""
import os
import subprocess

from . import paths

PROGRAM = os.path.join(paths.BUILD, "appliances", "tests", "trial")


def member(name, data):
    fields = [1, 0o100644, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name + b"\0"
    return head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4)


def trial_payload(path):
    """Writes it to `path`, which it returns."""
    stripped = path + ".elf"
    subprocess.run(["strip", "-o", stripped, PROGRAM], check=True)
    with open(stripped, "rb") as file, open(path, "wb") as out:
        out.write(member(b"init", file.read()) + member(b"TRAILER!!!", b""))
    return path
