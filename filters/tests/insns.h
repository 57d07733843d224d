/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eBPF instructions by name, for tests.
 */
#ifndef TEST_INSNS_H
#define TEST_INSNS_H

#include "bpf.h"

#define INSN(c, d, s, o, i)                                                                        \
	{                                                                                          \
		.code = (uint8_t)(c), .regs = (uint8_t)((s) << 4 | (d)), .offset = (o), .imm = (i) \
	}
#define ALU64_K(op, d, i)         INSN(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define ALU64_X(op, d, s)         INSN(BPF_ALU64 | (op) | BPF_X, d, s, 0, 0)
#define ALU32_K(op, d, i)         INSN(BPF_ALU | (op) | BPF_K, d, 0, 0, i)
#define ALU32_X(op, d, s)         INSN(BPF_ALU | (op) | BPF_X, d, s, 0, 0)
#define MOV_K(d, i)               ALU64_K(BPF_MOV, d, i)
#define MOV_X(d, s)               ALU64_X(BPF_MOV, d, s)
#define LOAD(size, d, s, o)       INSN(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s)      INSN(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_K(size, d, o, i)    INSN(BPF_ST | BPF_MEM | (size), d, 0, o, i)
#define ATOMIC(size, op, d, o, s) INSN(BPF_STX | BPF_ATOMIC | (size), d, s, o, op)
#define JUMP_K(op, d, i, o)       INSN(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define JUMP_X(op, d, s, o)       INSN(BPF_JMP | (op) | BPF_X, d, s, o, 0)
#define JUMP32_K(op, d, i, o)     INSN(BPF_JMP32 | (op) | BPF_K, d, 0, o, i)
#define JUMP(o)                   INSN(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define CALL(i)                   INSN(BPF_JMP | BPF_CALL, 0, 0, 0, i)
#define CALL_LOCAL(i)             INSN(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, i)
#define EXIT                      INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define WIDE_FIRST(d, low)        INSN(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, low)
#define WIDE(d, low, high)        WIDE_FIRST(d, low), INSN(0, 0, 0, 0, high)

#endif
