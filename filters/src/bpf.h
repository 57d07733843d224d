/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opcodes of eBPF (RFC 9669) and of classic BPF (McCanne and Jacobson 1993; Linux's and libpcap's
 * additions). Both share the layout class | size or operation | mode or source.
 */
#ifndef FLT_BPF_H
#define FLT_BPF_H

/* Instruction classes (low three bits). */
enum {
	BPF_LD = 0x00,
	BPF_LDX = 0x01,
	BPF_ST = 0x02,
	BPF_STX = 0x03,
	BPF_ALU = 0x04,
	BPF_JMP = 0x05,
	BPF_JMP32 = 0x06, /* classic: RET */
	BPF_ALU64 = 0x07, /* classic: MISC */
	BPF_RET = 0x06,
	BPF_MISC = 0x07,
	BPF_CLASS_MASK = 0x07,
};

/* Sizes of loads and stores. */
enum {
	BPF_W = 0x00,
	BPF_H = 0x08,
	BPF_B = 0x10,
	BPF_DW = 0x18,
	BPF_SIZE_MASK = 0x18,
};

/* Modes of loads and stores. */
enum {
	BPF_IMM = 0x00,
	BPF_ABS = 0x20,
	BPF_IND = 0x40,
	BPF_MEM = 0x60,
	BPF_MEMSX = 0x80, /* classic: LEN */
	BPF_ATOMIC = 0xc0,
	BPF_LEN = 0x80,
	BPF_MSH = 0xa0,
	BPF_MODE_MASK = 0xe0,
};

/* Operations of ALU and ALU64. */
enum {
	BPF_ADD = 0x00,
	BPF_SUB = 0x10,
	BPF_MUL = 0x20,
	BPF_DIV = 0x30,
	BPF_OR = 0x40,
	BPF_AND = 0x50,
	BPF_LSH = 0x60,
	BPF_RSH = 0x70,
	BPF_NEG = 0x80,
	BPF_MOD = 0x90,
	BPF_XOR = 0xa0,
	BPF_MOV = 0xb0,
	BPF_ARSH = 0xc0,
	BPF_END = 0xd0,
	BPF_OP_MASK = 0xf0,
};

/* Operations of JMP and JMP32. */
enum {
	BPF_JA = 0x00,
	BPF_JEQ = 0x10,
	BPF_JGT = 0x20,
	BPF_JGE = 0x30,
	BPF_JSET = 0x40,
	BPF_JNE = 0x50,
	BPF_JSGT = 0x60,
	BPF_JSGE = 0x70,
	BPF_CALL = 0x80,
	BPF_EXIT = 0x90,
	BPF_JLT = 0xa0,
	BPF_JLE = 0xb0,
	BPF_JSLT = 0xc0,
	BPF_JSLE = 0xd0,
};

/* Source of the second operand. */
enum {
	BPF_K = 0x00,
	BPF_X = 0x08,
	BPF_A = 0x10, /* classic RET */
	BPF_SRC_MASK = 0x08,
};

/* Classic MISC. */
enum {
	BPF_TAX = 0x00,
	BPF_TXA = 0x80,
};

/* Atomic operations, in imm; otherwise ADD, OR, AND, XOR as in ALU. */
enum {
	BPF_FETCH = 0x01,
	BPF_XCHG = 0xe1,
	BPF_CMPXCHG = 0xf1,
};

/* Source registers with a meaning of their own. */
enum {
	BPF_PSEUDO_MAP = 1,       /* lldw: a map */
	BPF_PSEUDO_MAP_VALUE = 2, /* lldw: an address inside a map's first value */
	BPF_PSEUDO_CALL = 1,      /* call: a local function */
	BPF_PSEUDO_IMPORT = 2,    /* call: a function of another program, by its number */
};

/* eBPF's registers. */
enum {
	R0,
	R1,
	R2,
	R3,
	R4,
	R5,
	R6,
	R7,
	R8,
	R9,
	R10, /* frame pointer, read only */
	FLT_REGS,
};

enum {
	FLT_STACK_BYTES = 512,  /* one function's stack */
	FLT_CALL_DEPTH_MAX = 8, /* functions active at once */
	FLT_CLASSIC_WORDS = 16, /* classic BPF's scratch memory */
};

#endif
