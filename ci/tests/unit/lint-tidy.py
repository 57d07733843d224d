#!/usr/bin/env python3
# timeout: 900
"""Every C source of the tree that the build compiles is clean under clang-tidy (.clang-tidy).

Results are kept under build/tidy by the digest of the source and of all that it includes, so that only what
changed is judged again."""
import concurrent.futures
import functools
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(TOP, "build"))
CACHE = os.path.join(BUILD, "tidy")
# gcc's own flags that clang knows not, or knows under another name.
GCC_ONLY = ("-specs=", "-fno-tree-", "-fconserve-stack", "-Werror", "-W", "-M", "-fcf-protection",
            "-falign-", "-fno-ipa-", "-mindirect-branch", "-mno-stv", "-fno-delete-null")
MUSL = ["-nostdinc", "-isystem", "/usr/include/x86_64-linux-musl"]


def translated(command):
    """The compiler's arguments without output, warnings and what clang lacks."""
    words = shlex.split(command)
    words = words[2:] if os.path.basename(words[0]) == "ccache" else words[1:]
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ", "-MT"):
            skip = True
        elif word == "-ffreestanding":
            kept.append("-fno-builtin")  # clang's own limits.h lacks PATH_MAX without a host
        elif word == "-c" or word.startswith(GCC_ONLY):
            kept += MUSL if "musl-gcc.specs" in word else []
        else:
            kept.append(word)
    return kept


def dependencies():
    """What each object was compiled from, as the compiler told ninja: {object: [path]}, paths from the build."""
    listing = subprocess.run(["ninja", "-C", BUILD, "-t", "deps"], stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, check=True).stdout
    found, target = {}, None
    for line in listing.splitlines():
        if line.startswith(" "):
            found[target].append(line.strip())
        elif ": #deps " in line:
            target = line.partition(": #deps ")[0]
            found[target] = []
    return found


@functools.lru_cache(maxsize=None)
def content(path):
    with open(os.path.join(BUILD, path), "rb") as file:
        return hashlib.sha256(file.read()).digest()


def digest(arguments, parts):
    """Of the text of all its parts, the arguments, the rules and the tool; None where ninja does not know the parts."""
    if not parts:
        return None
    whole = hashlib.sha256("\0".join(arguments).encode() + content(os.path.join(TOP, ".clang-tidy")) +
                           content(os.path.realpath(shutil.which("clang-tidy"))))
    for path in parts:
        whole.update(path.encode() + content(path))
    return whole.hexdigest()


def concerns_us(complaints):
    """Whether one is about a file of the tree: what the build made or fetched is others' code."""
    places = re.findall(r"^(\S+?):\d+:\d+: (?:error|warning):", complaints, re.M)
    if not places:
        return True
    return any(not os.path.normpath(os.path.join(BUILD, place)).startswith(BUILD + os.sep)
               for place in places)


def judge(entry, parts):
    """Returns (name, complaints)."""
    path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
    name = os.path.relpath(path, TOP)
    arguments = translated(entry["command"])
    key = digest(arguments, parts)
    mark = os.path.join(CACHE, key) if key else None
    if mark and os.path.exists(mark):
        return name, ""
    result = subprocess.run(["clang-tidy", "--quiet", path, "--", *arguments, "-w"],
                            cwd=entry["directory"], stdin=subprocess.DEVNULL,
                            capture_output=True, text=True)
    if result.returncode and concerns_us(result.stdout):
        return name, result.stdout + result.stderr
    if mark:
        open(mark, "w", encoding="utf-8").close()
    return name, ""


def entries():
    """One compilation of each of the tree's own sources, generated files left out."""
    tracked = set(subprocess.run(["git", "ls-files", "*.c"], cwd=TOP, check=True,
                                 capture_output=True, text=True).stdout.splitlines())
    with open(os.path.join(BUILD, "compile_commands.json"), encoding="utf-8") as file:
        commands = json.load(file)
    chosen = {}
    for entry in commands:
        path = os.path.normpath(os.path.join(entry["directory"], entry["file"]))
        name = os.path.relpath(path, TOP)
        if name in tracked:
            chosen.setdefault(name, entry)
    return list(chosen.values())


def main():
    os.makedirs(CACHE, exist_ok=True)
    work = entries()
    if not work:
        print("the build compiles no source of the tree")
        return 1
    bad, parts = 0, dependencies()
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, complaints in pool.map(lambda entry: judge(entry, parts.get(entry["output"])), work):
            if complaints:
                bad += 1
                print(f"{complaints.rstrip()}\nFAIL {name}: clang-tidy complains")
    print(f"{len(work)} sources judged, {bad} with complaints")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
