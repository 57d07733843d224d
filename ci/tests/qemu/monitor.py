#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
"""The monitor's shell, typed at as a person would: every command, editing, history, and nonsense."""
import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, user_net  # noqa: E402
from harness.report import Report  # noqa: E402

UP, LEFT, HOME, DELETE = "\x1b[A", "\x1b[D", "\x1b[H", "\x1b[3~"


class Shell:
    """Types a line, waits until the next prompt stands, and returns what came between."""

    def __init__(self, machine):
        self.machine, self.marks = machine, 0

    def ask(self, keys):
        """A nonsense word behind the line marks where its answer ends."""
        self.marks += 1
        before = len(self.machine.console())
        self.machine.send(keys + f"\rmark{self.marks}\r")
        self.machine.wait_for(f"no command 'mark{self.marks}'", 15)
        text = self.machine.console()[before:]
        return text[:text.index(f"no command 'mark{self.marks}'")]


def expect(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text):
            raise AssertionError(f"no /{pattern}/ in: {text}")


ANSWERS = {
    "help": ["kill ENVIRONMENT", r"envs +environments and their accounts"],
    "help kill": [r"kill ENVIRONMENT +ends it"],
    "envs": [r"1 init +running", r"\d host +running +1 +\d+ +512 +1", r"\d monitor +running"],
    "frames": [r"\d+ frames owned +echo-udp", r"\d+ frames free", r"\d+ of \d+ are free"],
    "frames host": [r"frames \d+ to \d+: owned"],
    "slots": [r"core 0, slots  0 to  0: init", r"core 1, slots +\d+ to 63: free"],
    "flows": [r"flow space \d+: host"],
    "bindings": [r"binding \d+: echo-udp"],
    "rings": [r"ring \d+: host, receive", r"ring \d+: host, transmit"],
    "ports": [r"port 0: net_virtio at .*52:54:00:51:1c:00", r"received \d+"],
    "top": [r"id environment  handler"],
    "drops": [r" port +nic +pool +damaged", r"\b0 +0 +0 +0 +0 +\d+ +0 +0", r"\d host +0 +0 +\d+ +0 +0 +0"],
    "disks": [r"the disks have 0 sectors"],
    "screen": [r"the screen has 0x0 pixels", r"there are none"],
    "machine": [r"Sluice \S+, up \d+ s; 2 cores"],
    "   mach  ": [r"up \d+ s"],
    # Nonsense.
    "": [],
    "frobnicate": [r"there is no command 'frobnicate'; 'help' lists them"],
    "f": [r"'f' begins several commands"],
    "frames nobody": [r"no environment 'nobody' lives"],
    "kill": [r"kill whom\?"],
    "kill 999": [r"no environment '999' lives"],
    "kill init": [r"that is init: the machine would go off"],
    "take": [r"take what\?"],
    "take 3 nobody": [r"no environment 'nobody' lives"],
    "take 0 host": [r"take: EXO_E"],
    "revoke": [r"revoke what\?"],
    "revoke one 2": [r"'one' is no number"],
    "revoke 1 0": [r"1 frame at least"],
    "revoke 1 1": [r"revoke: EXO_E"],
    "revoke 99999999999999999999 1": [r"is no number"],
    "a b c d e f g h i j": [r"more than 8 words"],
    "x" * 300: [r"there is no command 'x{119}'"],
    "\x07\x1b[Z\x02\x02\x05\x04help\x00 kill": [r"kill ENVIRONMENT +ends it"],
    # Editing.
    "hexlp kilx" + "\x08" + "l" + LEFT * 7 + "\x7f": [r"kill ENVIRONMENT +ends it"],
    "xhelp kill" + HOME + DELETE: [r"kill ENVIRONMENT +ends it"],
    "p kill" + "\x01" + "hel": [r"kill ENVIRONMENT +ends it"],
    "help killgarbage" + LEFT * 7 + "\x0b": [r"kill ENVIRONMENT +ends it"],
    "garbage" + "\x15" + "help kill": [r"kill ENVIRONMENT +ends it"],
    # Two lines up: the mark is the last one.
    "help envs": [r"envs +environments"],
    UP + UP: [r"envs +environments"],
}


def check_kill(shell):
    machine = shell.machine
    answer = shell.ask("kill echo-udp")
    expect(answer, r"environment \d+ was ended")
    machine.wait_for(r"init: echo-udp \(environment \d+\): ended by force")
    machine.wait_for("echo-udp: ready: UDP port 7", count=2)
    first = re.search(r"frames (\d+) to (\d+): owned", shell.ask("frames echo-udp"))
    expect(shell.ask(f"revoke {first.group(1)} 1"), rf"keys to frames {first.group(1)} to")
    expect(shell.ask("take 2 echo-udp"), r"environment \d+ has a second to give 2 frames back")
    expect(shell.ask("kill monitor; ignored"), "no environment 'monitor;' lives")
    machine.send("kill monitor\r")
    machine.wait_for("this is the monitor", count=2)
    machine.send("kill init really\r")
    assert machine.wait_exit(15) == 121


def main():
    report = Report()
    with Machine(payload=paths.payload("monitor"), nics=[Nic(user_net())], smp=2,
                 append="ip=10.0.2.15/24,10.0.2.2", limit=120) as machine:
        machine.wait_for("this is the monitor")
        machine.wait_for("monitor: 3 of 3 environments started")
        shell = Shell(machine)
        for keys, patterns in ANSWERS.items():
            with report.test(f"answers {ascii(keys[:40])}"):
                expect(shell.ask(keys), *patterns)
        with report.test("kills, revokes, and is killed"):
            check_kill(shell)
    report.exit()


main()
