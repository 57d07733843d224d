#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Finds where the library and Linux behave differently: makes up courses of calls and packets, runs each against both (Linux
behind a TUN device: root), and tells where what left, when, and what calls returned are not the same.

    compare.py LIBRARY SEED…             prints the differing courses' first differences; SEED: a number, or FIRST-LAST
    compare.py --kind KIND …             only courses of that kind (Maker.MIXES has them)
    compare.py --info …                  asks for TCP_INFO between the events, and compares what it says
    compare.py --script LIBRARY SEED     prints the course as a script for drill.py

A course is made while it runs against the library, in virtual time, by a peer who knows what has left: it acknowledges,
loses, repeats, reorders, closes its window, resets. Then the same events are played to Linux, in real time, many courses at
once. Windows are not compared, nor PSH (drill's README says why); a time may differ by 30 ms and a twentieth.
"""
import argparse
import multiprocessing
import os
import random

from drill import Run, Script
from packets import read
from stacks import Library, Linux

GAPS = [0, 0, 0, .003, .003, .011, .023, .057, .113, .27, .51]
HANDSHAKES = ["mss 1000,sackOK,TS val 1000 ecr 0,nop,wscale 7", "mss 1000,nop,nop,sackOK,nop,wscale 7", "mss 1000", "mss 1460,nop,wscale 0",
              "mss 1000,sackOK,TS val 1000 ecr 0"]
PARALLEL = 12
TRIES = 3


# Of TCP_INFO: what must be the same, and what may differ by 12 ms and an eighth (times in microseconds).
SAME = ("state ca_state retransmits probes backoff options wscale snd_mss rcv_mss unacked sacked lost retrans pmtu snd_ssthresh snd_cwnd"
        " advmss reordering total_retrans bytes_acked bytes_received segs_out segs_in notsent_bytes data_segs_in data_segs_out"
        " delivered delivered_ce bytes_sent bytes_retrans dsack_dups reord_seen rcv_ooopack snd_wnd").split()
NEAR = "rto ato rtt rttvar min_rtt".split()


class Info(dict):
    """What TCP_INFO said."""

    def __str__(self):
        return "info: " + ", ".join(f"{n} {self['tcpi_' + n]}" for n in SAME + NEAR if self["tcpi_" + n])

    def unlike(self, other):
        names = [n for n in SAME if self["tcpi_" + n] != other["tcpi_" + n]]
        return names + [n for n in NEAR if abs(self["tcpi_" + n] - other["tcpi_" + n]) > 12000 + self["tcpi_" + n] / 8]


class Course(Run):
    """A run whose events are noted; what it sees goes to `log`."""

    def __init__(self, stack, ip="4"):
        Run.__init__(self, stack, Script("", ip), True)
        self.log, self.templates, self.script_lines = [], [], []
        self.peer_edge = 0   # behind what we, the peer, have sent
        self.seen = []       # segments that left: (seq, end)
        self.acked = 0
        self.sent = 0        # when the last left
        self.ts = None

    def say(self, text):
        self.log.append((self.stack.now() - self.base, text))

    def take(self, until):
        s = Run.take(self, until)
        if s is not None:
            self.log.pop()
            self.log.append((s.when, s))
            self.sent = s.when + self.base
            if s.size or s.flags & 3:
                self.seen.append((s.seq, s.seq + s.size + bool(s.flags & 1) + bool(s.flags & 2)))
            for option in s.options:
                if option[0] == "TS":
                    self.ts = option[1]
        return s

    def check(self, match, arguments, result, code, out):
        if isinstance(out, dict) and "tcpi_state" in out and result == 0:
            self.log.append((self.stack.now() - self.base, Info(out)))
            return None
        return Run.check(self, match, arguments, result, code, out)

    def do(self, gap, event):
        """LAST in it: our timestamp that the peer saw last."""
        line = f"+{gap:g} {event}"
        self.templates.append(line)
        self.line(self.filled(line))

    def filled(self, line):
        self.script_lines.append(line.replace("LAST", str(self.ts or 100)))
        return self.script_lines[-1]

    @property
    def edge(self):
        return max((end for _, end in self.seen), default=0)


class Maker:
    def __init__(self, course, seed, kind, info):
        self.c, self.r = course, random.Random(seed)
        self.info = info
        self.kind = kind or self.r.choice(["send", "receive", "close", "connect"])
        self.options = self.r.choice(HANDSHAKES)
        self.clock = 1000
        self.sequence = 1
        self.window = 0
        self.fd = 4

    def gap(self):
        return self.r.choice(GAPS)

    def stamps(self):
        if "TS" not in self.options:
            return ""
        self.clock += self.r.choice([0, 1, 10, 50])
        return f"TS val {self.clock} ecr LAST"

    def segment(self, flags, seq, size, ack, window, sacks=(), gap=None):
        options = self.stamps()
        parts = (["nop,nop," + options] if options else [])
        if sacks and "sackOK" in self.options:
            parts.append("nop,nop,sack " + " ".join(f"{a}:{b}" for a, b in sacks))
        text = f"< {flags} {seq}:{seq + size}({size})" + (f" ack {ack}" if "." in flags else "") + f" win {window}"
        least = .003 if self.c.seen and self.c.stack.now() == self.c.sent else 0  # no path is that short
        self.c.do(max(self.gap(), least) if gap is None else gap, text + (f" <{','.join(parts)}>" if parts else ""))

    def call(self, text, gap=None):
        self.c.do(self.gap() if gap is None else gap, text)

    def scale(self, window):
        return min(window >> 7 if "wscale 7" in self.options else window, 65535)

    # ---- Opening ----

    def serve(self):
        r = self.r
        self.call("socket(..., SOCK_STREAM, IPPROTO_TCP) = 3", 1)
        self.call("setsockopt(3, SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0", 0)
        if self.kind == "receive" and r.random() < .5:
            self.call(f"setsockopt(3, SOL_SOCKET, SO_RCVBUF, [{r.choice([5000, 10000, 20000, 60000])}], 4) = 0", 0)
        self.call("bind(3, ..., ...) = 0", 0)
        self.call("listen(3, 2) = 0", 0)
        self.c.do(0, f"< S 0:0(0) win {r.choice([2000, 20000, 65535])} <{self.options}>")
        self.sequence = 1
        self.window = r.choice([2000, 20000, 65535, 65535])
        self.segment(".", 1, 0, 1, self.scale(self.window), gap=r.choice([.011, .057, .113, .113, .113, 1.3, 3.7]))
        self.call("accept(3, ..., ...) = 4", 0)
        self.call("fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0", 0)
        self.c.acked = 1

    def dial(self):
        r = self.r
        self.fd = 3
        self.call("socket(..., SOCK_STREAM, IPPROTO_TCP) = 3", 1)
        self.call("fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0", 0)
        if r.random() < .2:
            self.call(f"setsockopt(3, SOL_TCP, TCP_SYNCNT, [{r.choice([1, 2])}], 4) = 0", 0)
        if r.random() < .2:
            self.call(f"setsockopt(3, SOL_TCP, TCP_USER_TIMEOUT, [{r.choice([500, 2000, 5000])}], 4) = 0", 0)
        self.call("connect(3, ..., ...) = ...", 0)
        for _ in range(r.choice([0, 0, 0, 1, 2])):
            what = r.randrange(6)
            gap = r.choice([.011, .27, 1.3])
            if what == 0:
                self.segment(".", 0, 0, r.choice([0, 1, 5]), 1000, gap=gap)
            elif what == 1:
                self.c.do(gap, f"< S 0:0(0) win 20000 <{HANDSHAKES[0]}>")
            elif what == 2:
                self.call("write(3, ..., 1000) = ...", gap)
            elif what == 3:
                self.c.do(gap, f"< S. 0:0(0) ack {r.choice([0, 2])} win 20000 <{self.options}>")
            elif what == 4:
                self.c.do(gap, "< R 0:0(0) win 0")
            else:
                self.call(r.choice(["shutdown(3, SHUT_WR) = ...", "getsockopt(3, SOL_SOCKET, SO_ERROR, [...], [4]) = ..."]), gap)
        text = self.options.replace("ecr 0", "ecr LAST")
        self.window = r.choice([2000, 20000, 65535])
        self.c.do(r.choice([.011, .057, 1.3]), f"< S. 0:0(0) ack 1 win {self.window} <{text}>")
        self.c.acked = 1
        self.call("getsockopt(3, SOL_SOCKET, SO_ERROR, [...], [4]) = ...", 0)

    # ---- What a peer does ----

    def segments(self):
        """Of those that left, the ones that are not acknowledged."""
        return sorted({s for s in self.c.seen if s[1] > self.c.acked and s[0] >= 1})

    def acknowledge(self):
        c, r = self.c, self.r
        open_ = self.segments()
        roll = r.random()
        sacks = []
        if open_ and roll < .45:
            c.acked = open_[min(r.choice([0, 1, 1, 2, 3, 9]), len(open_) - 1)][1]
        elif open_ and roll < .6:
            c.acked = max(e for _, e in open_)
        elif len(open_) > 1 and roll < .95:
            i = r.randrange(1, len(open_))
            j = min(i + r.choice([1, 1, 2, 3]), len(open_))
            sacks.append((open_[i][0], open_[j - 1][1]))
            if i > 3 and r.random() < .3:
                sacks.append((open_[1][0], open_[1][1]))
        if r.random() < .15:
            self.window = r.choice([0, 500, 2000, 5000, 20000, 65535])
        self.segment(".", self.sequence, 0, c.acked, self.scale(self.window), sacks)

    def send(self):
        r = self.r
        size = r.choice([1, 10, 100, 500, 1000, 1000, 1000, 1000, 1460])
        roll = r.random()
        if roll < .6:
            seq = self.sequence
        elif roll < .8:
            seq = self.sequence + r.choice([1000, 1000, 2000, 500, 3000])
        else:
            seq = max(1, self.sequence - r.choice([1, 500, 1000, 2000]))
        flags = r.choice([".", "P."])
        self.segment(flags, seq, size, self.c.acked, self.scale(self.window))
        if seq <= self.sequence:
            self.sequence = max(self.sequence, seq + size)

    def end(self):
        self.segment("F.", self.sequence, self.r.choice([0, 0, 1000]), self.c.acked, self.scale(self.window))
        self.sequence += 1

    def nonsense(self):
        r = self.r
        seq = self.sequence + r.choice([0, 0, -1, 1, 5000, 100000])
        flags = r.choice(["R", "R.", "S", "S.", ".", "F.", "P.", "R"])
        ack = max(0, self.c.acked + r.choice([0, 0, -1, 1000, 100000]))
        self.segment(flags, max(seq, 0), r.choice([0, 0, 100]), ack, self.scale(self.window))

    def write(self):
        r = self.r
        size = r.choice([1, 100, 500, 1000, 1000, 2000, 2500, 5000, 10000])
        if r.random() < .2:
            self.call(f"send({self.fd}, ..., {size}, MSG_MORE) = ...")
        else:
            self.call(f"write({self.fd}, ..., {size}) = ...")

    def option(self):
        r, f = self.r, self.fd
        self.call(r.choice([
            f"setsockopt({f}, SOL_TCP, TCP_NODELAY, [{r.choice([0, 1])}], 4) = ...",
            f"setsockopt({f}, SOL_TCP, TCP_CORK, [{r.choice([0, 1])}], 4) = ...",
            f"setsockopt({f}, SOL_TCP, TCP_QUICKACK, [{r.choice([0, 1])}], 4) = ...",
            f"setsockopt({f}, SOL_TCP, TCP_USER_TIMEOUT, [{r.choice([300, 1000, 2000])}], 4) = ...",
            f"ioctl({f}, SIOCINQ, [...]) = ...", f"ioctl({f}, SIOCOUTQ, [...]) = ...",
            f"poll([{{fd={f},events=POLLIN|POLLOUT|POLLRDHUP}}], 1, 0) = ...",
            f"getsockopt({f}, SOL_SOCKET, SO_ERROR, [...], [4]) = ...",
            f"setsockopt({f}, SOL_TCP, TCP_WINDOW_CLAMP, [{r.choice([2000, 10000])}], 4) = ...",
            f"setsockopt({f}, SOL_TCP, TCP_LINGER2, [{r.choice([-1, 1])}], 4) = ...",
        ]))

    def ask(self):
        if self.info:
            self.call(f"getsockopt({self.fd}, SOL_TCP, TCP_INFO, ..., ...) = ...", self.r.choice([0, 0, .005]))

    def read(self):
        self.call(f"read({self.fd}, ..., {self.r.choice([1, 100, 1000, 3000, 10000, 100000])}) = ...")

    def leave(self):
        r, f = self.r, self.fd
        roll = r.random()
        if roll < .35:
            self.call(f"shutdown({f}, {r.choice(['SHUT_WR', 'SHUT_WR', 'SHUT_RD', 'SHUT_RDWR'])}) = ...")
        elif roll < .5:
            self.call(f"setsockopt({f}, SOL_SOCKET, SO_LINGER, {{onoff=1, linger=0}}, 8) = 0")
            self.call(f"close({f}) = ...", 0)
        else:
            self.call(f"close({f}) = ...")

    MIXES = {"send": {"write": 5, "acknowledge": 9, "option": .5, "send": .7},
             "receive": {"send": 9, "read": 3, "acknowledge": .5, "write": 1, "option": .6, "end": .3},
             "close": {"send": 2, "read": 1, "acknowledge": 3, "write": 2, "leave": 1.5, "end": 1.2, "nonsense": 1, "option": .5},
             "connect": {"write": 3, "acknowledge": 4, "send": 2, "read": 2, "leave": .5, "end": .5, "nonsense": .5, "option": .5}}

    def run(self):
        if self.kind == "connect":
            self.dial()
        else:
            self.serve()
        mix = self.MIXES[self.kind]
        for _ in range(self.r.choice([6, 10, 16, 25])):
            getattr(self, self.r.choices(list(mix), list(mix.values()))[0])()
            self.ask()
        self.call(f"read({self.fd}, ..., 100000) = ...", self.r.choice([.8, 1.6, 3.3]))
        self.call(f"close({self.fd}) = ...", 0)
        self.c.do(.3, f"ioctl({self.fd}, SIOCINQ, [...]) = ...")


def split(log):
    """(packets, results of calls, what TCP_INFO said)"""
    packets = [(t, s) for t, s in log if not isinstance(s, (str, Info))]
    infos = [(t, s) for t, s in log if isinstance(s, Info)]
    calls = [(t, s) for t, s in log if isinstance(s, str) and not s.startswith(("<", "socket", "accept"))]
    return packets, calls, infos


def same_packet(a, b, before):
    """`before`: when the one before left. Timers of Linux count in ticks, and its round trips are a little longer."""
    (ta, a), (tb, b) = a, b
    same = (a.flags & ~8, a.size, a.ack, [o for o in a.options if o[0] != "TS"]) == \
        (b.flags & ~8, b.size, b.ack, [o for o in b.options if o[0] != "TS"])
    if not a.flags & 4:
        same = same and a.seq == b.seq
    return same and abs(ta - tb) < .04 + (ta - before) / 8


def alike(a, b, before):
    if a is None or b is None:
        return False
    if isinstance(a[1], Info):
        return not a[1].unlike(b[1])
    return a[1] == b[1] if isinstance(a[1], str) else same_packet(a, b, before)


def tell(a, b):
    """The two in words; of TCP_INFO what differs."""
    if a and b and isinstance(a[1], Info):
        names = a[1].unlike(b[1])
        return [(x[0], ", ".join(f"{n} {x[1]['tcpi_' + n]}" for n in names)) for x in (a, b)]
    return a, b


def first_difference(ours, theirs):
    for mine, other in zip(split(ours), split(theirs)):
        for i in range(max(len(mine), len(other))):
            a, b = mine[i] if i < len(mine) else None, other[i] if i < len(other) else None
            if not alike(a, b, mine[i - 1][0] if i else 0):
                yield tell(a, b)
                break


def close_call(log, before):
    """Whether one of our timers went off about when something happened: Linux, whose timers are coarser, may see it the other way."""
    events = [t for t, s in log if isinstance(s, (str, Info))]
    left = happened = 0
    for t, s in log:
        if isinstance(s, str):
            happened = t
        elif not isinstance(s, Info):
            if t > before:
                break
            if t > happened + .0005 and any(t - .002 < e < t + .012 + (t - left) / 8 for e in events):
                return True
            left = t
    return False


def make(library, seed, kind, info):
    course = Course(Library(library, "4"))
    maker = Maker(course, seed, kind, info)
    try:
        maker.run()
    finally:
        course.stack.close()
    return course, maker


def play(lines):
    course = Course(Linux("4", tcp_min_tso_segs=1, tcp_tso_win_divisor=100))  # bursts as short as ours
    os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))  # it sleeps nearly always, and must wake in time
    for line in lines:
        course.line(course.filled(line))
    course.drain(course.at + .001)
    course.stack.close()
    return course


def compare(job):
    library, seed, kind, info = job
    course, maker = make(library, seed, kind, info)
    for _ in range(TRIES):  # real time jitters: what differs differs always
        theirs = play(course.templates)
        found = list(first_difference(course.log, theirs.log))
        if not found or close_call(course.log, min(a[0] for a, _ in found if a) if any(a for a, _ in found) else 1e9):
            found = []
            break
    return seed, maker.kind, found, course.log, theirs.log


def show(log):
    return "\n".join(f"    {t:8.3f}  {'' if isinstance(s, str) else '> '}{s}" for t, s in log if not isinstance(s, Info))


def numbers(words):
    for word in words:
        first, _, last = word.partition("-")
        yield from range(int(first), int(last or first) + 1)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--kind", choices=sorted(Maker.MIXES))
    arguments.add_argument("--info", action="store_true")
    arguments.add_argument("--script", action="store_true")
    arguments.add_argument("--whole", action="store_true", help="print both logs whole")
    arguments.add_argument("library")
    arguments.add_argument("seeds", nargs="+")
    options = arguments.parse_args()
    if options.script:
        for seed in numbers(options.seeds):
            print("\n".join(make(options.library, seed, options.kind, options.info)[0].script_lines))
        return
    differing = 0
    jobs = [(options.library, seed, options.kind, options.info) for seed in numbers(options.seeds)]
    with multiprocessing.get_context("fork").Pool(PARALLEL, maxtasksperchild=1) as pool:  # Linux's courses want a process each
        for seed, kind, found, ours, theirs in pool.imap(compare, jobs):
            if not found:
                continue
            differing += 1
            print(f"seed {seed} ({kind})")
            for a, b in found:
                for name, x in (("ours ", a), ("Linux", b)):
                    print(f"  {name}", "nothing" if x is None else f"{x[0]:.3f} {x[1]}")
            if options.whole:
                print("  ours\n" + show(ours) + "\n  Linux\n" + show(theirs))
    print(f"{len(jobs) - differing} of {len(jobs)} courses alike")


if __name__ == "__main__":
    main()
