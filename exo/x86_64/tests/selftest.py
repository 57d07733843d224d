#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boot selftest.elf in QEMU for one self-test and judge how it ends.

usage: selftest.py IMAGE NAME [--cpu MODEL] [--smp N] [--machine TYPE] [--panic TEXT | --off]
                   [--icount]

Without --panic the guest must print SUCCESS and leave with code 0. With it, it must panic with TEXT
in the reason and a backtrace, and leave with the panic's code: a forbidden act that nothing stopped
reaches the end and so fails here. With --off the machine must be turned off, or reset.
"""
import argparse
import subprocess
import sys

PASSED = 1  # QEMU's status for exit code 0: 2 * code + 1
PANICKED = 5
OFF = 0  # turned off, or reset under -no-reboot
SECONDS = 60


def run(arguments):
    command = ['timeout', str(SECONDS), 'qemu-system-x86_64', '-kernel', arguments.image,
               '-machine', arguments.machine,
               '-append', f'selftest={arguments.name}', '-cpu', arguments.cpu,
               '-smp', str(arguments.smp), '-m', '96', '-display', 'none', '-serial', 'stdio',
               '-monitor', 'none', '-no-reboot', '-nic', 'none',
               '-device', 'isa-debug-exit,iobase=0xf4,iosize=4']
    if arguments.icount:
        command += ['-icount', 'shift=0']
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace', check=False)


def judge(arguments, status, output):
    """Return what is wrong, or None."""
    if arguments.off:
        return None if status == OFF else f'status {status} instead of {OFF}'
    if arguments.panic is None:
        if status != PASSED or 'selftest: SUCCESS' not in output:
            return f'status {status} instead of {PASSED}, or no SUCCESS'
        return None
    reasons = [line for line in output.splitlines() if 'PANIC on core' in line]
    if status != PANICKED:
        return f'status {status} instead of {PANICKED}'
    if len(reasons) != 1 or arguments.panic not in reasons[0]:
        return f'no single panic that says "{arguments.panic}"'
    if 'core_main+0x' not in output:
        return 'no backtrace that leads to core_main'
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('image')
    parser.add_argument('name')
    parser.add_argument('--cpu', default='max')
    parser.add_argument('--smp', type=int, default=1)
    parser.add_argument('--machine', default='pc')
    parser.add_argument('--panic')
    parser.add_argument('--off', action='store_true')
    parser.add_argument('--icount', action='store_true')
    arguments = parser.parse_args()
    result = run(arguments)
    print(result.stdout)
    wrong = judge(arguments, result.returncode, result.stdout)
    if wrong:
        sys.exit(f'selftest {arguments.name}: {wrong}')


main()
