#!/usr/bin/env python3
"""Rules that the tree keeps: length of files, licence line, includes without cycles and along the
arrows between folders, no marks of unfinished work, a README in each folder that builds something, tests
and fuzzers that are built, test scripts that ci/test runs."""
import os
import re
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
LINES_MAX = 700
SOURCES = (".c", ".h", ".S")
SCRIPTS = (".py", ".sh")
# Written in two parts, so that this file does not find itself.
MARKS = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK",
                                      "place" + "holder"]) + r")\b")
# Folder → what its sources may include by "…" or <…> from the tree (its own folder always).
ARROWS = {
    "filters": [],
    "exo/include": ["filters/include"],
    "exo/core": ["exo/include", "filters", "filters/include"],
    "libos-udp": ["exo/include", "exo/lib", "filters/include"],
    "libos-tcp": ["exo/include", "exo/lib", "filters/include", "libos-udp"],
}


def tracked():
    names = subprocess.run(["git", "ls-files"], cwd=TOP, check=True, capture_output=True,
                           text=True).stdout.splitlines()
    return [name for name in names if os.path.isfile(os.path.join(TOP, name))]


def text_of(name):
    with open(os.path.join(TOP, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def is_source(name):
    return name.endswith(SOURCES)


def is_script(name):
    return name.endswith(SCRIPTS) or (os.access(os.path.join(TOP, name), os.X_OK)
                                      and text_of(name).startswith("#!"))


def check_lengths(names):
    for name in names:
        if is_source(name) or is_script(name):
            lines = text_of(name).count("\n")
            if lines > LINES_MAX:
                yield f"{name}: {lines} lines, more than {LINES_MAX}: has it one job?"


def check_licence(names):
    for name in names:
        if is_source(name) and "SPDX-License-Identifier: BSD-2-Clause" not in text_of(name)[:200]:
            yield f"{name}: no SPDX-License-Identifier: BSD-2-Clause at its head"


def check_marks(names):
    for name in names:
        if is_source(name) or is_script(name) or name.endswith((".build", ".md")):
            for number, line in enumerate(text_of(name).splitlines(), 1):
                if MARKS.search(line):
                    yield f"{name}:{number}: a mark of unfinished work: {line.strip()[:60]}"


def include_graph(names):
    """Maps each source to the tree's files that it includes, where the name says which one."""
    known = set(names)
    by_suffix = {}
    for name in names:
        if name.endswith(".h"):
            parts = name.split("/")
            for i in range(len(parts)):
                by_suffix.setdefault("/".join(parts[i:]), []).append(name)
    graph = {}
    for name in filter(is_source, names):
        graph[name] = []
        for mark, included in re.findall(r'^\s*#\s*include\s*(["<])([^">]+)[">]',
                                         text_of(name), re.M):
            beside = os.path.normpath(os.path.join(os.path.dirname(name), included))
            candidates = [beside] if mark == '"' and beside in known else []
            # <string.h> is the C library's, <exo/cap.h> the tree's.
            if not candidates and (mark == '"' or "/" in included):
                candidates = by_suffix.get(included, [])
            if len(candidates) == 1:
                graph[name].append(candidates[0])
    return graph


def check_cycles(graph):
    state = {}

    def visit(name, path):
        state[name] = "open"
        for target in graph.get(name, []):
            if state.get(target) == "open":
                yield "include cycle: " + " → ".join(path[path.index(target):] + [target])
            elif target not in state:
                yield from visit(target, path + [target])
        state[name] = "done"

    for name in sorted(graph):
        if name not in state:
            yield from visit(name, [name])


def check_arrows(graph):
    for name, targets in graph.items():
        if "/tests/" in name or "/fuzz/" in name or "/bench/" in name:
            continue
        for folder, allowed in ARROWS.items():
            if not name.startswith(folder + "/"):
                continue
            for target in targets:
                if not any(target.startswith(other + "/") for other in [folder] + allowed):
                    yield f"{name}: includes {target}: {folder} must not know it"


def check_readmes(names):
    for name in names:
        folder = os.path.dirname(name)
        if os.path.basename(folder) in ("tests", "fuzz", "bench"):
            continue  # their parent's map names them
        if os.path.basename(name) == "meson.build" and folder:
            if not os.path.exists(os.path.join(TOP, folder, "README.md")):
                yield f"{folder}: no README.md (its map, what to read first)"


def check_built(names):
    """A test's or fuzzer's source is named as a file, or in its folder's list by the last part of its name."""
    words = {os.path.dirname(name): re.findall(r"'([^'\n]*)'", text_of(name))
             for name in names if os.path.basename(name) == "meson.build"}
    files = {os.path.basename(word) for some in words.values() for word in some if word.endswith(".c")}
    for name in names:
        folder, file = os.path.split(name)
        if os.path.basename(folder) not in ("tests", "fuzz") or not file.endswith(".c") or file in files:
            continue
        parts = file[:-2].split("_")
        near = set(words.get(folder, []) + words.get(os.path.dirname(folder), []))
        if not near & {"_".join(parts[i:]) for i in range(len(parts))}:
            yield f"{name}: no meson.build names it"


def check_runnable(names):
    for name in names:
        if name.startswith("ci/tests/") and not os.access(os.path.join(TOP, name), os.X_OK):
            yield f"{name}: not executable, so that ci/test leaves it out"


def main():
    names = tracked()
    graph = include_graph(names)
    failed = False
    for title, problems in (("file lengths", check_lengths(names)),
                            ("licence lines", check_licence(names)),
                            ("marks", check_marks(names)),
                            ("include cycles", check_cycles(graph)),
                            ("include arrows", check_arrows(graph)),
                            ("a README in each folder", check_readmes(names)),
                            ("tests and fuzzers that are built", check_built(names)),
                            ("test scripts", check_runnable(names))):
        found = list(problems)
        for problem in found:
            print("    " + problem)
        print(f"FAIL {title}: {len(found)} found, first {found[0]}" if found else f"ok {title}")
        failed |= bool(found)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
