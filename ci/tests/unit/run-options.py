#!/usr/bin/env python3
"""boot/run: mistakes are named and end with status 2, --help helps, --dry-run shows QEMU's command."""
import os
import subprocess
import tempfile

from harness import paths
from harness.report import Report

import qemu  # boot/'s, by harness.paths

RUN = os.path.join(paths.TOP, "boot", "run")


def run(*words):
    return subprocess.run([RUN, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          timeout=300)


def refused(*words, because):
    result = run(*words)
    assert result.returncode == 2, f"{words}: status {result.returncode}: {result.stderr}"
    assert because in result.stderr, f"{words}: '{because}' not in '{result.stderr.strip()}'"
    assert "Traceback" not in result.stderr, result.stderr


def main():
    report = Report()
    with report.test("mistakes"):
        refused("nowhere", because="there is no appliance 'nowhere' (there are ")
        refused("nowhere.cpio", because="there is no file nowhere.cpio")
        refused("nowhere.conf", because="there is no file nowhere.conf")
        refused("--nic", "rtl8139", because="there are virtio")
        refused("--net", "wifi", because="user, tap:NAME or none is expected")
        refused("--net", "tap:nowhere0", because="there is no network device nowhere0")
        refused("--smp", "0", because="at least one core")
        refused("echo", "--media", "x", because="--media is for the video appliance")
        refused("video", "--media", "nowhere.mp4", because="there is no file nowhere.mp4")
        refused("video", "--media", os.path.abspath(__file__), because="it can't be opened as a video")
        refused("nowhere", "--capture", "x.pcapng", because="there is no appliance 'nowhere'")
        refused("echo", "--capture", "x.pcapng", "--capture-filter", "tcp prt 80", because="tcp prt 80")
        refused("echo", "--capture", "/nowhere/x.pcapng", because="--capture /nowhere/x.pcapng: it can't be written")
        refused("echo", "--capture", paths.TOP, because="a file is expected")
        refused("echo", "--cores", os.path.abspath(__file__), because="a folder is expected")
        refused("echo", "--memory", "lots", because="--memory lots: a number of MiB is expected")
        refused("echo", "--address", "10.0.2.15", because="--address 10.0.2.15: ADDR/LEN[,GATEWAY]")
        refused("echo", "--address", "10.0.2.999/24", because="--address 10.0.2.999/24: ADDR/LEN[,GATEWAY]")
        refused("--no-such-option", because="unrecognized arguments")
        refused("replay", because="replay needs a trace")
        refused("replay", "nowhere.pcap", "--bind", "a=ip", because="there is no trace nowhere.pcap")
    with report.test("replay's mistakes"):
        here = os.path.abspath(__file__)
        refused("replay", here, "--bind", "a=ip", because="unknown file format")
        seed = os.path.join(paths.TOP, "appliances/replay/host/fuzz/seeds/ethernet")
        refused("replay", seed, "--bind", "a=tcp prt 80", because="'tcp prt 80'")
        refused("replay", seed, "--bind", "noname", because="NAME=EXPRESSION is expected")
        refused("replay", seed, "--bind", "a=ip", "--bind", "a=tcp", because="two bindings named 'a'")
    with report.test("help"):
        for words in (("--help",), ("replay", "--help"), ("-h",)):
            result = run(*words)
            assert result.returncode == 0 and "Examples" in result.stdout
    with report.test("dry run"):
        result = run("echo", "--dry-run", "--nic", "e1000e", "--memory", "128", "--append", "x=y")
        assert result.returncode == 0, result.stderr
        for part in ("-device e1000e,", "-m 128 ", "x=y", "hostfwd=udp:127.0.0.1:", "echo.cpio"):
            assert part in result.stdout, f"'{part}' not in {result.stdout}"
        result = run("video6", "--dry-run", "--address", "fd00::2/64")
        assert result.returncode == 0 and "-m 160 " in result.stdout and "hostfwd" not in result.stdout, result
    with report.test("an accelerator is one under which the kernel's self-tests pass"):
        image = os.path.join(paths.BUILD, "boot", "selftest.elf")
        for name in qemu.SELF_TESTS:
            assert qemu.passes(image, name, "tcg", 120), name
        assert not qemu.passes(image, "write-null", "tcg", 120), "a panic passed"
        assert not qemu.passes(image, "nothing", "tcg", 120), "a test that is not there passed"
        assert not qemu.passes(image, "rights", "none-such"), "an accelerator that is not there"
    with report.test("what was found of KVM counts until the next start of this computer"), \
            tempfile.TemporaryDirectory() as folder:
        cache = os.path.join(folder, "kvm")
        if os.access("/dev/kvm", os.R_OK | os.W_OK):
            assert qemu.kvm_known(cache) is None
            assert qemu.kvm_works(image, cache) == qemu.kvm_known(cache)
            with open(cache, "w", encoding="ascii") as file:
                file.write("another-start yes\n")
            assert qemu.kvm_known(cache) is None
        else:
            assert qemu.kvm_known(cache) is False
    report.exit()


if __name__ == "__main__":
    main()
