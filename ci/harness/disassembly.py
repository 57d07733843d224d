# SPDX-License-Identifier: BSD-2-Clause
"""What objdump says of machine code, function by function."""
import re
import subprocess

_FUNCTION = re.compile(r"^([0-9a-f]+) <(.*)>:$")
_JUMP = re.compile(r"\t(call|j[a-z]+) +([0-9a-f]+) <([^>]*)>")


def output(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def functions(path):
    """(address, name, lines of instructions) of each; addresses as objdump writes them."""
    head, lines = None, []
    for line in output("objdump", "-d", "--no-show-raw-insn", path).splitlines():
        if found := _FUNCTION.match(line):
            if head:
                yield head[1], head[2], lines
            head, lines = found, []
        else:
            lines.append(line)
    if head:
        yield head[1], head[2], lines


def jump(line):
    """(call or the jump's name, address, name) of what an instruction names as its target; none: None."""
    found = _JUMP.search(line)
    return found and (found[1], found[2], found[3])
