#!/usr/bin/env python3
"""mkappliance on whole manifests: every file in bad/ is refused with the place and reason that its
first line expects, good ones give the right payload, and the same bytes twice.

usage: mkappliance.py MKAPPLIANCE"""
import os
import re
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOOL = os.path.abspath(sys.argv[1])
GOOD = """
name = "good"; control_port = 1; power_off = true; lro = [ 2, 0 ];
environments = (
  { name = "host"; image = "prog"; frames = 16; arguments = [ "-v", "x y" ]; may = [ "console" ];
    content = ( "page.html", { name = "index.html"; file = "page.html"; },
      { name = "page.loud"; file = "page.html"; prepare = "shout"; } );
    flows = (
      { name = "ping"; receive = "arp or (icmp and dst host $addr)"; host = true;
        transmit = "ether src $mac and (arp or (ip and src host $addr))"; },
      { name = "odd"; receive = "ip[2:2] - 20 > 40 and src net $net"; address = 2; share = true; } ); },
  { name = "six"; image = "prog"; frames = 8; slots = 2; core = 1;
    disk = { first = 64; sectors = 100; }; screen = { x = 1; y = 2; width = 3; height = 4; };
    may = [ "input", "control" ];
    flows = ( { name = "v6"; receive = "ip6 dst host $addr"; family = 6; tap = true; count = true; } ); }
);
"""


def run(folder, name, *options, **environment):
    return subprocess.run([TOOL, *options, name], cwd=folder, capture_output=True, text=True,
                          env={**os.environ, **environment})


def fixture(folder):
    for name, text in (("init", "an init"), ("prog", "a program"), ("page.html", "hello"),
                       ("shout", '#!/bin/sh\n(tr a-z A-Z <"$1"; echo " $3") >"$2"\n'), ("fails", "#!/bin/sh\nexit 1\n")):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(os.path.join(folder, name), 0o755)


def check_bad(folder, name):
    path = os.path.join(HERE, "bad", name)
    with open(path, encoding="utf-8") as file:
        expected = re.match(r"# expect: (.*)", file.readline()).group(1)
    result = run(folder, path, "-I", folder, "-o", "out.cpio")
    # What is expected begins with a line number where the reason has a place in the text.
    pattern = re.escape(path) + ":" + (" " if not expected[0].isdigit() else "") + expected
    assert result.returncode == 1, f"{name}: exit status {result.returncode}, not 1"
    assert re.match(pattern.replace("$", r"\$"), result.stderr), \
        f"{name}: expected '{expected}', got '{result.stderr.strip()}'"
    assert not os.path.exists(os.path.join(folder, "out.cpio")), f"{name}: wrote a payload"


def members(archive):
    """Yields name, data and the data's offset."""
    at = 0
    while True:
        assert archive[at:at + 6] == b"070701"
        field = [int(archive[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
        name = archive[at + 110:at + 110 + field[11] - 1].decode()
        data = (at + 110 + field[11] + 3) & ~3
        if name == "TRAILER!!!":
            return
        yield name, archive[data:data + field[6]], data
        at = (data + field[6] + 3) & ~3


class Manifest:
    """The binary manifest, read without the builder's code."""

    def __init__(self, data):
        self.data = data
        (self.magic, self.version, self.size, name, *tables) = struct.unpack_from("<4I12I", data)
        self.flags, self.control, self.merges = struct.unpack_from("<2IQ", data, 64)
        (self.files, self.envs, self.flows, self.conjunctions, self.relocations,
         self.strings) = [tuple(tables[2 * i:2 * i + 2]) for i in range(6)]
        self.name = self.string(name)

    def string(self, at):
        start = self.strings[0] + at
        return self.data[start:self.data.index(b"\0", start)].decode()

    def entries(self, table, form):
        return [struct.unpack_from(form, self.data, table[0] + i * struct.calcsize(form))
                for i in range(table[1])]


def siphash(data, key=(0x7327656369756c53, 0x64616f6c79617020)):
    """SipHash-2-4 (Aumasson and Bernstein, 2012), written again to check the builder's."""
    mask = (1 << 64) - 1

    def rotate(x, n):
        return (x << n | x >> (64 - n)) & mask

    def rounds(v, n):
        for _ in range(n):
            a, b, c, d = (v[0] + v[1]) & mask, v[1], (v[2] + v[3]) & mask, v[3]
            b, d, a = rotate(b, 13) ^ a, rotate(d, 16) ^ c, rotate(a, 32)
            c, a = (c + b) & mask, (a + d) & mask
            v[:] = a, rotate(b, 17) ^ c, rotate(c, 32), rotate(d, 21) ^ a

    v = [key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d,
         key[0] ^ 0x6c7967656e657261, key[1] ^ 0x7465646279746573]
    whole = len(data) // 8 * 8
    last = data[whole:].ljust(7, b"\0") + bytes([len(data) & 255])
    for at in range(0, whole + 8, 8):
        word = int.from_bytes(data[at:at + 8] if at < whole else last, "little")
        v[3] ^= word
        rounds(v, 2)
        v[0] ^= word
    v[2] ^= 0xff
    rounds(v, 4)
    return v[0] ^ v[1] ^ v[2] ^ v[3]


def check_manifest(archive):
    found = list(members(archive))
    names = [name for name, _, _ in found if name != "pad"]
    assert names == ["manifest", "init", "prog", "page.html", "index.html", "page.loud", "host.odd.cbpf"], names
    assert found[0][0] == "manifest"
    for name, _, offset in found[1:]:
        assert name == "pad" or offset % 4096 == 0, f"{name} lies at {offset}"
    manifest = Manifest(found[0][1])
    assert (manifest.magic, manifest.version, manifest.size) == (0x464d4c53, 2, len(found[0][1]))
    assert (manifest.name, manifest.flags, manifest.control) == ("good", 1, 1)
    by_name = {name: data for name, data, _ in found}
    assert by_name["page.loud"] == b"HELLO page\n", by_name["page.loud"]
    files = manifest.entries(manifest.files, "<IIQQ")
    for name, _, size, digest in files:
        data = by_name[manifest.string(name)]
        assert size == len(data) and digest == siphash(data)
    check_envs(manifest, files)
    check_flows(manifest, by_name["host.odd.cbpf"])


def check_envs(manifest, files):
    host, six = manifest.entries(manifest.envs, "<14I2IQ4HQ")
    assert [manifest.string(env[0]) for env in (host, six)] == ["host", "six"]
    assert host[1] == 1 and host[2] == 0xffffffff and host[3] == 1
    start = manifest.strings[0] + host[4]
    assert manifest.data[start:start + 12] == b"prog\0-v\0x y\0" and host[5] == 3
    assert host[6:9] == (16, 0, 1) and six[6:9] == (8, 1, 2)
    content = [manifest.string(files[i][0]) for i in range(host[11], host[11] + host[12])]
    assert content == ["page.html", "index.html", "page.loud"]
    assert (host[9:11], six[9:11]) == ((0, 2), (2, 1))
    assert host[14:21] == (0, 0, 0, 0, 0, 0, 0) and six[14:21] == (100, 0, 64, 1, 2, 3, 4)
    assert six[3] == 0b1100000
    assert host[13] == 0b101 and six[13] == 1, "addresses follow from the flows"


def check_flows(manifest, program):
    ping, odd, v6 = manifest.entries(manifest.flows, "<IIIi12I")
    relocations = manifest.entries(manifest.relocations, "<HHIHHHH")
    assert ping[2] == 2 | 1 << 10 << 16 and odd[2] == 1 << 9 << 16
    assert v6[2] == 1 | 4 | 1 << 8 << 16
    assert odd[4] == 2 and odd[6] == 1 and ping[6] == 0
    assert len(program) % 8 == 0 and program
    mine = relocations[ping[12]:ping[12] + ping[13]]
    assert {r[0] for r in mine if r[1] == 1} == {1}, "only the address in what is received"
    assert {r[0] for r in mine if r[1] == 2} == {1, 3}, "address and MAC in what is sent"
    mine = relocations[odd[12]:odd[12] + odd[13]]
    assert {(r[0], r[1], r[6]) for r in mine} == {(2, 1, 0), (2, 3, 0), (2, 3, 1)}
    mine = relocations[v6[12]:v6[12] + v6[13]]
    assert [(r[0], r[3], r[4], r[5]) for r in mine] == [(1, r[3], 4 * i, 4)
                                                         for i, r in enumerate(mine)]
    assert len(mine) == 4


def check_good(folder):
    with open(os.path.join(folder, "good.conf"), "w", encoding="utf-8") as file:
        file.write(GOOD)
    archives = []
    for name in ("one.cpio", "two.cpio"):
        result = run(folder, "good.conf", "-o", name, "--depfile", "deps")
        assert result.returncode == 0, result.stderr
        with open(os.path.join(folder, name), "rb") as file:
            archives.append(file.read())
    assert archives[0] == archives[1], "the same input gave other bytes"
    with open(os.path.join(folder, "deps"), encoding="utf-8") as file:
        assert file.read().startswith("two.cpio: good.conf ./init ./prog"), "dependencies"
    check_manifest(archives[0])
    shown = run(folder, "one.cpio", "--show")
    assert shown.returncode == 0 and "host: image prog, 16 frames" in shown.stdout, shown.stdout
    check_show_of_bad(folder, archives[0])
    check_scratch(folder)


def check_scratch(folder):
    """Where the user wants temporary files they are made, and nothing is left there."""
    scratch = os.path.join(folder, "scratch")
    result = run(folder, "good.conf", "-o", "none.cpio", TMPDIR=scratch)
    assert result.returncode == 1 and f"{scratch}/mkappliance-" in result.stderr, result.stderr
    os.mkdir(scratch)
    assert run(folder, "good.conf", "-o", "three.cpio", TMPDIR=scratch).returncode == 0
    assert not os.listdir(scratch)


def check_show_of_bad(folder, archive):
    """--show must survive any file: every cut, and a byte changed here and there."""
    length = next(len(data) for name, data, _ in members(archive) if name == "manifest")
    samples = [archive[:n] for n in range(0, 400, 7)]
    for at in range(0, length, 97):
        samples.append(archive[:at] + b"\xff" + archive[at + 1:])
    for sample in samples:
        with open(os.path.join(folder, "bad.cpio"), "wb") as file:
            file.write(sample)
        result = subprocess.run([TOOL, "--show", "bad.cpio"], cwd=folder, capture_output=True)
        assert result.returncode in (0, 1), f"--show: exit status {result.returncode}"


def check_with(folder):
    """--with: its environments come first, its control port counts; what is wrong in it is named there."""
    for name, text in (("a.conf", 'name = "a"; power_off = true; environments = ( { name = "x"; image = "prog"; frames = 1; } );'),
                       ("b.conf", 'name = "b"; control_port = 3; environments = ( { name = "y"; image = "prog"; frames = 2; } );')):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)
    assert run(folder, "a.conf", "--with", "b.conf", "-o", "ab.cpio").returncode == 0
    with open(os.path.join(folder, "ab.cpio"), "rb") as file:
        manifest = Manifest(list(members(file.read()))[0][1])
    names = [manifest.string(env[0]) for env in manifest.entries(manifest.envs, "<14I2IQ4HQ")]
    assert (manifest.name, manifest.flags, manifest.control, names) == ("a", 1, 3, ["y", "x"]), names
    twice = run(folder, "a.conf", "--with", "a.conf", "-o", "aa.cpio")
    assert twice.returncode == 1 and "a.conf:1: there are two environments named 'x'" in twice.stderr, twice.stderr


def main():
    bad = sorted(os.listdir(os.path.join(HERE, "bad")))
    assert len(bad) > 20
    with tempfile.TemporaryDirectory() as folder:
        fixture(folder)
        for name in bad:
            check_bad(folder, name)
        check_good(folder)
        check_with(folder)
    print(f"{len(bad)} bad manifests refused, a good one read back")


if __name__ == "__main__":
    main()
