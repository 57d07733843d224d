#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 150
"""ELF cores: environments that fault leave files that gdb opens, with registers, backtrace and memory; and what they
had comes back."""
import os
import re
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine, Nic, stream, user_net  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402
import channel  # noqa: E402

MISDEED = os.path.join(paths.BUILD, "appliances", "tests", "misdeed")
DEEDS = ["divide", "read-kernel", "jump-null", "stack-overflow", "execute-data"]
ENV = """{{ name = "{0}"; image = "misdeed"; arguments = [ "{0}" ]; frames = 128; may = [ "console" ]; }}"""
KEY = "00112233445566778899aabbccddeeff"


def payload(folder):
    path = os.path.join(folder, "cores")
    with open(path + ".conf", "w", encoding="utf-8") as file:
        file.write('name = "cores";\npower_off = true;\nenvironments = (\n'
                   + ",\n".join(map(ENV.format, DEEDS)) + " );\n")
    images = [os.path.join(paths.BUILD, "appliances", part) for part in ("tests", "init")]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), "-I", images[0], "-I",
                    images[1], "-o", path + ".cpio", path + ".conf"], check=True)
    return path + ".cpio"


def gdb(core, *commands):
    words = ["gdb", "-batch", "-nx"]
    for command in commands:
        words += ["-ex", command]
    return subprocess.run([*words, MISDEED, core], capture_output=True, text=True, timeout=40).stdout


def check(report, folder, console):
    cores = {name.split(".")[0]: os.path.join(folder, name) for name in os.listdir(folder)}
    for deed in DEEDS:
        with report.test(f"{deed}: gdb opens its core"):
            said = gdb(cores[deed], "bt 4", "info registers rip", "x/2gx $rsp & ~0xfff", "x/1i $rip",
                       "x/2wx 0x7e8000400000")
            ip = re.search(rf"init: {deed} .* ip (0x[0-9a-f]+)", console).group(1)
            assert re.search(rf"rip +{ip}\b", said), said
            assert "exo_main" in said or deed in ("stack-overflow", "jump-null"), said
            # The start page begins with its magic.
            assert "0x54525453" in said, said
    with report.test("the console has the functions' names"):
        assert re.search(r"divide: #0 0x[0-9a-f]+ deed_divide\+0x", console)
        assert re.search(r"divide: #1 0x[0-9a-f]+ exo_runtime_start\+0x", console)
        assert re.search(r"jump-null: #0 0x0 \?", console)
    with report.test("divide: the signal, and the name of the deed"):
        said = gdb(cores["divide"], "bt")
        assert "SIGFPE" in said and "deed_divide" in said, said


def main():
    if not shutil.which("gdb"):
        skip_all("needs gdb")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        path, cores = os.path.join(folder, "channel"), os.path.join(folder, "cores.d")
        receiver = channel.Receiver(path, KEY, cores, say=lambda text: None)
        with Machine(payload=payload(folder), nics=[Nic(user_net()), Nic(stream(path))],
                     append=f"channel={KEY} cores=1", limit=100) as machine:
            with report.test("all cores come, and everything that the dead had comes back"):
                machine.wait_for(r"init: \S+: its core is", 80, count=len(DEEDS))
                found = machine.wait_for(r"ended; (\d+) frames are free, (\d+) were before", 30)
                assert found.group(1) == found.group(2), found.group(0)
                machine.wait_exit(20)
            console = machine.console()
        receiver.close()
        check(report, cores, console)
    report.exit()


main()
