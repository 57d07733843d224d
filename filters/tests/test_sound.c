/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verifier says of random programs, held against what they do: one that it takes touches
 * nothing but its packet, its stack and its maps' values whatever these contain, costs no more than
 * it says, and does the same as machine code. The programs are made of what verifiers get wrong:
 * paths that meet with something else in registers and stack, numbers that become offsets, forms
 * that the JIT makes one of.
 *
 * test_filters_sound [SEED [COUNT]] looks for longer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "insns.h"
#include "interp.h"
#include "verify.h"

enum {
	INSNS_MAX = 320,
	PACKET = 64,
	VALUE = 64,
	ARENA = FLT_MAP_FRAME,
	RUNS = 6,
	EXITS_MAX = 64,
	CALLS_MAX = 4,
	SLOTS = 4, /* of the stack, that programs use */
};

/* r6 and r0 to r5: numbers, r7: the arena, r8: the array's value, r9: the packet. */
struct program {
	struct flt_insn insns[INSNS_MAX];
	uint32_t n;
	uint32_t exits[EXITS_MAX], n_exits; /* jumps to the end */
	uint32_t calls[CALLS_MAX], n_calls; /* of the local function */
};

/* What a program can reach, and what must stay as it is around it. */
static struct {
	uint8_t packet[PACKET];
	uint8_t arena[ARENA] __attribute__((aligned(16)));
} memory;
static struct flt_map *maps[2];
static uint32_t n_tried, n_taken, n_native;
static size_t left; /* memory for the verifier, twice */

static uint32_t below(uint32_t n)
{
	return test_random() % n;
}

static void put(struct program *p, struct flt_insn insn)
{
	if (p->n < INSNS_MAX - 48)
		p->insns[p->n++] = insn;
}

#define PUT(...) put(p, (struct flt_insn)__VA_ARGS__)

static void put_exit(struct program *p, struct flt_insn insn)
{
	if (p->n_exits == EXITS_MAX || p->n >= INSNS_MAX - 48)
		return;
	p->exits[p->n_exits++] = p->n;
	put(p, insn);
}

/* --- what to choose from --- */

static int32_t pick_number(void)
{
	static const int32_t numbers[] = {0,   1,   2,    3,    7,     8,          15,        16,
	                                  31,  32,  33,   48,   55,    56,         57,        63,
	                                  64,  65,  127,  255,  256,   -1,         -2,        -8,
	                                  -64, 511, 4088, 4095, 65535, 0x7fffffff, INT32_MIN, 0};
	return numbers[below(FLT_ARRAY_SIZE(numbers))];
}

static uint8_t pick_size(void)
{
	static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};
	return sizes[below(4)];
}

static uint8_t pick_jump(void)
{
	static const uint8_t jumps[] = {BPF_JEQ,  BPF_JGT, BPF_JGE, BPF_JSET, BPF_JNE, BPF_JSGT,
	                                BPF_JSGE, BPF_JLT, BPF_JLE, BPF_JSLT, BPF_JSLE};
	return jumps[below(FLT_ARRAY_SIZE(jumps))];
}

static uint32_t pick_reg(void)
{
	return below(7);
}

/* A condition on numbers, with no target yet. */
static struct flt_insn condition(void)
{
	uint32_t class = below(3) ? BPF_JMP : BPF_JMP32, r = pick_reg();
	struct flt_insn k = INSN(class | pick_jump(), r, 0, 0, pick_number());
	struct flt_insn x = INSN(class | pick_jump() | BPF_X, r, pick_reg(), 0, 0);
	return below(4) ? k : x;
}

/* --- pieces --- */

static void piece_number(struct program *p)
{
	uint32_t r = pick_reg();
	switch (below(5)) {
	case 0:
		PUT(MOV_K(r, pick_number()));
		return;
	case 1:
		PUT(LOAD(pick_size(), r, 9, 8 * below(8)));
		return;
	case 2:
		PUT(LOAD(pick_size(), r, 7, 8 * below(8)));
		return;
	case 3:
		PUT(MOV_X(r, pick_reg()));
		return;
	default:
		PUT(LOAD(BPF_B, r, 9, below(PACKET)));
	}
}

static uint8_t pick_alu(void)
{
	static const uint8_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_OR,  BPF_AND,
	                              BPF_LSH, BPF_RSH, BPF_XOR, BPF_MOV, BPF_ARSH,
	                              BPF_DIV, BPF_MOD, BPF_AND, BPF_MOV};
	return ops[below(FLT_ARRAY_SIZE(ops))];
}

static void piece_alu(struct program *p)
{
	uint32_t r = pick_reg(), class = below(2) ? BPF_ALU64 : BPF_ALU;
	uint8_t op = pick_alu();
	bool divides = op == BPF_DIV || op == BPF_MOD;
	int32_t imm = pick_number();
	if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
		imm &= class == BPF_ALU64 ? 63 : 31;
	if (divides && !imm)
		imm = 3;
	if (below(2))
		PUT(INSN(class | op, r, 0, divides && !below(3), imm));
	else if (below(4))
		PUT(INSN(class | op | BPF_X, r, pick_reg(), divides && !below(3), 0));
	else if (below(2))
		PUT(INSN(class | BPF_END | (class == BPF_ALU && below(2) ? BPF_X : 0), r, 0, 0,
		         16 << below(3)));
	else if (below(2))
		PUT(INSN(class | BPF_NEG, r, 0, 0, 0));
	else
		PUT(INSN(BPF_ALU64 | BPF_MOV | BPF_X, r, pick_reg(), 8 << below(3), 0));
}

static int16_t pick_slot(uint32_t size)
{
	return (int16_t)(-8 * (int32_t)(1 + below(SLOTS)) + (int32_t)(size * below(8 / size)));
}

static void piece_stack(struct program *p)
{
	uint8_t size = pick_size();
	struct flt_insn sized = LOAD(size, 0, 0, 0);
	int16_t at = pick_slot(insn_size(&sized));
	switch (below(6)) {
	case 0:
		PUT(STORE_K(size, 10, at, below(2) ? 0 : pick_number()));
		return;
	case 1: /* a slot of zeroes, byte by byte or by halves */
		at = pick_slot(8);
		for (int16_t i = 0; i < 8; i = (int16_t)(i + insn_size(&sized)))
			PUT(STORE_K(size, 10, at + i, 0));
		return;
	case 2:
	case 3:
		PUT(STORE(size, 10, at, pick_reg()));
		return;
	default:
		PUT(LOAD(size, pick_reg(), 10, at));
	}
}

/* Somewhere in the stack. */
static void piece_anywhere(struct program *p)
{
	uint32_t r = pick_reg(), other = (r + 1) % 6;
	PUT(ALU64_K(BPF_AND, r, below(2) ? 7 : 8));
	PUT(MOV_X(other, 10));
	PUT(ALU64_K(BPF_ADD, other, -16));
	PUT(ALU64_X(BPF_ADD, other, r));
	if (below(2))
		PUT(LOAD(BPF_B, r, other, below(9)));
	else
		PUT(STORE_K(BPF_B, other, below(9), pick_number()));
	PUT(MOV_K(other, 0));
}

/* A number becomes an offset. */
static void piece_use_of(struct program *p, uint32_t r, bool bounded)
{
	bool arena = below(2);
	uint32_t to = (r + 1 + below(5)) % 7, base = arena ? 7 : 8;
	int32_t size = arena ? ARENA : VALUE, most = (int32_t)(1u << below(arena ? 13 : 7)) - 1;
	if (bounded && below(2))
		PUT(INSN((below(2) ? BPF_ALU64 : BPF_ALU) | BPF_AND, r, 0, 0, most));
	else if (bounded)
		put_exit(p, (struct flt_insn)JUMP_K(BPF_JGT, r, most, 0));
	if (bounded && below(4) == 0)
		PUT(ALU64_K(BPF_LSH, r, below(4)));
	PUT(MOV_X(to, base));
	PUT(ALU64_X(BPF_ADD, to, r));
	int16_t at = (int16_t)(below(2) ? 0 : size - most - (int32_t)below(12));
	switch (below(4)) {
	case 0:
		PUT(STORE(pick_size(), to, at, r));
		break;
	case 1:
		PUT(INSN(BPF_LDX | BPF_MEMSX | (below(3) << 3), r, to, at, 0));
		break;
	default:
		PUT(LOAD(pick_size(), r, to, at));
	}
	PUT(MOV_K(to, pick_number()));
}

static void piece_use(struct program *p)
{
	piece_use_of(p, pick_reg(), below(4));
}

static void piece_atomic(struct program *p)
{
	static const int32_t ops[] = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1};
	uint8_t size = below(2) ? BPF_W : BPF_DW;
	uint32_t base = below(3) == 0 ? 10 : 7 + below(2);
	int16_t at =
	        (int16_t)(base == 10 ? -8 * (int32_t)(1 + below(SLOTS)) : 8 * (int32_t)below(8));
	PUT(ATOMIC(size, ops[below(FLT_ARRAY_SIZE(ops))], base, at, pick_reg()));
}

static void piece_fused(struct program *p)
{
	uint32_t a = pick_reg(), b = (a + 1 + below(6)) % 7, c = (a + 1 + below(6)) % 7;
	int32_t n = 1 + (int32_t)below(63);
	uint32_t width = below(2) ? BPF_ALU64 : BPF_ALU;
	if (below(3) == 0) { /* somebody jumps into it */
		struct flt_insn in = condition();
		in.offset = (int16_t)(1 + below(4));
		put(p, in);
	}
	switch (below(7)) {
	case 0:
		PUT(MOV_X(b, a));
		PUT(ALU64_K(BPF_RSH, b, 64 - n));
		PUT(ALU64_K(BPF_LSH, a, n));
		PUT(ALU64_X(BPF_OR, a, b));
		break;
	case 1:
		PUT(MOV_X(b, a));
		PUT(ALU64_K(BPF_RSH, b, 64 - n));
		PUT(MOV_X(c, a));
		PUT(ALU64_K(BPF_LSH, c, n));
		PUT(ALU64_X(BPF_OR, c, b));
		break;
	case 2:
		PUT(ALU64_K(BPF_LSH, a, 32));
		PUT(ALU64_K(BPF_RSH, a, 32));
		break;
	case 3:
		PUT(INSN(width | BPF_MOV | BPF_X, b, a, 0, 0));
		PUT(INSN((below(2) ? BPF_ALU64 : BPF_ALU) | BPF_AND, b, 0, 0,
		         below(2) ? 0xff : 0xffff));
		break;
	case 4:
		PUT(MOV_X(b, a));
		PUT(ALU64_K(BPF_ADD, b, pick_number()));
		break;
	case 5:
		PUT(WIDE_FIRST(a, pick_number()));
		PUT(INSN(0, 0, 0, 0, pick_number()));
		PUT(ALU64_K(BPF_ADD, a, pick_number()));
		break;
	default:
		PUT(INSN(width | (below(2) ? BPF_AND : BPF_OR), a, 0, 0, pick_number()));
	}
	if (below(3) == 0) { /* compared with 0 at once */
		struct flt_insn zero =
		        INSN((below(2) ? BPF_JMP : BPF_JMP32) | (below(2) ? BPF_JEQ : BPF_JNE),
		             below(2) ? a : b, 0, 1 + below(3), 0);
		put(p, zero);
	}
	if (below(2)) /* the copy is forgotten */
		PUT(MOV_K(b, pick_number()));
}

/* A register gets one of what states differ in. */
static void put_kind_of_number(struct program *p, uint32_t r)
{
	switch (below(4)) {
	case 0:
		PUT(MOV_K(r, 0));
		return;
	case 1:
		PUT(MOV_K(r, pick_number()));
		return;
	case 2:
		PUT(LOAD(BPF_B, r, 9, below(PACKET)));
		return;
	default:
		PUT(LOAD(BPF_DW, r, 9, 8 * below(8)));
	}
}

/* So does a slot of the stack, all of it or a part. */
static void put_kind_of_slot(struct program *p, int16_t at, uint32_t r)
{
	switch (below(6)) {
	case 0:
	case 1:
		PUT(STORE(BPF_DW, 10, at, r));
		return;
	case 2:
		PUT(STORE(BPF_W, 10, at + (int16_t)(4 * below(2)), r));
		return;
	case 3:
		PUT(STORE_K(BPF_W, 10, at, 0));
		PUT(STORE_K(BPF_W, 10, at + 4, 0));
		return;
	case 4:
		for (int16_t i = 0; i < 8; i++)
			PUT(STORE_K(BPF_B, 10, at + i, below(8) ? 0 : 1));
		return;
	default:
		PUT(STORE_K(BPF_DW, 10, at, below(2) ? 0 : pick_number()));
	}
}

static void piece_long(struct program *p);
static void piece_use_of(struct program *p, uint32_t r, bool bounded);

/* Two ways to a number, two ways on which it is saved or something else is, and then what was saved
 * is an offset: what decided, and for which states? */
static void piece_join(struct program *p)
{
	uint32_t r = pick_reg(), t = (r + 1 + below(6)) % 7, at, over;
	int16_t slot = (int16_t)(-8 * (int32_t)(1 + below(SLOTS)));
	for (uint32_t way = 0; way < 2; way++) {
		if (p->n >= INSNS_MAX - 100)
			return;
		at = p->n;
		put(p, condition());
		if (way)
			put_kind_of_slot(p, slot, r);
		else
			put_kind_of_number(p, r);
		over = p->n;
		PUT(JUMP(0));
		p->insns[at].offset = (int16_t)(p->n - at - 1);
		if (way)
			put_kind_of_slot(p, slot, r);
		else
			put_kind_of_number(p, r);
		p->insns[over].offset = (int16_t)(p->n - over - 1);
		piece_long(p);
	}
	uint8_t size = pick_size();
	struct flt_insn sized = LOAD(size, 0, 0, 0);
	PUT(LOAD(size, t, 10, slot + (int16_t)(insn_size(&sized) * below(8 / insn_size(&sized)))));
	piece_use_of(p, t, below(2));
}

/* Long enough to be remembered where paths meet. */
static void piece_long(struct program *p)
{
	for (uint32_t i = 8; i; i--)
		PUT(MOV_X(9, 9));
}

static void piece_call(struct program *p)
{
	if (p->n_calls == CALLS_MAX || p->n >= INSNS_MAX - 60)
		return;
	PUT(MOV_X(1, pick_reg()));
	PUT(MOV_X(2, 2));
	PUT(MOV_X(3, 10));
	PUT(ALU64_K(BPF_ADD, 3, pick_slot(8)));
	p->calls[p->n_calls++] = p->n;
	PUT(CALL_LOCAL(0));
	for (uint32_t r = 1; r <= 5; r++)
		PUT(MOV_K(r, pick_number()));
}

static void put_pieces(struct program *p, uint32_t n, uint32_t depth);

/* Ways that part and meet again. */
static void piece_ways(struct program *p, uint32_t depth)
{
	uint32_t at = p->n;
	put(p, condition());
	put_pieces(p, 1 + below(3), depth + 1);
	if (p->n >= INSNS_MAX - 60 || at >= INSNS_MAX - 60)
		return;
	if (below(2)) {
		uint32_t over = p->n;
		PUT(JUMP(0));
		p->insns[at].offset = (int16_t)(p->n - at - 1);
		put_pieces(p, 1 + below(2), depth + 1);
		p->insns[over].offset = (int16_t)(p->n - over - 1);
	} else {
		p->insns[at].offset = (int16_t)(p->n - at - 1);
	}
}

static void piece_loop(struct program *p, uint32_t depth)
{
	if (p->n >= INSNS_MAX - 100)
		return;
	PUT(STORE_K(BPF_DW, 10, -40, 0));
	uint32_t start = p->n;
	put_pieces(p, 1 + below(2), 3);
	PUT(LOAD(BPF_DW, 5, 10, -40));
	PUT(ALU64_K(BPF_ADD, 5, 1));
	PUT(STORE(BPF_DW, 10, -40, 5));
	struct flt_insn back = JUMP_K(BPF_JLT, 5, 2 + below(12), 0);
	back.offset = (int16_t)((int32_t)start - (int32_t)p->n - 1);
	put(p, back);
}

static void put_piece(struct program *p, uint32_t depth)
{
	static void (*const pieces[])(struct program *) = {
	        piece_number,   piece_alu,  piece_alu,   piece_stack, piece_stack, piece_use,
	        piece_use,      piece_long, piece_fused, piece_fused, piece_call,  piece_atomic,
	        piece_anywhere, piece_join, piece_join,  piece_join};
	uint32_t which = below(FLT_ARRAY_SIZE(pieces) + 5);
	if (which < FLT_ARRAY_SIZE(pieces))
		pieces[which](p);
	else if (depth < 3 && which < FLT_ARRAY_SIZE(pieces) + 4)
		piece_ways(p, depth);
	else if (depth < 3)
		piece_loop(p, depth);
}

static void put_pieces(struct program *p, uint32_t n, uint32_t depth)
{
	for (; n; n--)
		put_piece(p, depth);
}

/* --- programs --- */

static void put_start(struct program *p)
{
	PUT(LOAD(BPF_W, 9, 1, 0));
	PUT(LOAD(BPF_W, 3, 1, 4));
	PUT(MOV_X(2, 9));
	PUT(ALU64_K(BPF_ADD, 2, PACKET));
	PUT(MOV_K(0, 0));
	PUT(JUMP_X(BPF_JLE, 2, 3, 1));
	PUT(EXIT);
	PUT(INSN(BPF_LD | BPF_IMM | BPF_DW, 7, BPF_PSEUDO_MAP_VALUE, 0, 0));
	PUT(INSN(0, 0, 0, 0, 0));
	PUT(INSN(BPF_LD | BPF_IMM | BPF_DW, 8, BPF_PSEUDO_MAP_VALUE, 0, 1));
	PUT(INSN(0, 0, 0, 0, 0));
	for (uint32_t r = 0; r < 7; r++)
		if (below(2))
			PUT(MOV_K(r, pick_number()));
		else
			PUT(LOAD(pick_size(), r, 9, 8 * r));
	for (int16_t slot = 1; slot <= SLOTS + 1; slot++)
		if (below(4))
			PUT(STORE_K(BPF_DW, 10, -8 * slot, 0));
}

static void put_end(struct program *p)
{
	for (uint32_t i = 0; i < p->n_exits; i++)
		p->insns[p->exits[i]].offset = (int16_t)(p->n - p->exits[i] - 1);
	for (uint32_t r = 1; r < 7; r++)
		p->insns[p->n++] = (struct flt_insn)ALU64_X(BPF_XOR, 0, r);
	p->insns[p->n++] = (struct flt_insn)EXIT;
}

/* Of two numbers and a slot of its caller's. */
static void put_function(struct program *p)
{
	for (uint32_t i = 0; i < p->n_calls; i++)
		p->insns[p->calls[i]].imm = (int32_t)(p->n - p->calls[i] - 1);
	if (below(2))
		p->insns[p->n++] = (struct flt_insn)JUMP_K(pick_jump(), 1, pick_number(), 2);
	else
		p->insns[p->n++] = (struct flt_insn)JUMP_X(pick_jump(), 1, 2, 2);
	p->insns[p->n++] = (struct flt_insn)STORE(below(2) ? BPF_DW : BPF_W, 3, 0, 1);
	p->insns[p->n++] = (struct flt_insn)JUMP(1);
	p->insns[p->n++] =
	        (struct flt_insn)STORE_K(below(2) ? BPF_W : BPF_B, 3, below(2) ? 4 : 0, 0);
	p->insns[p->n++] = (struct flt_insn)MOV_X(0, 1 + below(2));
	p->insns[p->n++] = (struct flt_insn)EXIT;
}

static void mutate(struct program *p)
{
	struct flt_insn *insn = &p->insns[below(p->n)];
	switch (below(4)) {
	case 0:
		insn->offset = (int16_t)(insn->offset + (int32_t)below(5) - 2);
		return;
	case 1:
		insn->imm = (int32_t)((uint32_t)insn->imm + below(5) - 2);
		return;
	case 2:
		insn->regs = (uint8_t)((insn->regs & 0xf0) | below(11));
		return;
	default:
		insn->regs = (uint8_t)((insn->regs & 0x0f) | below(11) << 4);
	}
}

static void generate(struct program *p)
{
	p->n = p->n_exits = p->n_calls = 0;
	put_start(p);
	if (below(2))
		put_pieces(p, 3 + below(14), 0);
	else
		piece_join(p);
	put_end(p);
	if (p->n_calls)
		put_function(p);
	for (uint32_t i = below(3); i > 1; i--)
		mutate(p);
}

/* --- runs --- */

static uint8_t pick_byte(uint32_t kind)
{
	return (uint8_t)(kind == 0 ? test_random() : kind == 1 ? below(4) : kind == 2 ? 0 : 0xff);
}

/* The same for the same seed. */
static void fill(uint64_t seed, struct flt_xdp_buff *buff)
{
	uint8_t *value = flt_map_array_base(maps[1]);
	test_random_seed(seed);
	for (uint32_t i = 0; i < PACKET; i++)
		memory.packet[i] = pick_byte(below(4));
	for (uint32_t i = 0; i < VALUE; i++)
		value[i] = pick_byte(below(4));
	for (uint32_t i = 0; i < ARENA; i++)
		memory.arena[i] = pick_byte(i / 8 % 4);
	*buff = (struct flt_xdp_buff){.data = memory.packet,
	                              .data_end = memory.packet + PACKET,
	                              .hard_start = memory.packet,
	                              .hard_end = memory.packet + PACKET};
}

struct outcome {
	uint64_t result;
	uint8_t packet[PACKET], arena[ARENA], value[VALUE];
};

static void keep(struct outcome *o, uint64_t result)
{
	o->result = result;
	memcpy(o->packet, memory.packet, PACKET);
	memcpy(o->arena, memory.arena, ARENA);
	memcpy(o->value, flt_map_array_base(maps[1]), VALUE);
}

static void print_program(const struct program *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		printf("  %3u: %02x r%u r%u %d %d\n", i, (uint32_t)p->insns[i].code,
		       insn_dst(&p->insns[i]), insn_src(&p->insns[i]), p->insns[i].offset,
		       p->insns[i].imm);
	fflush(stdout);
}

/* As the interpreter means it, and nowhere else. */
static enum flt_fault interpret(const struct flt_insn *insns, uint32_t n, uint32_t cost,
                                uint64_t seed, struct outcome *o)
{
	struct flt_xdp_buff buff;
	const struct flt_region regions[] = {
	        {(uint64_t)(uintptr_t)memory.packet, PACKET, true},
	        {(uint64_t)(uintptr_t)memory.arena, ARENA, true},
	        {(uint64_t)(uintptr_t)flt_map_array_base(maps[1]), VALUE, true},
	        {(uint64_t)(uintptr_t)&buff, sizeof(buff), false},
	};
	struct flt_interp interp = {.insns = insns,
	                            .n_insns = n,
	                            .checked = true,
	                            .regions = regions,
	                            .n_regions = 4,
	                            .budget = cost};
	fill(seed, &buff);
	keep(o, flt_interp_run(&interp, (uint64_t)(uintptr_t)&buff, 0));
	return interp.fault;
}

static void run_native(flt_native *code, uint64_t seed, struct outcome *o)
{
	struct flt_xdp_buff buff;
	fill(seed, &buff);
	keep(o, code(&buff, 0));
}

static void complain(const char *what, uint64_t seed, const struct program *p)
{
	print_program(p);
	fail_msg("seed %lu: %s", (unsigned long)seed, what);
}

static void run(const struct program *p, const struct flt_insn *insns, flt_native *code,
                uint32_t cost, uint64_t seed)
{
	static struct outcome meant, done;
	for (uint64_t i = 0; i < RUNS; i++) {
		if (interpret(insns, p->n, cost, RUNS * seed + i, &meant))
			complain("a program that was taken does what it must not", seed, p);
		if (!code)
			continue;
		run_native(code, RUNS * seed + i, &done);
		if (memcmp(&meant, &done, sizeof(done)) != 0)
			complain("machine code differs", seed, p);
	}
}

static size_t memory_left(void)
{
	return left;
}

static void try(uint64_t seed)
{
	static struct program p;
	struct flt_insn insns[INSNS_MAX];
	struct flt_verified verified;
	struct flt_error error;
	void *code = NULL;
	size_t size;
	test_random_seed(seed);
	generate(&p);
	left = below(4) ? SIZE_MAX : 2 * (8192 + below(1 << 16));
	memcpy(insns, p.insns, p.n * sizeof(*insns));
	struct flt_verify_input input = {.insns = insns,
	                                 .n_insns = p.n,
	                                 .kind = FLT_KIND_XDP,
	                                 .may_write = true,
	                                 .maps = maps,
	                                 .n_maps = 2};
	n_tried++;
	if (flt_verify(&input, &verified, &error))
		return;
	struct flt_jit_input jit = {
	        .insns = insns, .n_insns = p.n, .kind = FLT_KIND_XDP, .notes = verified.notes};
	n_taken++;
	if (!flt_jit_compile(&jit, &code, &size))
		n_native++;
	run(&p, insns, (flt_native *)code, verified.cost, seed);
	if (code)
		flt_platform.code_free(code, size);
	flt_free(verified.notes);
}

static uint64_t first_seed = 1, n_seeds = 20000;

static void programs_keep_what_was_proven(void **state)
{
	for (uint64_t i = 0; i < n_seeds; i++)
		try(first_seed + i);
	print_message("%u programs, %u taken\n", n_tried, n_taken);
	assert_true(n_taken > n_tried / 20);
	assert_int_equal(n_native, n_taken);
}

static void make_maps(void)
{
	const struct flt_map_spec arena = {
	        .type = FLT_MAP_ARENA, .max_entries = 1, .name = "arena"};
	const struct flt_map_spec array = {.type = FLT_MAP_ARRAY,
	                                   .key_size = 4,
	                                   .value_size = VALUE,
	                                   .max_entries = 1,
	                                   .name = "array"};
	if (flt_map_create(&arena, &maps[0], NULL) || flt_map_create(&array, &maps[1], NULL) ||
	    flt_map_arena_give(maps[0], 0, memory.arena))
		abort();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(programs_keep_what_was_proven)};
	struct flt_platform platform;
	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		n_seeds = strtoull(argv[2], NULL, 0);
	flt_host_platform(&platform, true);
	platform.memory_left = memory_left;
	if (flt_init(&platform))
		return 1;
	make_maps();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
