# SPDX-License-Identifier: BSD-2-Clause
"""Fights: fifty environments that fight over frames and slots, crash, are ended and revoked, for a while, on two
cores; beside them the echo appliance must answer every ping, and afterwards the ledger must balance."""
import os
import re
import subprocess
import tempfile

from . import paths
from .machine import Machine, Nic, tap
from .netns import Namespace

ADDRESSES = ["10.51.0.2", "10.51.0.3"]
ARENA = """  {{
    name = "arena";
    image = "arena";
    arguments = [ "{seconds}" ];
    frames = 14000;
    slots = 2;
    core = 1;
    may = [ "console", "environments", "control" ];
    content = ( "fighter" );
  }},
"""


def payload(folder, seconds):
    """The echo appliance with an arena in front."""
    with open(os.path.join(paths.TOP, "appliances", "echo", "echo.conf"), encoding="utf-8") as file:
        text = file.read()
    text = text.replace("environments = (\n", "environments = (\n" + ARENA.format(seconds=seconds), 1)
    manifest, archive = os.path.join(folder, "fight.conf"), os.path.join(folder, "fight.cpio")
    with open(manifest, "w", encoding="utf-8") as file:
        file.write(text)
    folders = [word for part in ("tests", "init", "echo")
               for word in ("-I", os.path.join(paths.BUILD, "appliances", part))]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), *folders, "-o", archive,
                    manifest], check=True)
    return archive


def check_pings(address, text, wanted):
    """Every request up to the last that was answered had its answer. What ping says of loss is no help: it counts those
    that are on their way when it ends."""
    answered = {int(number) for number in re.findall(r"icmp_seq=(\d+) ttl", text)}
    missing = sorted(set(range(1, max(answered, default=0))) - answered)
    if missing or len(answered) < wanted:
        raise AssertionError(f"{address} answered {len(answered)} of {wanted} pings; not {missing[:9]}: {text[-300:]}")
    return len(answered)


def fight(seconds):
    """Runs one; returns the line that says what was."""
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace(taps=1) as net, \
            Machine(payload=payload(folder, seconds), append=" ".join(f"ip={a}/24" for a in ADDRESSES),
                    nics=[Nic(tap("tap0"))], smp=2, memory="160M", within=net,
                    limit=seconds + 180) as machine:
        machine.wait_for("echo-lwip: ready", 60)
        machine.wait_for("the fight begins", 60)
        # With a deadline it ends as soon as so many were answered.
        pings = [net.popen("ping", "-n", "-i", "0.5", "-c", str(seconds * 2), "-w", str(seconds + 60), address,
                           stdout=subprocess.PIPE, text=True) for address in ADDRESSES]
        machine.wait_for("the ledger is", seconds + 120)
        said = [ping.communicate(timeout=90)[0] for ping in pings]
        if not machine.has("arena: the ledger is balanced"):
            raise AssertionError(machine.wait_for("the ledger is.*").group(0))
        answers = sum(check_pings(address, text, seconds * 2) for address, text in zip(ADDRESSES, said))
        return machine.wait_for(r"\d+ fighters: .*").group(0) + f"; {answers} pings answered"
