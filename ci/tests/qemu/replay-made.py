#!/usr/bin/env python3
# timeout: 400
"""Replays of made-up captures: every shape of frame, every file format, what can't be sent."""
import os
import tempfile

from harness import replays, traces
from harness.report import Report

FRAMES = list(traces.shapes())
IP_ONLY = [frame for frame in FRAMES if frame[12:14] in (b"\x08\x00", b"\x86\xdd") and
           len(frame) > 14]
MODELS = ["virtio", "virtio-transitional", "e1000", "e1000e", "vmxnet3"]


class Traces:
    """Writes traces into a folder and replays them."""

    def __init__(self, folder):
        self.folder = folder

    def agrees(self, name, data, nic="virtio"):
        """The report, after asserting that all counts agree."""
        path = self.write(name, data)
        status, report, complaint = replays.run(path, nic)
        assert report, f"status {status}: {complaint}"
        assert status == 0 and report["agree"], "; ".join(replays.differences(report))
        return report

    def write(self, name, data):
        path = os.path.join(self.folder, name)
        with open(path, "wb") as file:
            file.write(data)
        return path


def binding(report, name):
    return next(entry for entry in report["bindings"] if entry["name"] == name)


def test_formats(report, made):
    with report.test("pcap, microseconds: every shape"):
        result = made.agrees("shapes.pcap", traces.microseconds(traces.ETHERNET, FRAMES))
        assert result["sent"] == len(FRAMES)
        # The judges are independent of the machine, but not of a mistake in this test.
        assert binding(result, "all")["libpcap"]["packets"] == len(FRAMES)
        assert binding(result, "arp")["matched"]["packets"] == 1
        assert binding(result, "vlan")["matched"]["packets"] == 3
    with report.test("pcap, nanoseconds"):
        made.agrees("nano.pcap", traces.microseconds(traces.ETHERNET, FRAMES, nanoseconds=True))
    with report.test("pcapng"):
        result = made.agrees("shapes.pcapng", traces.pcapng(traces.ETHERNET, FRAMES))
        assert result["sent"] == len(FRAMES)
    for link, name, wrap in ((traces.RAW, "raw IP", lambda frame: frame[14:]),
                             (traces.COOKED, "Linux-cooked", traces.cooked),
                             (traces.COOKED2, "Linux-cooked, second version", traces.cooked2)):
        with report.test(name):
            records = [wrap(frame) for frame in IP_ONLY]
            result = made.agrees("wrapped.pcap", traces.microseconds(link, records))
            assert "Ethernet header" in result["link"]
            usable = [r for r in records if link != traces.RAW or r[0] >> 4 in (4, 6)]
            assert result["sent"] == len(usable) and result["frames"] == len(records)


def test_lengths(report, made):
    with report.test("lengths: too short, jumbo, too long, snapped"):
        sizes = [0, 13, 14, 60, 1518, 1519, 2048, 2049, 4096, 9018, 9724, 9725, 65535]
        frame = traces.ethernet(0x0800, traces.ipv4(17, traces.udp(53, 53, 65500)))
        records = [frame[:size] for size in sizes] + [(frame[:100], 1400)]
        result = made.agrees("sizes.pcap", traces.microseconds(traces.ETHERNET, records))
        assert result["left_out"]["too_short"]["numbers"] == [1, 2]
        assert result["left_out"]["too_long"]["numbers"] == [12, 13]
        assert result["sent"] == 10 and result["snapped"] == 1
        assert binding(result, "large")["matched"]["packets"] == 7, "captured length counts"
    with report.test("an empty trace"):
        result = made.agrees("empty.pcap", traces.microseconds(traces.ETHERNET, []))
        assert result["frames"] == 0
    with report.test("more frames than any window"):
        result = made.agrees("many.pcap", traces.microseconds(traces.ETHERNET, FRAMES * 150))
        assert result["sent"] == 150 * len(FRAMES)


def test_mistakes(report, made):
    with report.test("a cut trace is named and fails"):
        data = traces.microseconds(traces.ETHERNET, FRAMES)[:-20]
        status, result, complaint = replays.run(made.write("cut.pcap", data))
        assert status == 1 and result["damaged"], complaint
        assert f"behind frame {len(FRAMES) - 1}: " in result["note"]
        assert result["sent"] == len(FRAMES) - 1
    with report.test("what is no trace of Ethernet frames is refused"):
        for name, data, because in (
                ("radio.pcap", traces.microseconds(traces.RADIOTAP, []), "link type"),
                ("text.pcap", b"hello, this is no capture", "unknown file format"),
                ("nothing.pcap", b"", "truncated dump file")):
            status, result, complaint = replays.run(made.write(name, data))
            assert status == 2 and result is None and because in complaint, complaint


def main():
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder:
        made = Traces(folder)
        test_formats(report, made)
        test_lengths(report, made)
        test_mistakes(report, made)
        for nic in MODELS[1:]:
            with report.test(f"every shape on {nic}"):
                made.agrees("shapes.pcap", traces.microseconds(traces.ETHERNET, FRAMES), nic)
    report.exit()


if __name__ == "__main__":
    main()
