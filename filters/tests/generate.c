/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random xdp programs. See generate.h.
 *
 * r6 holds the context, r7 and r8 the packet's ends, r9 a pointer to a map's value or a number.
 * Every piece starts from what the ones before it may have left, so that programs make sense often
 * enough; then some instructions are changed a little.
 */
#include "generate.h"

#include "common.h"
#include "insns.h"
#include "internal.h"

const struct flt_map_spec generate_maps[GENERATE_MAPS] = {
        {.type = FLT_MAP_ARRAY, .key_size = 4, .value_size = 48, .max_entries = 4, .name = "array"},
        {.type = FLT_MAP_HASH, .key_size = 8, .value_size = 24, .max_entries = 8, .name = "hash"},
        {.type = FLT_MAP_LPM_TRIE,
         .key_size = 8,
         .value_size = 16,
         .max_entries = 8,
         .flags = 1,
         .name = "lpm"},
};

struct program {
	struct flt_insn *insns;
	uint32_t n;
	uint32_t exits[64]; /* jumps that go to the end */
	uint32_t n_exits;
	uint32_t calls[8]; /* of the local function */
	uint32_t n_calls;
};

static uint32_t below(uint32_t n)
{
	return test_random() % n;
}

static void put(struct program *p, struct flt_insn insn)
{
	if (p->n < GENERATE_INSNS_MAX - 32)
		p->insns[p->n++] = insn;
}

#define PUT(...) put(p, (struct flt_insn)__VA_ARGS__)

/* A conditional jump to the end. */
static void put_exit(struct program *p, struct flt_insn insn)
{
	if (p->n_exits < FLT_ARRAY_SIZE(p->exits) && p->n < GENERATE_INSNS_MAX - 32)
		p->exits[p->n_exits++] = p->n;
	put(p, insn);
}

static int32_t pick_number(void)
{
	static const int32_t numbers[] = {0,    1,     2,          3,         4,  7,  8,   14,
	                                  15,   16,    31,         32,        33, 47, 48,  63,
	                                  64,   100,   255,        256,       -1, -8, -64, 512,
	                                  1500, 65535, 0x7fffffff, INT32_MIN, -2, 40};
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

static uint8_t pick_alu(void)
{
	/* No divisions: Linux knows nothing of their results, so more is taken here. */
	static const uint8_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_OR,  BPF_AND,
	                              BPF_LSH, BPF_RSH, BPF_XOR, BPF_MOV, BPF_ARSH};
	return ops[below(FLT_ARRAY_SIZE(ops))];
}

/* r0 … r3: numbers, mostly. */
static uint32_t pick_scratch(void)
{
	return below(4);
}

static void piece_number(struct program *p)
{
	uint32_t r = pick_scratch();
	switch (below(4)) {
	case 0:
		PUT(MOV_K(r, pick_number()));
		return;
	case 1:
		PUT(CALL(below(2) ? 7 : 5));
		PUT(MOV_X(r, 0));
		return;
	case 2:
		PUT(LOAD(BPF_W, r, 6, below(2) ? 12 : 16));
		return;
	default:
		PUT(WIDE_FIRST(r, pick_number()));
		PUT(INSN(0, 0, 0, 0, pick_number()));
	}
}

static void piece_alu(struct program *p)
{
	uint32_t r = pick_scratch(), class = below(2) ? BPF_ALU64 : BPF_ALU;
	uint8_t op = pick_alu();
	int32_t imm = pick_number();
	if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH)
		imm &= 31;
	if (below(3))
		PUT(INSN(class | op, r, 0, 0, imm));
	else if (below(4)) /* not of a register with itself: Linux does not know that r ^ r is 0 */
		PUT(INSN(class | op | BPF_X, r, (r + 1 + below(3)) % 4, 0, 0));
	else if (below(2))
		PUT(INSN(class | BPF_END | (class == BPF_ALU && below(2) ? BPF_X : 0), r, 0, 0,
		         16 << below(3)));
	else
		PUT(INSN(BPF_ALU64 | BPF_MOV | BPF_X, r, pick_scratch(), 8 << below(3), 0));
}

/* A condition on a number, to the end or over the next instructions. */
static void piece_condition(struct program *p)
{
	uint32_t r = pick_scratch(), class = below(3) ? BPF_JMP : BPF_JMP32;
	struct flt_insn k = INSN(class | pick_jump(), r, 0, 0, pick_number());
	struct flt_insn x = INSN(class | pick_jump() | BPF_X, r, pick_scratch(), 0, 0);
	struct flt_insn insn = below(4) ? k : x;
	if (below(2)) {
		put_exit(p, insn);
		return;
	}
	insn.offset = (int16_t)(1 + below(3));
	put(p, insn);
}

/* Is there so much packet behind r? Any of the ways to ask. */
static void put_packet_check(struct program *p, uint32_t r, int32_t length)
{
	static const uint8_t ops[] = {BPF_JGT, BPF_JGE, BPF_JLT, BPF_JLE};
	uint8_t op = ops[below(4)];
	bool pointer_first = below(3);
	PUT(MOV_X(2, r));
	PUT(ALU64_K(BPF_ADD, 2, length));
	struct flt_insn insn = pointer_first ? (struct flt_insn)JUMP_X(op, 2, 8, 0)
	                                     : (struct flt_insn)JUMP_X(op, 8, 2, 0);
	bool exits_when_beyond = pointer_first == (op == BPF_JGT || op == BPF_JGE);
	if (exits_when_beyond || !below(6)) {
		put_exit(p, insn);
		return;
	}
	insn.offset = 1;
	put(p, insn);
	put_exit(p, (struct flt_insn)JUMP(0));
}

static int16_t near(int32_t length)
{
	return (int16_t)(below(4) ? (int32_t)below((uint32_t)length) : length - (int32_t)below(9));
}

static void piece_packet(struct program *p)
{
	int32_t length = (int32_t)(1 + below(64));
	put_packet_check(p, 7, length);
	for (uint32_t i = below(3) + 1; i; i--) {
		if (below(4))
			PUT(LOAD(pick_size(), pick_scratch(), 7, near(length)));
		else
			PUT(STORE_K(pick_size(), 7, near(length), pick_number()));
	}
}

/* A variable offset into the packet. */
static void piece_variable(struct program *p)
{
	int32_t length = (int32_t)(1 + below(40));
	put_packet_check(p, 7, 20);
	PUT(LOAD(below(2) ? BPF_B : below(2) ? BPF_H : BPF_W, 1, 7, below(16)));
	if (below(3))
		PUT(ALU64_K(BPF_AND, 1, (int32_t)(1u << below(17)) - 1));
	if (below(2))
		PUT(ALU64_K(BPF_LSH, 1, (int32_t)below(4)));
	if (below(4) == 0)
		put_exit(p, (struct flt_insn)JUMP_K(pick_jump(), 1, pick_number(), 0));
	PUT(MOV_X(3, 7));
	PUT(ALU64_X(below(8) ? BPF_ADD : BPF_SUB, 3, 1));
	put_packet_check(p, 3, length);
	PUT(LOAD(pick_size(), 0, 3, near(length)));
	PUT(MOV_K(3, 0));
}

static void piece_stack(struct program *p)
{
	int16_t at = (int16_t)(-8 * (int32_t)(1 + below(6)));
	uint32_t r = pick_scratch();
	switch (below(6)) {
	case 0:
		PUT(STORE_K(BPF_DW, 10, at, pick_number()));
		return;
	case 1:
		PUT(STORE(pick_size(), 10, at + (int16_t)(4 * below(2)), r));
		return;
	case 2:
		PUT(STORE(BPF_DW, 10, at, 6 + below(4)));
		PUT(LOAD(BPF_DW, below(3) ? 9 : r, 10, at));
		return;
	case 3:
		PUT(STORE(BPF_DW, 10, at, r));
		PUT(LOAD(pick_size(), pick_scratch(), 10, at + (int16_t)below(8)));
		return;
	case 4:
		PUT(STORE(BPF_W, 10, at, r));
		PUT(LOAD(BPF_W, pick_scratch(), 10, at));
		return;
	default: /* a variable offset */
		PUT(STORE_K(BPF_DW, 10, -8, 0));
		PUT(STORE_K(BPF_DW, 10, -16, 0));
		PUT(ALU64_K(BPF_AND, r, below(2) ? 7 : 15));
		PUT(MOV_X(4, 10));
		PUT(ALU64_K(BPF_ADD, 4, -16));
		PUT(ALU64_X(BPF_ADD, 4, r));
		PUT(LOAD(BPF_B, 0, 4, below(10)));
	}
}

static void piece_map(struct program *p)
{
	uint32_t map = below(GENERATE_MAPS);
	int32_t size = (int32_t)generate_maps[map].value_size;
	PUT(STORE_K(BPF_DW, 10, -8, (int32_t)below(6)));
	if (below(2))
		PUT(STORE_K(BPF_W, 10, -8, (int32_t)below(6)));
	PUT(MOV_X(2, 10));
	PUT(ALU64_K(BPF_ADD, 2, below(8) ? -8 : -40));
	PUT(INSN(BPF_LD | BPF_IMM | BPF_DW, 1, BPF_PSEUDO_MAP, 0, (int32_t)map));
	PUT(INSN(0, 0, 0, 0, 0));
	PUT(CALL(1));
	if (below(3) == 0)
		PUT(MOV_X(9, 0));
	if (below(10))
		put_exit(p, (struct flt_insn)JUMP_K(below(8) ? BPF_JEQ : BPF_JNE, 0, 0, 0));
	uint32_t r = below(4) ? 0 : 9;
	switch (below(4)) {
	case 0:
		PUT(LOAD(pick_size(), 1, r, near(size)));
		break;
	case 1:
		PUT(STORE_K(pick_size(), r, near(size), 1));
		break;
	case 2:
		PUT(MOV_K(1, 1));
		PUT(ATOMIC(below(2) ? BPF_W : BPF_DW,
		           below(2) ? BPF_ADD : (int32_t)(BPF_ADD | BPF_FETCH), r, near(size), 1));
		break;
	default:
		PUT(LOAD(BPF_W, 1, 6, 16));
		PUT(INSN((below(2) ? BPF_ALU64 : BPF_ALU) | BPF_AND, 1, 0, 0,
		         (int32_t)(1u << below(6)) - 1));
		PUT(ALU64_X(BPF_ADD, r, 1));
		PUT(LOAD(pick_size(), 1, r, below(24)));
	}
	PUT(MOV_K(0, 0));
	PUT(MOV_K(1, 0));
	PUT(MOV_K(2, 0));
	PUT(MOV_K(3, 0));
}

static void piece_loop(struct program *p)
{
	int32_t by = 1 + (int32_t)below(2);
	PUT(MOV_K(1, 0));
	uint32_t start = p->n;
	PUT(ALU64_K(BPF_ADD, 1, by));
	piece_alu(p);
	struct flt_insn back =
	        JUMP_K(below(2) ? BPF_JLT : BPF_JNE, 1, by * (int32_t)(1 + below(40)), 0);
	back.offset = (int16_t)((int32_t)start - (int32_t)p->n - 1);
	put(p, back);
}

static void piece_helper(struct program *p)
{
	switch (below(4)) {
	case 0:
		PUT(MOV_X(1, 6));
		PUT(MOV_K(2, pick_number() & 63));
		PUT(CALL(below(2) ? 44 : 65));
		break;
	case 1: /* csum_diff over the stack */
		PUT(MOV_K(1, 0));
		PUT(MOV_K(2, 0));
		PUT(MOV_X(3, 10));
		PUT(ALU64_K(BPF_ADD, 3, -16));
		PUT(MOV_K(4, (int32_t)(4 * below(6))));
		PUT(MOV_K(5, 0));
		PUT(CALL(28));
		break;
	case 2: /* xdp_load_bytes */
		PUT(MOV_X(1, 6));
		PUT(MOV_K(2, 0));
		PUT(MOV_X(3, 10));
		PUT(ALU64_K(BPF_ADD, 3, -32));
		if (below(2)) { /* up to so many */
			PUT(MOV_X(4, 0));
			PUT(ALU64_K(BPF_AND, 4, (int32_t)below(32)));
			PUT(ALU64_K(BPF_ADD, 4, 1));
		} else {
			PUT(MOV_K(4, (int32_t)below(40)));
		}
		PUT(CALL(189));
		break;
	default:
		if (p->n_calls < FLT_ARRAY_SIZE(p->calls) && p->n < GENERATE_INSNS_MAX - 32) {
			PUT(MOV_X(1, below(2) ? 7 : pick_scratch()));
			PUT(MOV_X(2, 8));
			p->calls[p->n_calls++] = p->n;
			PUT(CALL_LOCAL(0));
		}
	}
	for (uint32_t r = 1; r < 4; r++)
		PUT(MOV_K(r, 0));
}

/* A function of a pointer and the packet's end. */
static void put_function(struct program *p)
{
	for (uint32_t i = 0; i < p->n_calls; i++)
		p->insns[p->calls[i]].imm = (int32_t)(p->n - p->calls[i] - 1);
	p->insns[p->n++] = (struct flt_insn)MOV_K(0, 0);
	if (below(2)) {
		p->insns[p->n++] = (struct flt_insn)MOV_X(3, 1);
		p->insns[p->n++] = (struct flt_insn)ALU64_K(BPF_ADD, 3, 8);
		p->insns[p->n++] = (struct flt_insn)JUMP_X(BPF_JGT, 3, 2, 1);
		p->insns[p->n++] = (struct flt_insn)LOAD(BPF_B, 0, 1, below(9));
	}
	p->insns[p->n++] = (struct flt_insn)EXIT;
}

static void mutate(struct program *p)
{
	struct flt_insn *insn = &p->insns[below(p->n)];
	switch (below(5)) {
	case 0:
		insn->offset = (int16_t)(insn->offset + (int32_t)below(5) - 2);
		return;
	case 1:
		insn->imm += (int32_t)below(5) - 2;
		return;
	case 2:
		insn->regs = (uint8_t)((insn->regs & 0xf0) | below(11));
		return;
	case 3:
		insn->regs = (uint8_t)((insn->regs & 0x0f) | below(11) << 4);
		return;
	default:
		if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_X))
			return; /* (what is subtracted from pointers Linux follows less well) */
		insn->code ^= (uint8_t)(1u << (3 + below(5)));
		if ((insn->code & BPF_OP_MASK) == BPF_DIV || (insn->code & BPF_OP_MASK) == BPF_MOD)
			insn->code ^= BPF_SUB;
	}
}

uint32_t generate_program(struct flt_insn *insns)
{
	static void (*const pieces[])(struct program *) = {
	        piece_number,    piece_alu,    piece_alu,      piece_condition,
	        piece_condition, piece_packet, piece_variable, piece_stack,
	        piece_stack,     piece_map,    piece_loop,     piece_helper};
	struct program state = {.insns = insns}, *p = &state;
	PUT(MOV_X(6, 1));
	PUT(LOAD(BPF_W, 7, 6, below(16) ? 0 : 8));
	PUT(LOAD(BPF_W, 8, 6, below(16) ? 4 : 0));
	PUT(MOV_K(9, 0));
	for (uint32_t r = 0; r < 4; r++)
		PUT(MOV_K(r, 0));
	for (uint32_t i = 2 + below(8); i; i--)
		pieces[below(FLT_ARRAY_SIZE(pieces))](p);
	for (uint32_t i = 0; i < p->n_exits; i++)
		p->insns[p->exits[i]].offset = (int16_t)(p->n - p->exits[i] - 1);
	p->insns[p->n++] = (struct flt_insn)MOV_K(0, 2);
	p->insns[p->n++] = (struct flt_insn)EXIT;
	if (p->n_calls)
		put_function(p);
	for (uint32_t i = below(3); i > 1; i--)
		mutate(p);
	return p->n;
}
