# SPDX-License-Identifier: BSD-2-Clause
"""Counting a guest's instructions with the TCG plugin (ci/plugin)."""
import collections
import os
import re
import socket
import subprocess

from . import paths

Count = collections.namedtuple("Count", "total kernel user repeats first_user empty empty_polls")


def plugin(newer=False):
    """The plugin, built where it is missing or older than its source; for harness/newer's QEMU, or the installed one."""
    source = os.path.join(paths.TOP, "ci", "plugin", "count.c")
    target = os.path.join(paths.BUILD, "bench", "count-newer.so" if newer else "count.so")
    if os.path.exists(target) and os.path.getmtime(target) > os.path.getmtime(source):
        return target
    os.makedirs(os.path.dirname(target), exist_ok=True)
    header = subprocess.run([os.path.join(paths.TOP, "ci", "fetch"), "source", "qemu",
                             "include/qemu/qemu-plugin.h"], check=True, capture_output=True,
                            text=True).stdout.strip()
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE",
                    "-fPIC", "-shared", *["-DCOUNT_QEMU_10"] * newer, "-I", os.path.join(header, "include", "qemu"), source,
                    "-o", target, "-pthread"], check=True)
    return target


def argument(path, start, turn=0, *work, newer=False):
    """QEMU's -plugin argument: count from the instruction at `start` on, answer at the socket; count
    apart what lies between two times at `turn` without one of `work`."""
    return f"{plugin(newer)},socket={path},start={start:#x}" + f",turn={turn:#x}" * (turn != 0) + \
        "".join(f",work={place:#x}" for place in work)


def sluice_places():
    """argument()'s places: the kernel's start, its poll, and what makes one no empty poll: an environment
    runs, or goes on, or a ring is sent from."""
    known = starts(paths.KERNEL)
    return [known[name] for name in ("boot_start", "net_poll", "machine_run", "machine_leaf_end", "ring_transmit")]


def answering_places():
    """The same for machines whose kernel answers by itself: a frame that comes is no empty poll, either."""
    known = starts(paths.KERNEL)
    return sluice_places() + [known[name] for name in GOT]


Mark = collections.namedtuple("Mark", "id kernel user repeats switches exits")


def marks(path):
    """What the counts were at each mark that the guest has made, in order."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(30)
        client.connect(path)
        return [Mark(*map(int, line.split()[1:])) for line in client.makefile()
                if line.startswith("mark ")]


# Where frames have come (several, or a lone one), and are sent.
GOT, SENT = ("net_poll_queue", "net_poll.lone"), "dpdk_virtio_send"

Span = collections.namedtuple("Span", "total repeats apart switches")


def symbols(image):
    """Functions of an image: {name: (start, end)}."""
    listing = subprocess.run(["nm", "-S", image], check=True, capture_output=True, text=True).stdout
    words = [line.split() for line in listing.splitlines()]
    # A compiler that knows an argument's value says so in the name (.constprop.0).
    return {re.sub(r"\.(constprop|isra)\.\d+$", "", w[3]): (int(w[0], 16), int(w[0], 16) + int(w[1], 16))
            for w in words if len(w) == 4 and w[2] in "tT"}


def all_starts(image):
    """Where an image's functions begin, those of assembly included: [(start, name)], ascending."""
    listing = subprocess.run(["nm", image], check=True, capture_output=True, text=True).stdout
    words = [line.split() for line in listing.splitlines()]
    return sorted((int(w[0], 16), w[2]) for w in words if len(w) == 3 and w[1] in "tTwW")


def starts(image):
    """The same by name, of which there may be several: {name: start}."""
    return {name: start for start, name in all_starts(image)}


def functions(path):
    """What was executed so far, by functions: {start: (count, repeats, entries)}."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(30)
        client.connect(path)
        words = [line.split() for line in client.makefile() if line.startswith("function ")]
        return {int(w[1], 16): tuple(map(int, w[2:])) for w in words}


def span_options(image, driver, file):
    """What to append to argument() so that spans are counted; `driver`: a function that says of a
    symbol whether it counts apart; `file`: where the ranges are written."""
    known = symbols(image)
    with open(file, "w", encoding="utf-8") as out:
        out.writelines(f"{start:x} {end:x}\n" for name, (start, end) in known.items()
                       if driver(name))
    poll, places = known["net_poll"], starts(image)
    return (f",poll={poll[0]:x}-{poll[1]:x}" + "".join(f",got={places[name]:x}" for name in GOT) +
            f",sent={known[SENT][0]:x},apart={file}")


def spans(path):
    """The packets that were answered so far, in order."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(30)
        client.connect(path)
        return [Span(*map(int, line.split()[1:])) for line in client.makefile()
                if line.startswith("span ")]


def ask(path):
    """What the running machine's plugin has counted so far."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(10)
        client.connect(path)
        return Count(*map(int, client.makefile().readline().split()))
