#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""make_vectors.py > vectors.txt: programs, memory and what they must return, for every instruction of
RFC 9669. The results come from the model below, which follows the RFC's text and shares nothing with
the engine. A line is NAME | MEMORY | RESULT | PROGRAM, bytes in hex; RESULT `error` says that the
program must be refused or stopped."""
import struct

M64, M32 = 2**64 - 1, 2**32 - 1
LD, LDX, ST, STX, ALU, JMP, JMP32, ALU64 = range(8)
B, H, W, DW = 0x10, 0x08, 0x00, 0x18
SIZES = {B: 1, H: 2, W: 4, DW: 8}
K, X = 0, 8
OPS = {"add": 0x00, "sub": 0x10, "mul": 0x20, "div": 0x30, "or": 0x40, "and": 0x50, "lsh": 0x60,
       "rsh": 0x70, "neg": 0x80, "mod": 0x90, "xor": 0xa0, "mov": 0xb0, "arsh": 0xc0, "end": 0xd0}
JUMPS = {"jeq": 0x10, "jgt": 0x20, "jge": 0x30, "jset": 0x40, "jne": 0x50, "jsgt": 0x60,
         "jsge": 0x70, "jlt": 0xa0, "jle": 0xb0, "jslt": 0xc0, "jsle": 0xd0}
NUMBERS = [0, 1, 2, 7, 31, 0x7f, 0x80, 0x7fffffff, 0x80000000, M32, 0x100000000, 0x123456789abcdef0,
           2**63 - 1, 2**63, M64, M64 - 6]
CONSTANTS = [0, 1, 3, -1, -7, 0x7fffffff, -2**31]
lines = []


def insn(code, dst=0, src=0, offset=0, imm=0):
    imm &= M32
    return struct.pack("<BBhI", code, dst | src << 4, offset, imm)


def wide(dst, value, src=0):
    return insn(LD | DW, dst, src, 0, value & M32) + insn(0, 0, 0, 0, value >> 32 & M32)


def mov(dst, imm):
    return insn(ALU64 | OPS["mov"] | K, dst, 0, 0, imm)


def copy(dst, src):
    return insn(ALU64 | OPS["mov"] | X, dst, src)


def call(number, src=0):
    return insn(JMP | 0x80, 0, src, 0, number)


EXIT = insn(JMP | 0x90)


def vector(name, result, *program, memory=b""):
    shown = result if result == "error" else f"{result & M64:x}"
    lines.append(f"{name} | {memory.hex(' ')} | {shown} | {b''.join(program).hex()}")


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


def truncated(a, b):
    """Division towards zero."""
    quotient = abs(a) // abs(b)
    return quotient if (a < 0) == (b < 0) else -quotient


def alu(name, a, b, bits, is_signed=False):
    mask = (1 << bits) - 1
    a, b = a & mask, b & mask
    sa, sb = signed(a, bits), signed(b, bits)
    results = {
        "add": lambda: a + b, "sub": lambda: a - b, "mul": lambda: a * b, "or": lambda: a | b,
        "and": lambda: a & b, "xor": lambda: a ^ b, "mov": lambda: b, "neg": lambda: -a,
        "lsh": lambda: a << (b % bits), "rsh": lambda: a >> (b % bits),
        "arsh": lambda: sa >> (b % bits),
        "div": lambda: 0 if not b else truncated(sa, sb) if is_signed else a // b,
        "mod": lambda: a if not b else sa - sb * truncated(sa, sb) if is_signed else a % b}
    return results[name]() & mask


def arithmetic():
    for name, op in OPS.items():
        if name == "end":
            continue
        for bits, group in ((32, ALU), (64, ALU64)):
            for offset in (0, 1) if name in ("div", "mod") else (0,):
                label = f"{'s' if offset else ''}{name}{bits}"
                for a in NUMBERS:
                    for b in NUMBERS if name != "neg" else NUMBERS[:1]:
                        source = [wide(1, b)] if name != "neg" else []
                        body = insn(group | op | (X if source else K), 0, 1 if source else 0, offset)
                        vector(f"{label} {a:x} {b:x}", alu(name, a, b, bits, offset),
                               wide(0, a), *source, body, EXIT)
                    for k in CONSTANTS if name != "neg" else ():
                        vector(f"{label} {a:x} imm {k}", alu(name, a, k, bits, offset),
                               wide(0, a), insn(group | op | K, 0, 0, offset, k), EXIT)


def registers():
    """Division and shifts with each pair of registers: machine code has its own ideas of those."""
    for name in ("div", "mod", "lsh", "arsh", "mul"):
        for dst in range(10):
            for src in range(10):
                b = 5 if dst != src else 1000003
                vector(f"{name}64 r{dst} r{src}", alu(name, 1000003, b, 64), mov(dst, 1000003),
                       *([mov(src, 5)] if dst != src else []),
                       insn(ALU64 | OPS[name] | X, dst, src), copy(0, dst), EXIT)
    for kept in range(1, 10):
        others = [r for r in range(10) if r != kept]
        vector(f"division keeps r{kept}", 77, mov(kept, 77),
               *[mov(r, 9) for r in others if r], mov(0, 100),
               insn(ALU64 | OPS["div"] | X, 0, others[-1]), copy(0, kept), EXIT)


def moves():
    for value in NUMBERS:
        for bits, group in ((32, ALU), (64, ALU64)):
            for width in (8, 16, 32)[:2 if bits == 32 else 3]:
                vector(f"movsx{width} to {bits} {value:x}", signed(value, width) & ((1 << bits) - 1),
                       wide(1, value), insn(group | OPS["mov"] | X, 0, 1, width), EXIT)
        for width in (16, 32, 64):
            low = value & ((1 << width) - 1)
            swapped = int.from_bytes(low.to_bytes(width // 8, "little"), "big")
            for name, code, result in (("le", ALU | K, low), ("be", ALU | X, swapped),
                                       ("bswap", ALU64 | K, swapped)):
                vector(f"{name}{width} {value:x}", result, wide(0, value),
                       insn(code | OPS["end"], 0, 0, 0, width), EXIT)
        vector(f"lddw {value:x}", value, wide(0, value), EXIT)


def holds(name, a, b, bits):
    mask = (1 << bits) - 1
    a, b = a & mask, b & mask
    sa, sb = signed(a, bits), signed(b, bits)
    return {"jeq": a == b, "jne": a != b, "jgt": a > b, "jge": a >= b, "jlt": a < b, "jle": a <= b,
            "jset": a & b != 0, "jsgt": sa > sb, "jsge": sa >= sb, "jslt": sa < sb,
            "jsle": sa <= sb}[name]


def jumps():
    for name, op in JUMPS.items():
        for bits, group in ((64, JMP), (32, JMP32)):
            for a in NUMBERS:
                for b in NUMBERS:
                    vector(f"{name}{bits} {a:x} {b:x}", holds(name, a, b, bits), wide(1, a),
                           wide(2, b), mov(0, 1), insn(group | op | X, 1, 2, 1), mov(0, 0), EXIT)
                for k in CONSTANTS:
                    vector(f"{name}{bits} {a:x} imm {k}", holds(name, a, k, bits), wide(1, a),
                           mov(0, 1), insn(group | op | K, 1, 0, 1, k), mov(0, 0), EXIT)
    vector("ja", 1, mov(0, 1), insn(JMP, 0, 0, 1), mov(0, 2), EXIT)
    vector("ja 32", 1, mov(0, 1), insn(JMP32, 0, 0, 0, 1), mov(0, 2), EXIT)
    vector("ja backwards", 3, insn(JMP, 0, 0, 2), mov(0, 3), EXIT, insn(JMP, 0, 0, -3))
    vector("ja 32 far", 7, mov(0, 7), insn(JMP32, 0, 0, 0, 40000), *[mov(0, 8)] * 40000, EXIT)
    vector("loop", 5050, mov(0, 0), mov(1, 100), insn(ALU64 | OPS["add"] | X, 0, 1),
           insn(ALU64 | OPS["sub"] | K, 1, 0, 0, 1), insn(JMP | JUMPS["jne"], 1, 0, -3), EXIT)


def memory():
    data = bytes([0x81, 0x92, 0xa3, 0xb4, 0xc5, 0xd6, 0xe7, 0xf8, 0x09, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e,
                  0x6f, 0x70])
    for size, n in SIZES.items():
        for at in (0, 1, 3, 8, 16 - n):
            value = int.from_bytes(data[at:at + n], "little")
            vector(f"ldx{n} {at}", value, insn(LDX | 0x60 | size, 0, 1, at), EXIT, memory=data)
            vector(f"stx{n} {at}", 0x1122334455667788 & ((1 << 8 * n) - 1),
                   wide(2, 0x1122334455667788), insn(STX | 0x60 | size, 1, 2, at),
                   insn(LDX | 0x60 | size, 0, 1, at), EXIT, memory=data)
            vector(f"st{n} {at}", -0x1234567 & ((1 << 8 * n) - 1),
                   insn(ST | 0x60 | size, 1, 0, at, -0x1234567),
                   insn(LDX | 0x60 | size, 0, 1, at), EXIT, memory=data)
            if n < 8:
                vector(f"ldxs{n} {at}", signed(value, 8 * n), insn(LDX | 0x80 | size, 0, 1, at),
                       EXIT, memory=data)
        for at in (-1, -n, 17 - n, 16, 32767, -32768):
            vector(f"ldx{n} outside {at}", "error", insn(LDX | 0x60 | size, 0, 1, at), EXIT,
                   memory=data)
            vector(f"st{n} outside {at}", "error", insn(ST | 0x60 | size, 1, 0, at, 1), mov(0, 0),
                   EXIT, memory=data)
        vector(f"ld{n} same register", int.from_bytes(data[:n], "little"),
               insn(LDX | 0x60 | size, 1, 1), copy(0, 1), EXIT, memory=data)
        vector(f"st{n} above the stack", "error", insn(ST | 0x60 | size, 10, 0, 1 - n, 1), mov(0, 0),
               EXIT)
        vector(f"ldx{n} from 0", "error", mov(1, 0), insn(LDX | 0x60 | size, 0, 1), EXIT)
    vector("stack's last byte", 9, insn(ST | 0x60 | B, 10, 0, -512, 9),
           insn(LDX | 0x60 | B, 0, 10, -512), EXIT)
    vector("length", 16, copy(0, 2), EXIT, memory=data)
    vector("no memory", 0, copy(0, 1), insn(ALU64 | OPS["or"] | X, 0, 2), EXIT)


def atomics():
    old, new = 0x1122334455667788, 0x0f0f0f0ff0f0f0f1
    for size, bits in ((W, 32), (DW, 64)):
        mask = (1 << bits) - 1
        data = old.to_bytes(8, "little") + b"\xee" * 8
        rest = old & ~mask
        code = STX | 0xc0 | size
        for name in ("add", "or", "and", "xor"):
            after = alu(name, old, new, bits) | rest
            for fetch in (0, 1):
                label = f"lock {'fetch ' if fetch else ''}{name}{bits}"
                run = [wide(3, new), insn(code, 1, 3, 0, OPS[name] | fetch)]
                vector(f"{label}: memory", after, *run, insn(LDX | 0x60 | DW, 0, 1), EXIT,
                       memory=data)
                vector(f"{label}: register", old & mask if fetch else new, *run, copy(0, 3), EXIT,
                       memory=data)
                if fetch:
                    vector(f"{label}: r0", old & mask, wide(0, new),
                           insn(code, 1, 0, 0, OPS[name] | 1), EXIT, memory=data)
        run = [wide(3, new), insn(code, 1, 3, 0, 0xe1)]
        vector(f"xchg{bits}: memory", (new & mask) | rest, *run, insn(LDX | 0x60 | DW, 0, 1), EXIT,
               memory=data)
        vector(f"xchg{bits}: register", old & mask, *run, copy(0, 3), EXIT, memory=data)
        for expected in (old, old ^ 1, old ^ (1 << 40)):
            same = expected & mask == old & mask
            run = [wide(0, expected), wide(3, new), insn(code, 1, 3, 0, 0xf1)]
            vector(f"cmpxchg{bits} {expected:x}: r0", old & mask, *run, EXIT, memory=data)
            vector(f"cmpxchg{bits} {expected:x}: memory", (new & mask) | rest if same else old, *run,
                   insn(LDX | 0x60 | DW, 0, 1), EXIT, memory=data)
            vector(f"cmpxchg{bits} {expected:x}: source", new, *run, copy(0, 3), EXIT, memory=data)
        vector(f"atomic{bits} outside", "error", mov(3, 1), insn(code, 1, 3, 16 - bits // 8 + 1),
               mov(0, 0), EXIT, memory=data)
        vector(f"atomic{bits} unknown", "error", mov(3, 1), insn(code, 1, 3, 0, 0x21), mov(0, 0),
               EXIT, memory=data)
    for size in (B, H):
        vector("atomic of a small size", "error", mov(3, 1), insn(STX | 0xc0 | size, 1, 3), mov(0, 0),
               EXIT, memory=bytes(8))


def calls():
    vector("call: arguments and result", 15, mov(1, 1), mov(2, 2), mov(3, 3), mov(4, 4), mov(5, 5),
           call(1, 1), EXIT, mov(0, 0),
           *[insn(ALU64 | OPS["add"] | X, 0, r) for r in range(1, 6)], EXIT)
    for r in range(6, 10):
        vector(f"call keeps r{r}", 11, mov(r, 11), call(2, 1), copy(0, r), EXIT, mov(r, 12),
               mov(0, 0), EXIT)
    vector("call has its own stack", 5, insn(ST | 0x60 | DW, 10, 0, -8, 5), call(2, 1),
           insn(LDX | 0x60 | DW, 0, 10, -8), EXIT, insn(ST | 0x60 | DW, 10, 0, -8, 6), mov(0, 0),
           EXIT)
    vector("call reads its caller's stack", 5, insn(ST | 0x60 | DW, 10, 0, -8, 5), copy(1, 10),
           call(1, 1), EXIT, insn(LDX | 0x60 | DW, 0, 1, -8), EXIT)
    # A chain of functions, each adding 1 to what the next one gives.
    for depth, result in ((7, 7), (8, "error")):
        chain = [call(1, 1), EXIT]
        for _ in range(depth - 1):
            chain += [call(2, 1), insn(ALU64 | OPS["add"] | K, 0, 0, 0, 1), EXIT]
        vector(f"{depth} calls deep", result, *chain, mov(0, 1), EXIT)
    vector("endless recursion", "error", call(-1, 1), EXIT)
    vector("endless loop", "error", mov(0, 0), insn(JMP, 0, 0, -1), EXIT)
    for number in (5, 7, 8):
        vector(f"helper {number}", 3, call(number), mov(0, 3), EXIT)
        vector(f"callx r2 = {number}", 3, mov(2, number), insn(JMP | 0x88, 2), mov(0, 3), EXIT)
        vector(f"callx r9 = {number}, older encoding", 3, mov(9, number),
               insn(JMP | 0x88, 0, 0, 0, 9), mov(0, 3), EXIT)
    vector("helper keeps r6", 6, mov(6, 6), call(5), copy(0, 6), EXIT)
    vector("callx of no helper", "error", mov(2, 99999), insn(JMP | 0x88, 2), EXIT)
    vector("callx of a helper that takes pointers", "error", mov(2, 1), insn(JMP | 0x88, 2), EXIT)
    vector("callx by the frame pointer", "error", insn(JMP | 0x88, 10), EXIT)
    vector("helper that takes pointers", "error", call(1), EXIT)
    vector("no such helper", "error", call(99999), EXIT)
    vector("runtime function", "error", call(42, 2), EXIT)


def packets():
    data = bytes(range(0x10, 0x20))
    for size in (B, H, W):
        n = SIZES[size]
        for at in (0, 3, 16 - n):
            value = int.from_bytes(data[at:at + n], "big")
            vector(f"ldabs{n} {at}", value, insn(LD | 0x20 | size, 0, 0, 0, at), EXIT, memory=data)
            vector(f"ldind{n} {at}", value, mov(7, at), insn(LD | 0x40 | size, 0, 7), EXIT,
                   memory=data)
            vector(f"ldind{n} {at} both", value, mov(7, at), insn(LD | 0x40 | size, 0, 7, 0, 0), EXIT,
                   memory=data)
        for at in (17 - n, 16, 0x7fffffff, -1):
            vector(f"ldabs{n} outside {at}", 0, mov(0, 9), insn(LD | 0x20 | size, 0, 0, 0, at),
                   mov(0, 8), EXIT, memory=data)
            vector(f"ldind{n} outside {at}", 0, mov(0, 9), mov(7, at), insn(LD | 0x40 | size, 0, 7),
                   mov(0, 8), EXIT, memory=data)
    vector("ldabs of 8 bytes", "error", insn(LD | 0x20 | DW, 0, 0, 0, 0), EXIT, memory=data)
    vector("ldabs without memory", 0, insn(LD | 0x20 | B), mov(0, 1), EXIT)
    vector("ldabs outside ends in a function, too", 0, call(1, 1), EXIT, insn(LD | 0x20 | W, 0, 0, 0, 99),
           mov(0, 1), EXIT, memory=data)


def malformed():
    end = [mov(0, 0), EXIT]
    cases = {
        "nothing": [], "falls off the end": [mov(0, 0)], "ends in a call": [mov(0, 0), call(-1, 1)],
        "jumps out": [insn(JMP, 0, 0, 5), *end], "jumps before": [insn(JMP, 0, 0, -2), *end],
        "jumps into a wide immediate": [insn(JMP, 0, 0, 1), wide(0, 1), EXIT],
        "half a wide immediate": [insn(LD | DW, 0)],
        "second half is no half": [insn(LD | DW, 0), *end],
        "r11 read": [copy(0, 11), EXIT], "r11 written": [mov(11, 0), *end],
        "r10 written": [mov(10, 0), *end], "r10 loaded": [insn(LDX | 0x60 | DW, 10, 10, -8), *end],
        "unknown alu": [insn(ALU64 | 0xe0, 0), EXIT], "unknown jump": [insn(JMP | 0xf0), EXIT],
        "exit in 32 bits": [mov(0, 0), insn(JMP32 | 0x90)], "swap of 8": [insn(ALU | 0xd0, 0, 0, 0, 8), *end],
        "source that is not used": [insn(ALU64 | OPS["mov"] | K, 0, 3), EXIT],
        "immediate that is not used": [insn(ALU64 | OPS["mov"] | X, 0, 1, 0, 7), EXIT],
        "offset of add": [mov(0, 0), insn(ALU64 | OPS["add"] | K, 0, 0, 1, 7), EXIT],
        "offset 2 of div": [mov(0, 0), insn(ALU64 | OPS["div"] | K, 0, 0, 2, 7), EXIT],
        "movsx of 64": [mov(1, 0), insn(ALU64 | OPS["mov"] | X, 0, 1, 64), EXIT],
        "movsx of 32 to 32": [mov(1, 0), insn(ALU | OPS["mov"] | X, 0, 1, 32), EXIT],
        "wide immediate with a map": [wide(0, 1, 1), EXIT],
        "calls before the program": [call(-2, 1), *end], "calls behind it": [call(9, 1), *end],
        "load of an unknown mode": [insn(LDX | 0xa0 | W, 0, 1), *end],
    }
    for name, program in cases.items():
        vector(f"malformed: {name}", "error", *program)


for part in (arithmetic, registers, moves, jumps, memory, atomics, calls, packets, malformed):
    part()
print("# Written by make_vectors.py.")
print("\n".join(line for line in lines))
