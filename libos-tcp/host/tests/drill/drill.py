#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Runs packet scripts in packetdrill's words against the library's stack.

    drill.py LIBRARY SCRIPT…             each script; exit status 1 where one fails
    drill.py --trace LIBRARY SCRIPT      prints what happens; packets that the script expects are not compared
    drill.py --ip 6 …, --ip mapped …     over IPv6; by sockets of IPv6 that speak IPv4. `// ip: 4` in a script: only that way
    drill.py [--trace] --linux SCRIPT…   the same against the kernel of this computer (root), to try a script itself

A line is a time and an event. Times: `0.1` since the beginning, `+.1` after the line before, `+0...+.2` of a call that
waits. Events: `< SEGMENT` arrives, `> SEGMENT` must leave, at that time give or take four milliseconds and in that order; a
call with its result, `read(4, ..., 1000) = -1 EAGAIN`; `%{ assert tcpi_cwnd == 10 }%` about TCP_INFO of descriptor 4 (or the
client's, 3); `icmp CODE MTU` quotes the last packet that left. A segment that nothing expects fails the script. `//` begins a
comment; in the first ones `// net: mtu=1500 congestion=reno ecn=1 probing=1 cookies=1 tcp_sack=0` says what the net is to be, the
last by Linux's name of a setting.

What a packet leaves out (window, options) is not compared. Sequence numbers count from each side's SYN; our timestamps
from what the script says at the first.
"""
import argparse
import re
import sys
import threading

from calls import NAMES
from packets import build, build_unreachable, parse_words, read
from stacks import Library, Linux

TOLERANCE = 0.004
CLIENT_PORT, LOCAL_PORT = 40000, 8080
EVENT = re.compile(r"(?P<from>\+?\d*\.?\d+)(?:\.\.\.(?P<to>\+?\d*\.?\d+))?\s+(?P<what>.*)$")
CALL = re.compile(r"(?P<name>[a-z_]+)\((?P<arguments>.*)\)\s*=\s*(?P<result>-?\w+|\.\.\.)(?:\s+(?P<error>E\w+))?(?:\s*\(.*\))?\s*$")


class Failed(Exception):
    pass


class Connection:
    """The peer's side of what is under way: where sequence numbers and timestamps begin."""

    def __init__(self):
        self.remote_port, self.local_port = CLIENT_PORT, LOCAL_PORT
        self.iss = self.ts_live = self.ts_script = None
        self.peer_iss = 0


# What servers of the key that scripts set give to THERE.
COOKIES = {"4": "3021b9d889017eeb", "6": "e7041978eab92f14"}
COOKIES["mapped"] = COOKIES["4"]


class Script:
    def __init__(self, text, ip):
        self.net, self.lines, self.ip = {}, [], None
        for number, line in enumerate(text.replace("TFO_COOKIE", COOKIES[ip]).splitlines(), 1):
            if line.startswith("// net:"):
                self.net = {k: int(v) if v.isdigit() else v for k, v in (w.split("=") for w in line[7:].split())}
            if line.startswith("// ip:"):
                self.ip = line[6:].split()
            line = line.split("//")[0].strip()
            if line:
                self.lines.append((number, line))


class Run:
    def __init__(self, stack, script, trace):
        self.stack, self.script, self.trace = stack, script, trace
        self.at = self.base = stack.now()
        self.peer, self.last_out, self.waiting = Connection(), None, None
        self.number = 0

    def say(self, text):
        if self.trace:
            print(f"{self.stack.now() - self.base:9.3f}  {text}")

    def fail(self, text):
        if self.trace:
            self.say("!! " + text)
        else:
            raise Failed(f"line {self.number}: {text}")

    # ---- Packets ----

    def take(self, until):
        """The next segment that leaves, in the script's numbers."""
        got = self.stack.next_packet(until)
        if got is None:
            return None
        packet, when = got
        read_ = read(packet)
        if read_ is None:
            self.say(f"> no TCP, {len(packet)} bytes")
            return self.take(until)
        segment, source, target, right = read_
        if not right:
            self.fail(f"wrong checksum: {segment}")
        self.last_out = packet
        self.translate_out(segment, source, target)
        segment.when = when - self.base
        self.say(f"> {segment}")
        return segment

    def translate_out(self, s, source, target):
        peer = self.peer
        if s.flags & 2:
            if not s.flags & 16 and (source, target) != (peer.local_port, peer.remote_port):
                self.peer = peer = Connection()
            peer.local_port, peer.remote_port = source, target
            peer.iss = s.seq
        s.seq = s.seq - (peer.iss or 0) & 0xffffffff
        s.ack = s.ack - peer.peer_iss & 0xffffffff if s.flags & 16 else None
        for i, option in enumerate(s.options):
            if option[0] == "TS":
                if peer.ts_live is None:
                    peer.ts_live, peer.ts_script = option[1], 100 if self.trace else None
                value = option[1] - peer.ts_live + (peer.ts_script or 0)
                s.options[i] = ("TS", value & 0xffffffff, option[2])

    def inject(self, s):
        peer = self.peer
        s.seq += peer.peer_iss
        if s.ack is not None:
            s.ack += peer.iss or 0
        for i, option in enumerate(s.options or []):
            if option[0] == "TS" and peer.ts_live is not None and (s.flags & 16 or option[2]):
                s.options[i] = ("TS", option[1], option[2] - (peer.ts_script or 0) + peer.ts_live)
            if option[0] == "sack":
                s.options[i] = ("sack", *[(a + (peer.iss or 0), b + (peer.iss or 0)) for a, b in option[1:]])
        self.stack.inject(build(s, (self.stack.there[0], peer.remote_port), (self.stack.here[0], peer.local_port)))

    def expect(self, wanted):
        got = self.take(self.at + TOLERANCE + (0.03 if isinstance(self.stack, Linux) else 0))
        if got is None:
            return self.fail(f"nothing left; expected {wanted}")
        if abs(got.when - (self.at - self.base)) > TOLERANCE + (0.03 if isinstance(self.stack, Linux) else 0):
            self.fail(f"left at {got.when:.4f}, expected at {self.at - self.base:.4f}: {got}")
        self.compare(got, wanted)
        return got

    def compare(self, got, wanted):
        same = (got.flags, got.seq, got.size) == (wanted.flags, wanted.seq, wanted.size)
        same = same and (wanted.ack is None or got.ack == wanted.ack) and (wanted.win is None or got.win == wanted.win)
        same = same and (wanted.ecn is None or got.ecn == wanted.ecn)
        if wanted.options is not None:
            same = same and [o[0] for o in got.options] == [o[0] for o in wanted.options]
            same = same and all(self.same_option(g, w) for g, w in zip(got.options, wanted.options))
        if not same:
            self.fail(f"left {got}, expected {wanted}")

    def same_option(self, got, wanted):
        if got[0] != "TS":
            return got == wanted
        if self.peer.ts_script is None:
            self.peer.ts_script = wanted[1]
            got = ("TS", got[1] + wanted[1], got[2])
        return abs(got[1] - wanted[1]) <= (40 if isinstance(self.stack, Linux) else 4) and got[2] == wanted[2]

    # ---- Calls ----

    def evaluate(self, text):
        text = re.sub(r"\{([^{}]*)\}", lambda m: "dict(" + m[1] + ")", text)
        text = re.sub(r"(?<![\w.])0(\d+)", r"0o\1", text)
        return eval(f"[{text}]", {"__builtins__": {}, "dict": dict}, NAMES)  # pylint: disable=eval-used

    def call(self, match, until):
        if self.waiting is not None:
            self.join()
        arguments = self.evaluate(match["arguments"])
        if until is None:
            return self.check(match, arguments, *self.stack.run(match["name"], arguments))
        found = []
        thread = threading.Thread(target=lambda: found.append((*self.stack.run(match["name"], arguments), self.stack.now())),
                                  daemon=True)
        thread.start()
        self.stack.settle(thread)
        if found:
            self.fail(f"{match['name']} did not wait: {found[0][:2]}")
        self.waiting = (thread, found, match, arguments, until, self.number)
        return None

    def join(self):
        """The call that waits must end at its time."""
        thread, found, match, arguments, until, number = self.waiting
        self.waiting = None
        self.drain(until)
        thread.join(2)
        self.number = number
        if thread.is_alive():
            return self.fail(f"{match['name']} still waits")
        *result, when = found[0]
        if abs(when - until) > TOLERANCE + (0.03 if isinstance(self.stack, Linux) else 0.0):
            self.fail(f"{match['name']} ended at {when - self.base:.4f}, not at {until - self.base:.4f}")
        return self.check(match, arguments, *result)

    def check(self, match, arguments, result, code, out):
        self.say(f"{match['name']}({match['arguments']}) = {result} {code}" + ("" if out is None or isinstance(out, dict) else f" {out}"))
        wanted = match["result"]
        if wanted != "...":
            wanted = int(NAMES.get(wanted, wanted))
            if match["name"] in ("socket", "accept", "epoll_create") and wanted >= 0 and result >= 0:
                self.stack.fds[wanted] = result
            elif result != wanted:
                return self.fail(f"{match['name']} returned {result} {code}, expected {wanted}")
            if match["error"] and code != match["error"]:
                return self.fail(f"{match['name']} failed with {code}, expected {match['error']}")
        return self.check_out(match["name"], arguments, out)

    def check_out(self, name, arguments, out):
        wanted = None
        if name == "getsockopt" and isinstance(arguments[3], list):
            wanted = arguments[3][0]
        elif name == "getsockopt" and isinstance(arguments[3], str):
            wanted = arguments[3]
        elif name == "ioctl" and len(arguments) > 2 and isinstance(arguments[2], list):
            wanted = arguments[2][0]
        elif name == "poll":
            wanted = [f["revents"] for f in arguments[0]] if "revents" in arguments[0][0] else None
        elif name == "epoll_wait" and isinstance(arguments[1], dict):
            wanted = arguments[1]["events"] if out else 0
        elif name in ("recverr", "recvtime"):
            told = {k: round(v - self.base, 1) if k == "time" and v is not None else v for k, v in out.items() if k in arguments[-1]}
            wanted, out = arguments[-1] if out else {}, told
        if wanted not in (None, ...) and wanted != out:
            self.fail(f"{name} gave {out}, expected {wanted}")

    def code(self, text):
        fd = 4 if 4 in self.stack.fds else 3
        _, _, info = self.stack.run("getsockopt", [fd, 6, NAMES["TCP_INFO"], ..., ...])
        for statement in text.split(";"):
            statement = statement.strip()
            if statement.startswith("print"):
                self.say(", ".join(f"{w} {info.get(w)}" for w in statement.split()[1:]))
            elif statement:
                condition = statement.removeprefix("assert").split(",")[0].strip()
                if not eval(condition, {"__builtins__": {}}, {**NAMES, **info}):  # pylint: disable=eval-used
                    values = ", ".join(f"{w} is {info[w]}" for w in re.findall(r"tcpi_\w+", condition) if w in info)
                    self.fail(f"{condition}: {values}")

    # ---- Order ----

    def drain(self, until):
        """Up to a time nothing may leave that was not expected."""
        while (s := self.take(until)) is not None:
            if not self.trace:
                self.fail(f"left {s}, and nothing was expected")
        self.stack.wait_until(until)

    def when(self, text):
        return self.at + float(text) if text.startswith("+") else self.base + float(text)

    def line(self, line):
        match = EVENT.match(line)
        if match is None:
            raise Failed(f"line {self.number}: no event: {line}")
        until = self.when(match["to"]) if match["to"] else None
        self.at = self.when(match["from"])
        what = match["what"]
        if self.waiting is not None and self.at > self.waiting[4] + 1e-6:
            self.join()
        if what.startswith(">"):
            if not self.trace:
                self.expect(parse_words(what[1:]))
            return
        if what.startswith("<"):
            self.drain(self.at)
            self.say(what)
            self.inject(parse_words(what[1:]))
            if self.waiting:
                self.stack.settle(self.waiting[0])
        elif what.startswith("%{"):
            self.drain(self.at)
            self.code(what[2:].rstrip("}%"))
        elif what.startswith("icmp"):
            self.drain(self.at)
            self.say(what)
            code, mtu = (int(w) for w in what.split()[1:])
            self.stack.inject(build_unreachable(self.last_out, code, mtu, self.stack.there[0], self.stack.here[0]))
        elif what.startswith("new"):
            self.peer = Connection()
            self.peer.remote_port = int(what.split()[1])
        elif (call := CALL.match(what)):
            self.drain(self.at)
            self.call(call, until)
        else:
            raise Failed(f"line {self.number}: no event: {line}")

    def run(self):
        for self.number, line in self.script.lines:
            self.line(line)
        if self.waiting:
            self.join()
        self.drain(self.at + 0.001)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--trace", action="store_true")
    arguments.add_argument("--linux", action="store_true")
    arguments.add_argument("--ip", choices=["4", "6", "mapped"], default="4")
    arguments.add_argument("files", nargs="+")
    options = arguments.parse_args()
    library = None if options.linux else options.files.pop(0)
    failed = 0
    for path in options.files:
        with open(path, encoding="utf-8") as file:
            script = Script(file.read(), options.ip)
        if script.ip and options.ip not in script.ip:
            continue
        stack = Linux(options.ip, **script.net) if options.linux else Library(library, options.ip, **script.net)
        try:
            Run(stack, script, options.trace).run()
        except Failed as why:
            failed += 1
            print(f"{path}: {why}")
        finally:
            stack.close()
    print(f"{len(options.files) - failed} scripts passed, {failed} failed")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
