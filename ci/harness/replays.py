# SPDX-License-Identifier: BSD-2-Clause
"""Replays of captures with many overlapping expressions, judged by boot/run replay."""
import json
import os
import subprocess

from . import paths

EXPRESSIONS = {
    "web": "tcp port 80", "tls": "tcp port 443", "dns": "udp port 53", "tcp": "tcp", "udp": "udp",
    "ip": "ip", "ip6": "ip6", "arp": "arp", "vlan": "vlan", "icmp": "icmp or icmp6",
    "large": "greater 1000", "flags": "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "fragment": "ip[6:2] & 0x3fff != 0", "high": "portrange 1024-65535",
    "private": "net 10.0.0.0/8 or net 192.168.0.0/16", "computed": "ip[2:2] - 20 > 200",
    "all": "",
}


def default_folder():
    """Where captures may lie: $SLUICE_TRACES, or beside the tree."""
    return os.environ.get("SLUICE_TRACES", os.path.join(paths.TOP, "..", "shared", "pcaps"))


def captures(names):
    """The captures that the names mean: files, or what a folder's index.tsv lists, or all in it."""
    found = []
    for path in names:
        index = os.path.join(path, "index.tsv")
        if os.path.isfile(path):
            found.append(path)
        elif os.path.isfile(index):
            with open(index, encoding="utf-8") as file:
                found += [os.path.join(path, line.split("\t")[0]) for line in file][1:]
        elif os.path.isdir(path):
            found += [os.path.join(path, name) for name in sorted(os.listdir(path))
                      if name.endswith((".pcap", ".pcapng"))]
    return found


def sample(files, n):
    """N of the files, spread over all by size."""
    if not n or n >= len(files):
        return files
    by_size = sorted(files, key=os.path.getsize)
    return [by_size[i * (len(by_size) - 1) // n] for i in range(n)]


def run(path, nic="virtio", expressions=None, more=()):
    """boot/run replay: returns (exit status, report or None, last line of what it complained)."""
    command = [os.path.join(paths.TOP, "boot", "run"), "replay", path, "--json", "--nic", nic,
               "--seconds", "400", *more]
    for name, expression in (expressions or EXPRESSIONS).items():
        command += ["--bind", f"{name}={expression}"]
    result = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    try:
        report = json.loads(result.stdout)
    except ValueError:
        report = None
    return result.returncode, report, (result.stderr.strip().splitlines() or [""])[-1]


def judge(path, nic="virtio", more=()):
    """Replays a capture: returns (passed, a line of text about it)."""
    status, report, complaint = run(path, nic, more=more)
    if report is None:
        return False, complaint or f"status {status} and no report"
    if status == 0 and report["agree"]:
        return True, summary(report)
    return False, "; ".join((list(differences(report)) or [f"status {status}"])[:4])


def summary(report):
    matched = sum(binding["matched"]["packets"] for binding in report["bindings"])
    text = f"{report['sent']} of {report['frames']} frames, {matched} matches, " \
           f"{report['port']['unmatched']} unmatched, {report['packets_per_second']:.0f} packets/s"
    return text + "".join(f", {entry['frames']} {cause.replace('_', ' ')}"
                          for cause, entry in report["left_out"].items() if entry["frames"])


def differences(report):
    for binding in report["bindings"]:
        if not binding["reported"] or binding["error"]:
            yield f"{binding['name']}: {binding['error'] or 'did not report'}"
        for got, wanted in (("matched", "libpcap"), ("delivered", "order")):
            if binding[got] != binding[wanted]:
                yield f"{binding['name']} {got} {binding[got]}, {wanted} says {binding[wanted]}"
    if report["settled"] != report["sent"]:
        yield f"{report['sent'] - report['settled']} frames never settled"
    if report["damaged"]:
        yield f"damaged {report['note']}"
