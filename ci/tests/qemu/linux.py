#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 200
"""Foreign programs: Debian's busybox-static and a static glibc program run unmodified as environments; what they print
is what they print on Linux; everything comes back to the ledger.
"""
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness import paths  # noqa: E402
from harness.machine import Machine  # noqa: E402
from harness.report import Report  # noqa: E402

# Scripts for `sh -c`. Each runs here and there, and must say the same.
SCRIPTS = {
    "pipelines": "echo a | tr a b; seq 10 | wc -l; seq 100 | sort -rn | head -3 | tail -1",
    "subshells": "(exit 3); echo $?; x=$(echo inner); echo outer $x; false || echo or; ! true; echo $?",
    "files": "mkdir /tmp/sluice-d && cd /tmp/sluice-d && echo one >f && echo two >>f && cat f && mv f g && ls"
             " && wc -c g && ln -s g h && cat h && rm g h && cd / && rmdir /tmp/sluice-d && echo gone",
    "background": "sleep 0.2 & p=$!; wait $p; echo waited $?; (sleep 5 & kill $!; wait $!; echo killed $?) 2>/dev/null",
    "broken pipe": "yes | head -2; echo after",
    "loops": "i=0; while [ $i -lt 20 ]; do i=$((i+1)); echo $i; done | awk '{s+=$1} END {print s}'",
    "texts": "printf '%s\\n' x y z | sed 's/y/Y/' | grep -v x | tr a-z A-Z; echo hello | md5sum",
    "exec": "exec busybox echo replaced",
    "scripts": "printf '#! %s  sh\\necho $0 $# $*\\nexit 5\\n' $(readlink /proc/self/exe) >/tmp/sluice-s"
               "; chmod +x /tmp/sluice-s; /tmp/sluice-s one two; echo $?; rm /tmp/sluice-s",
    "trap": "trap 'echo caught' USR1; kill -USR1 $$; echo on; trap 'echo bye' EXIT; exit 0",
    "not there": "nosuchcommand 2>/dev/null; echo $?; cat /nosuchfile 2>/dev/null; echo $?",
}
FOREIGN = ["mmap", "a file in memory", "threads, mutexes, thread-local data", "condition variables",
           "threads that never wait get their turns", "a handler, and vector registers behind it",
           "a fault's handler", "a pipe", "fork, wait, SIGCHLD", "memory is copied when it is written",
           "a child's fault", "turns of two processes", "wild pointers are refused", "calls with wild arguments"]


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment(name, program, arguments, may='"console", "environments"', frames=16384):
    return (f'  {{ name = "{name}"; image = "linux"; program = "{program}"; frames = {frames};'
            f' may = [ {may} ]; arguments = [ {", ".join(map(quote, arguments))} ]; }}')


def build(folder, environments):
    conf, payload = os.path.join(folder, "linux.conf"), os.path.join(folder, "linux.cpio")
    with open(conf, "w", encoding="utf-8") as file:
        file.write('name = "linux";\npower_off = true;\nenvironments = (\n' + ",\n".join(environments) + "\n);\n")
    images = ["exo/lib", "appliances/init", "appliances/tests"]
    words = [os.path.join(paths.BUILD, "boot", "mkappliance"), "-I", os.path.dirname(shutil.which("busybox"))]
    for image in images:
        words += ["-I", os.path.join(paths.BUILD, image)]
    subprocess.run(words + ["-o", payload, conf], check=True)
    return payload


def said(machine, name):
    """What an environment printed, without the library OS's own lines."""
    lines = [line.split(": ", 1)[1] for line in machine.console().splitlines()
             if f"] {name}: " in line]
    return [line for line in lines if not line.startswith("linux: ")]


def end(machine, report, name):
    with report.test(f"{name} ends, and leaves nothing"):
        line = machine.wait_for(rf"init: {name} \(environment \d+\): ", 60).string
        assert "exit, status 0" in line and "; 0 frames," in line, line


def check_scripts(report, folder, smp):
    where = f"{smp} core{'s' if smp > 1 else ''}"
    names = {f"script-{i}": script for i, script in enumerate(SCRIPTS.values())}
    payload = build(folder, [environment(name, "busybox", ["sh", "-c", script], frames=4096)
                             for name, script in names.items()])
    with Machine(payload=payload, smp=smp, memory="512M", limit=120) as machine:
        with report.test(f"busybox, {where}: the machine goes off"):
            machine.wait_exit(100)
        for name, (what, script) in zip(names, SCRIPTS.items()):
            with report.test(f"busybox, {where}: {what}"):
                here = subprocess.run(["busybox", "sh", "-c", script], capture_output=True, text=True, check=False)
                there = said(machine, name)
                assert there == here.stdout.splitlines(), there
        with report.test(f"busybox, {where}: every frame came back"):
            line = machine.wait_for(r"(\d+) frames are free, (\d+) were before", 1)
            assert line[1] == line[2], line.string


def check_glibc(report, folder):
    payload = build(folder, [environment("fixed", "foreign", ["second"]), environment("pie", "foreign-pie", ["second"]),
                             environment("alone", "busybox", ["echo", "no", "processes"], '"console"', 1024)])
    with Machine(payload=payload, memory="512M", limit=120) as machine:
        for name in ("fixed", "pie"):
            end(machine, report, name)
            with report.test(f"glibc, {name}: arguments, locale, printf"):
                assert "foreign: 2 arguments, the second is second, locale C, 3.142, No such file or directory" \
                    in said(machine, name)
            for what in FOREIGN:
                with report.test(f"glibc, {name}: {what}"):
                    assert f"foreign: {what}: works" in said(machine, name), said(machine, name)
        end(machine, report, "alone")


def check_typing(report, folder):
    script = "echo ready; read x; echo got $x; cat | tr a-z A-Z; echo end"
    payload = build(folder, [environment("typing", "busybox", ["sh", "-c", script],
                                         '"console", "input", "environments"', 4096)])
    with Machine(payload=payload, limit=60) as machine, \
            report.test("what is typed reaches whoever reads, up to the end of file"):
        machine.wait_for("typing: ready")
        machine.send("hello there\nfirst\nsecx\bond\n\x04")
        machine.wait_for("typing: end")
        assert said(machine, "typing") == ["ready", "got hello there", "FIRST", "SECOND", "end"], said(machine, "typing")


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        check_scripts(report, folder, 1)
        check_scripts(report, folder, 2)
        check_glibc(report, folder)
        check_typing(report, folder)
    report.exit()


main()
