#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 600
"""Ordinary XDP sources compile, verify and decide alike, whatever the compiler, the version of the
instruction set and the optimisation, as machine code and interpreted."""
import glob
import os
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(TOP, "build"))
FLT = os.path.join(BUILD, "filters", "tool", "flt")
SOURCES = os.path.join(TOP, "filters", "tests", "xdp")
CAPTURES = os.environ.get("SLUICE_TRACES", os.path.join(TOP, "..", "shared", "pcaps"))
WAYS = [("clang-14", "v2", "-O2"), ("clang-14", "v3", "-O2"), ("clang-19", "v2", "-O1"),
        ("clang-19", "v3", "-O2"), ("clang-19", "v4", "-O2"), ("clang-19", "v4", "-O1")]
# This compiler leaves a register undefined on one path there; Linux refuses it, too.
BROKEN = {("dns", "clang-19", "-O1")}
# What these decide depends on the time.
TIMED = {"limit", "bridge"}


def compile_source(source, way, folder):
    compiler, version, level = way
    name = os.path.basename(source)[:-2]
    target = os.path.join(folder, f"{name}-{compiler}-{version}{level}.o")
    subprocess.run([compiler, "-target", "bpf", f"-mcpu={version}", "-g", level, "-Wall", "-Werror",
                    "-I/usr/include/x86_64-linux-gnu", "-c", source, "-o", target], check=True)
    return target


def flt(*arguments):
    return subprocess.run([FLT, *arguments], capture_output=True, text=True, timeout=120,
                          check=False)


def verdicts(target, program, capture):
    """What the program decides, twice: the same, or None."""
    runs = [flt("run", *options, "--program", program, target, capture)
            for options in ((), ("--interpret",))]
    if any(run.returncode for run in runs) or runs[0].stdout != runs[1].stdout:
        return None
    return runs[0].stdout


def try_source(source, captures, folder):
    name = os.path.basename(source)[:-2]
    seen, problems = {}, []
    for way in WAYS:
        if (name, way[0], way[2]) in BROKEN:
            continue
        target = compile_source(source, way, folder)
        verified = flt("verify", target)
        if verified.returncode:
            problems.append(f"{' '.join(way)}: {verified.stderr or verified.stdout}")
            continue
        for line in verified.stdout.splitlines():
            program = line.split(":")[0]
            for capture in captures:
                result = verdicts(target, program, capture)
                if result is None and name not in TIMED:
                    problems.append(f"{' '.join(way)}: {program}: machine code and interpreter "
                                    f"differ on {capture}")
                first = seen.setdefault((program, capture), result)
                if first != result and name not in TIMED:
                    problems.append(f"{' '.join(way)}: {program}: decides otherwise on {capture}")
    return problems


def main():
    missing = [c for c in ("clang-14", "clang-19") if not shutil.which(c)]
    if missing or not os.path.exists("/usr/include/bpf/bpf_helpers.h"):
        sys.exit(f"missing: {' '.join(missing) or 'libbpf-dev'} (ci/setup)")
    captures = [os.path.join(CAPTURES, f"ndpi-{n}.pcap") for n in ("dns", "bittorrent")]
    captures = [c for c in captures if os.path.exists(c)]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        for source in sorted(glob.glob(os.path.join(SOURCES, "*.c"))):
            problems = try_source(source, captures, folder)
            failed += bool(problems)
            name = f"xdp-source-{os.path.basename(source)[:-2]}"
            print(f"FAIL {name}: {problems[0].strip()}" if problems else f"ok {name}", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
