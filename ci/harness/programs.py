# SPDX-License-Identifier: BSD-2-Clause
"""Linux programs as environments, for tests: entries of a manifest, its payload, what they print.

    payload = build(folder, [environment("sh", "busybox", ["sh", "-c", "echo hello"], flow=FLOW)])
    with Machine(payload=payload, ...) as machine:
        ...
        said(machine, "sh")
"""
import os
import shutil
import subprocess

from . import paths


def quote(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def environment(name, program, arguments, content=(), frames=16384, flow=""):
    """An entry of `environments`; `flow`: its one flow space, as the manifest writes it."""
    members = ", ".join(f'{{ name = "{name}"; file = "{name}"; }}' for name in content)
    files = f"content = ( {members} ); " if content else ""
    return (f'{{ name = "{name}"; image = "linux-net"; program = "{program}"; frames = {frames}; {files}'
            f'may = [ "console", "environments" ]; arguments = [ {", ".join(map(quote, arguments))} ];'
            f' flows = ( {flow} ); }}')


def build(folder, entries, include=()):
    """Makes the payload. `include`: further folders, below the build or absolute, where files lie."""
    return build_text(folder, 'name = "programs";\nenvironments = (\n' + ",\n".join(entries) + "\n);\n", include)


def build_text(folder, text, include=()):
    """The same of a whole manifest."""
    conf, payload = os.path.join(folder, "programs.conf"), os.path.join(folder, "programs.cpio")
    with open(conf, "w", encoding="utf-8") as file:
        file.write(text)
    words = [os.path.join(paths.BUILD, "boot", "mkappliance")]
    for path in ["libos-tcp/sockets", "appliances/init", *include, os.path.dirname(shutil.which("busybox"))]:
        words += ["-I", os.path.join(paths.BUILD, path)]
    subprocess.run(words + ["-o", payload, conf], check=True)
    return payload


def said(machine, name):
    """What an environment printed, without the library OS's own lines."""
    lines = [line.split(": ", 1)[1] for line in machine.console().splitlines() if f"] {name}: " in line]
    return [line for line in lines if not line.startswith("linux: ")]


def talk(ns, address, port, text):
    """What comes back from a TCP service for `text`, until it closes. It may begin to listen just now."""
    program = ("import socket,sys,time\n"
               "for i in range(20):\n    try:\n"
               f"        s = socket.create_connection(('{address}', {port}), 10)\n        break\n"
               "    except ConnectionRefusedError:\n        time.sleep(0.5)\n"
               f"s.sendall({text!r}); s.settimeout(15)\n"
               "s.shutdown(1); got = b''\n"
               "while True:\n    part = s.recv(65536)\n    if not part: break\n    got += part\n"
               "sys.stdout.buffer.write(got)\n")
    return ns.run("python3", "-c", program, check=False).stdout
