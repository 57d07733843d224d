#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Make the kernel's symbol table, which a panic's backtrace prints.

usage: mksymbols.py NM FIRST.elf OUT.S

FIRST.elf is the kernel linked without the table. The table goes behind the text (boot/kernel.ld,
.symbols), so the second link leaves every function where the first one put it. Only functions are
kept, one name per address, cut at 47 characters.
"""
import subprocess
import sys

NAME_MOST = 47


def read_functions(nm, image):
    """Return {address: name} of the text symbols, and the address of kernel_start."""
    output = subprocess.run([nm, '-n', image], check=True, capture_output=True, text=True).stdout
    functions = {}
    start = None
    for line in output.splitlines():
        parts = line.split()
        if len(parts) != 3:
            continue
        address, kind, name = int(parts[0], 16), parts[1], parts[2]
        if name == 'kernel_start':
            start = address
        elif name == 'kernel_text_end':
            break
        elif kind in 'tTwW' and (address not in functions or kind in 'TW'):
            functions[address] = name[:NAME_MOST]
    if start is None:
        sys.exit(f'mksymbols: {image} has no kernel_start')
    return functions, start


def main():
    nm, image, out = sys.argv[1:]
    functions, start = read_functions(nm, image)
    addresses = sorted(a for a in functions if a >= start)
    with open(out, 'w', encoding='ascii') as file:
        print('\t.section .symbols, "a", @progbits', file=file)
        print('\t.globl kernel_symbols_count, kernel_symbols, kernel_symbol_names', file=file)
        print('\t.balign 8', file=file)
        print(f'kernel_symbols_count:\n\t.long {len(addresses)}', file=file)
        print('kernel_symbols:', file=file)
        for address in addresses:
            print(f'\t.long {address - start}', file=file)
        print('kernel_symbol_names:', file=file)
        for address in addresses:
            print(f'\t.asciz "{functions[address]}"', file=file)
        print('\t.section .note.GNU-stack, "", @progbits', file=file)


main()
