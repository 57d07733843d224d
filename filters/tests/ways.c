/* SPDX-License-Identifier: BSD-2-Clause */
/* Random programs whose ways part and meet. See ways.h. */
#include "ways.h"

#include "common.h"
#include "insns.h"
#include "program_internal.h"

enum { SLOTS = 4 }; /* of the stack, that programs use */

static uint32_t below(uint32_t n)
{
	return test_random() % n;
}

static void put(struct ways_program *p, struct flt_insn insn)
{
	if (p->n < WAYS_INSNS_MAX - 48)
		p->insns[p->n++] = insn;
}

#define PUT(...) put(p, (struct flt_insn)__VA_ARGS__)

static void put_exit(struct ways_program *p, struct flt_insn insn)
{
	if (p->n_exits == WAYS_EXITS_MAX || p->n >= WAYS_INSNS_MAX - 48)
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

static void piece_number(struct ways_program *p)
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
		PUT(LOAD(BPF_B, r, 9, below(WAYS_PACKET)));
	}
}

static uint8_t pick_alu(void)
{
	static const uint8_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_OR,  BPF_AND,
	                              BPF_LSH, BPF_RSH, BPF_XOR, BPF_MOV, BPF_ARSH,
	                              BPF_DIV, BPF_MOD, BPF_AND, BPF_MOV};
	return ops[below(FLT_ARRAY_SIZE(ops))];
}

static void piece_alu(struct ways_program *p)
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

static void piece_stack(struct ways_program *p)
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
static void piece_anywhere(struct ways_program *p)
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
static void piece_use_of(struct ways_program *p, uint32_t r, bool bounded)
{
	bool arena = below(2);
	uint32_t to = (r + 1 + below(5)) % 7, base = arena ? 7 : 8;
	int32_t size = arena ? WAYS_ARENA : WAYS_VALUE,
	        most = (int32_t)(1u << below(arena ? 13 : 7)) - 1;
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

static void piece_use(struct ways_program *p)
{
	piece_use_of(p, pick_reg(), below(4));
}

static void piece_atomic(struct ways_program *p)
{
	static const int32_t ops[] = {0x00, 0x40, 0x50, 0xa0, 0x01, 0x41, 0x51, 0xa1, 0xe1, 0xf1};
	uint8_t size = below(2) ? BPF_W : BPF_DW;
	uint32_t base = below(3) == 0 ? 10 : 7 + below(2);
	int16_t at =
	        (int16_t)(base == 10 ? -8 * (int32_t)(1 + below(SLOTS)) : 8 * (int32_t)below(8));
	PUT(ATOMIC(size, ops[below(FLT_ARRAY_SIZE(ops))], base, at, pick_reg()));
}

static void piece_fused(struct ways_program *p)
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
static void put_kind_of_number(struct ways_program *p, uint32_t r)
{
	switch (below(4)) {
	case 0:
		PUT(MOV_K(r, 0));
		return;
	case 1:
		PUT(MOV_K(r, pick_number()));
		return;
	case 2:
		PUT(LOAD(BPF_B, r, 9, below(WAYS_PACKET)));
		return;
	default:
		PUT(LOAD(BPF_DW, r, 9, 8 * below(8)));
	}
}

/* So does a slot of the stack, all of it or a part. */
static void put_kind_of_slot(struct ways_program *p, int16_t at, uint32_t r)
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

static void piece_long(struct ways_program *p);
static void piece_use_of(struct ways_program *p, uint32_t r, bool bounded);

/* Two ways to a number, two ways on which it is saved or something else is, and then what was saved
 * is an offset: what decided, and for which states? */
static void piece_join(struct ways_program *p)
{
	uint32_t r = pick_reg(), t = (r + 1 + below(6)) % 7, at, over;
	int16_t slot = (int16_t)(-8 * (int32_t)(1 + below(SLOTS)));
	for (uint32_t way = 0; way < 2; way++) {
		if (p->n >= WAYS_INSNS_MAX - 100)
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
static void piece_long(struct ways_program *p)
{
	for (uint32_t i = 8; i; i--)
		PUT(MOV_X(9, 9));
}

static void piece_call(struct ways_program *p)
{
	if (p->n_calls == WAYS_CALLS_MAX || p->n >= WAYS_INSNS_MAX - 60)
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

static void put_pieces(struct ways_program *p, uint32_t n, uint32_t depth);

/* Ways that part and meet again. */
static void piece_ways(struct ways_program *p, uint32_t depth)
{
	uint32_t at = p->n;
	put(p, condition());
	put_pieces(p, 1 + below(3), depth + 1);
	if (p->n >= WAYS_INSNS_MAX - 60 || at >= WAYS_INSNS_MAX - 60)
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

static void piece_loop(struct ways_program *p, uint32_t depth)
{
	if (p->n >= WAYS_INSNS_MAX - 100)
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

static void put_piece(struct ways_program *p, uint32_t depth)
{
	static void (*const pieces[])(struct ways_program *) = {
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

static void put_pieces(struct ways_program *p, uint32_t n, uint32_t depth)
{
	for (; n; n--)
		put_piece(p, depth);
}

/* --- programs --- */

static void put_start(struct ways_program *p)
{
	PUT(LOAD(BPF_W, 9, 1, 0));
	PUT(LOAD(BPF_W, 3, 1, 4));
	PUT(MOV_X(2, 9));
	PUT(ALU64_K(BPF_ADD, 2, WAYS_PACKET));
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
	for (int32_t slot = 1; slot <= SLOTS + 1; slot++)
		if (below(4))
			PUT(STORE_K(BPF_DW, 10, (int16_t)(-8 * slot), 0));
}

static void put_end(struct ways_program *p)
{
	for (uint32_t i = 0; i < p->n_exits; i++)
		p->insns[p->exits[i]].offset = (int16_t)(p->n - p->exits[i] - 1);
	for (uint32_t r = 1; r < 7; r++)
		p->insns[p->n++] = (struct flt_insn)ALU64_X(BPF_XOR, 0, r);
	p->insns[p->n++] = (struct flt_insn)EXIT;
}

/* Of two numbers and a slot of its caller's. */
static void put_function(struct ways_program *p)
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

static void mutate(struct ways_program *p)
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

void ways_generate(struct ways_program *p)
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
