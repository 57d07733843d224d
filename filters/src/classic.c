/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Classic BPF: the check of untrusted instructions, and their translation to the internal form.
 *
 * Classic programs are safe once they are well-formed: jumps go forward only and packet loads are
 * checked as they run. Registers and scratch words that may be read before they were written start
 * as 0; only those are cleared.
 *
 * Ancillary loads (Linux's SKF_AD_OFF) are taken where a frame on a wire has an answer: protocol,
 * packet type, interface, queue, hardware type, VLAN tag (the tag is in the frame here, never
 * stripped, so "present" is 0, and libpcap's programs then look into the frame), mark and hash (0),
 * core, random, xor.
 */
#include <flt/program.h>

#include "program_internal.h"

/* Linux's offsets of ancillary data and of headers, as 32-bit numbers. */
enum {
	ANCILLARY_PROTOCOL = 0,
	ANCILLARY_PACKET_TYPE = 4,
	ANCILLARY_INTERFACE = 8,
	ANCILLARY_MARK = 20,
	ANCILLARY_QUEUE = 24,
	ANCILLARY_HARDWARE_TYPE = 28,
	ANCILLARY_HASH = 32,
	ANCILLARY_CPU = 36,
	ANCILLARY_XOR = 40,
	ANCILLARY_VLAN_TAG = 44,
	ANCILLARY_VLAN_PRESENT = 48,
	ANCILLARY_RANDOM = 56,
	ANCILLARY_VLAN_PROTOCOL = 60,
	HARDWARE_TYPE_ETHERNET = 1,
	ETHERNET_HEADER = 14,
};
#define ANCILLARY_BASE 0xfffff000u /* SKF_AD_OFF */
#define NETWORK_BASE   0xfff00000u /* SKF_NET_OFF */
#define LINK_BASE      0xffe00000u /* SKF_LL_OFF */

/* --- checking --- */

static bool is_ancillary(uint32_t k)
{
	return k >= ANCILLARY_BASE;
}

static const char *check_load(const struct flt_classic_insn *insn)
{
	bool x = (insn->code & BPF_CLASS_MASK) == BPF_LDX;
	uint32_t size = insn->code & BPF_SIZE_MASK;
	switch (insn->code & BPF_MODE_MASK) {
	case BPF_IMM:
	case BPF_LEN:
		return size == BPF_W ? NULL : "load of an immediate or the length that is no word";
	case BPF_MEM:
		if (size != BPF_W)
			return "scratch load that is no word";
		return insn->k < FLT_CLASSIC_WORDS ? NULL : "scratch word out of range";
	case BPF_MSH:
		return x && size == BPF_B ? NULL : "bad header-length load";
	case BPF_ABS:
	case BPF_IND:
		return x || size == BPF_DW ? "bad packet load" : NULL;
	default:
		return "unknown load mode";
	}
}

static const char *check_alu(const struct flt_classic_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	if (op > BPF_XOR)
		return "unknown ALU operation";
	if (op == BPF_NEG)
		return insn->code & BPF_SRC_MASK ? "negation with an operand" : NULL;
	if ((op == BPF_DIV || op == BPF_MOD) && !(insn->code & BPF_SRC_MASK) && !insn->k)
		return "division by the constant 0";
	return NULL;
}

static const char *check_jump(const struct flt_classic_insn *insn, uint32_t left)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	if (op == BPF_JA && insn->code & BPF_SRC_MASK)
		return "unknown jump";
	if (op == BPF_JA && insn->k > INT32_MAX) /* what libpcap makes of protochain */
		return "jump backwards, which classic BPF does not have";
	if (op == BPF_JA)
		return insn->k < left ? NULL : "jump beyond the end";
	if (op > BPF_JSET)
		return "unknown jump";
	return insn->jt < left && insn->jf < left ? NULL : "jump beyond the end";
}

/* NULL, or why the instruction is bad; left: instructions behind it. */
static const char *check_insn(const struct flt_classic_insn *insn, uint32_t left)
{
	if (insn->code > 0xff)
		return "unknown opcode";
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_LD:
	case BPF_LDX:
		return check_load(insn);
	case BPF_ST:
	case BPF_STX:
		if (insn->code & ~BPF_CLASS_MASK)
			return "unknown store";
		return insn->k < FLT_CLASSIC_WORDS ? NULL : "scratch word out of range";
	case BPF_ALU:
		return check_alu(insn);
	case BPF_JMP:
		return check_jump(insn, left);
	case BPF_RET:
		return insn->code == (BPF_RET | BPF_K) || insn->code == (BPF_RET | BPF_A)
		               ? NULL
		               : "unknown return";
	default:
		return insn->code == (BPF_MISC | BPF_TAX) || insn->code == (BPF_MISC | BPF_TXA)
		               ? NULL
		               : "unknown miscellaneous operation";
	}
}

int flt_classic_check(const struct flt_classic_insn *insns, uint32_t n, struct flt_error *error)
{
	if (n < 1 || n > FLT_CLASSIC_INSNS_MAX)
		return flt_fail(error, FLT_E_LIMIT, -1,
		                "program of %u instructions; 1 to %u are taken", n,
		                (uint32_t)FLT_CLASSIC_INSNS_MAX);
	for (uint32_t i = 0; i < n; i++) {
		const char *reason = check_insn(&insns[i], n - 1 - i);
		if (reason)
			return flt_fail(error, FLT_E_INVALID, (int32_t)i,
			                "%s (code 0x%02x, k 0x%x)", reason, insns[i].code,
			                insns[i].k);
	}
	if ((insns[n - 1].code & BPF_CLASS_MASK) != BPF_RET)
		return flt_fail(error, FLT_E_INVALID, (int32_t)n - 1,
		                "the last instruction is not a return");
	return 0;
}

/* --- what must be cleared --- */

/* Bits of a set of places: 16 scratch words, A, X. */
enum {
	PLACE_A = 1u << FLT_CLASSIC_WORDS,
	PLACE_X = 1u << (FLT_CLASSIC_WORDS + 1),
	PLACES_ALL = PLACE_A | PLACE_X | ((1u << FLT_CLASSIC_WORDS) - 1),
};

static uint32_t places_read(const struct flt_classic_insn *insn)
{
	uint32_t operand = insn->code & BPF_SRC_MASK ? PLACE_X : 0;
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_LD:
	case BPF_LDX:
		if ((insn->code & BPF_MODE_MASK) == BPF_MEM)
			return 1u << insn->k;
		if ((insn->code & BPF_MODE_MASK) == BPF_IND)
			return PLACE_X;
		return insn->k == ANCILLARY_BASE + ANCILLARY_XOR ? PLACE_A | PLACE_X : 0;
	case BPF_ST:
		return PLACE_A;
	case BPF_STX:
		return PLACE_X;
	case BPF_ALU:
		return PLACE_A | operand;
	case BPF_JMP:
		return (insn->code & BPF_OP_MASK) == BPF_JA ? 0 : PLACE_A | operand;
	case BPF_RET:
		return insn->code & BPF_A ? PLACE_A : 0;
	default:
		return insn->code & BPF_TXA ? PLACE_X : PLACE_A;
	}
}

static uint32_t places_written(const struct flt_classic_insn *insn)
{
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_LD:
	case BPF_ALU:
		return PLACE_A;
	case BPF_LDX:
		return PLACE_X;
	case BPF_ST:
	case BPF_STX:
		return 1u << insn->k;
	case BPF_MISC:
		return insn->code & BPF_TXA ? PLACE_A : PLACE_X;
	default:
		return 0;
	}
}

/*
 * The places that may be read before they are written. Jumps go forward, so one pass in order sees
 * every predecessor first. written[i] is the set written on every path to i.
 */
static uint32_t places_to_clear(const struct flt_classic_insn *insns, uint32_t n, uint32_t *written)
{
	uint32_t clear = 0;
	for (uint32_t i = 1; i < n; i++)
		written[i] = PLACES_ALL;
	written[0] = 0;
	for (uint32_t i = 0; i < n; i++) {
		const struct flt_classic_insn *insn = &insns[i];
		clear |= places_read(insn) & ~written[i];
		uint32_t after = written[i] | places_written(insn);
		uint32_t class = insn->code & BPF_CLASS_MASK;
		if (class == BPF_RET)
			continue;
		if (class != BPF_JMP) {
			written[i + 1] &= after;
		} else if ((insn->code & BPF_OP_MASK) == BPF_JA) {
			written[i + 1 + insn->k] &= after;
		} else {
			written[i + 1 + insn->jt] &= after;
			written[i + 1 + insn->jf] &= after;
		}
	}
	return clear;
}

/* --- translation --- */

enum {
	REG_A = R0,
	REG_FRAME = R1,
	REG_X = R2,
	REG_SCRATCH = R3,
	INSNS_PER_CLASSIC = 10, /* what one classic instruction becomes, at most */
};

struct translation {
	struct flt_insn *out;
	uint32_t n;
	uint32_t *where;     /* classic index -> internal index */
	const char *failure; /* set where an instruction is not supported */
};

static void emit(struct translation *t, uint32_t code, uint32_t dst, uint32_t src, int32_t offset,
                 uint32_t imm)
{
	t->out[t->n++] = (struct flt_insn){(uint8_t)code, (uint8_t)(src << 4 | dst),
	                                   (int16_t)offset, (int32_t)imm};
}

static void emit_move_k(struct translation *t, uint32_t dst, uint32_t k)
{
	emit(t, BPF_ALU | BPF_MOV | BPF_K, dst, 0, 0, k);
}

/* Loads a 32-bit member of struct flt_frame. */
static void emit_frame_member(struct translation *t, uint32_t dst, size_t member)
{
	emit(t, BPF_LDX | BPF_MEM | BPF_W, dst, REG_FRAME, (int32_t)member, 0);
}

static int32_t word_at(uint32_t k)
{
	return -4 * (int32_t)(k + 1);
}

static void emit_return(struct translation *t, uint32_t k)
{
	emit_move_k(t, REG_A, k);
	emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

/* Linux's packet type from the destination address: 0 host, 1 broadcast, 2 multicast. */
static void emit_packet_type(struct translation *t)
{
	emit(t, BPF_LD | BPF_ABS | BPF_H, 0, 0, 0, 4);
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, REG_SCRATCH, REG_A, 0, 0);
	emit(t, BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 0);
	emit(t, BPF_JMP32 | BPF_JNE | BPF_K, REG_A, 0, 3, 0xffffffff);
	emit(t, BPF_JMP32 | BPF_JNE | BPF_K, REG_SCRATCH, 0, 2, 0xffff);
	emit_move_k(t, REG_A, 1);
	emit(t, BPF_JMP | BPF_JA, 0, 0, 2, 0);
	emit(t, BPF_ALU | BPF_RSH | BPF_K, REG_A, 0, 0, 23);
	emit(t, BPF_ALU | BPF_AND | BPF_K, REG_A, 0, 0, 2);
}

/* A helper's result to A. X and the frame's address survive in registers that calls keep; machine
 * code finds the frame there, too. */
static void emit_call(struct translation *t, int32_t helper)
{
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, R6, REG_X, 0, 0);
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, R7, REG_FRAME, 0, 0);
	emit(t, BPF_JMP | BPF_CALL, 0, 0, 0, helper);
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, REG_X, R6, 0, 0);
	emit(t, BPF_ALU64 | BPF_MOV | BPF_X, REG_FRAME, R7, 0, 0);
}

static void emit_ancillary(struct translation *t, uint32_t which)
{
	switch (which) {
	case ANCILLARY_PROTOCOL:
		emit(t, BPF_LD | BPF_ABS | BPF_H, 0, 0, 0, 12);
		return;
	case ANCILLARY_PACKET_TYPE:
		emit_packet_type(t);
		return;
	case ANCILLARY_INTERFACE:
		emit_frame_member(t, REG_A, offsetof(struct flt_frame, port));
		return;
	case ANCILLARY_QUEUE:
		emit_frame_member(t, REG_A, offsetof(struct flt_frame, queue));
		return;
	case ANCILLARY_HARDWARE_TYPE:
		emit_move_k(t, REG_A, HARDWARE_TYPE_ETHERNET);
		return;
	case ANCILLARY_XOR:
		emit(t, BPF_ALU | BPF_XOR | BPF_X, REG_A, REG_X, 0, 0);
		return;
	case ANCILLARY_MARK:
	case ANCILLARY_HASH:
	case ANCILLARY_VLAN_TAG:
	case ANCILLARY_VLAN_PRESENT:
	case ANCILLARY_VLAN_PROTOCOL:
		emit_move_k(t, REG_A, 0);
		return;
	case ANCILLARY_CPU:
	case ANCILLARY_RANDOM:
		emit_call(t, which == ANCILLARY_CPU ? 8 : 7);
		return;
	default:
		t->failure = "ancillary load that has no meaning for a frame on a wire";
	}
}

static void emit_packet_load(struct translation *t, const struct flt_classic_insn *insn)
{
	uint32_t mode = insn->code & BPF_MODE_MASK, size = insn->code & BPF_SIZE_MASK;
	uint32_t k = insn->k;
	if (mode == BPF_ABS && is_ancillary(k)) {
		emit_ancillary(t, k - ANCILLARY_BASE);
		return;
	}
	if (mode == BPF_ABS && k >= NETWORK_BASE)
		k = k - NETWORK_BASE + ETHERNET_HEADER;
	else if (mode == BPF_ABS && k >= LINK_BASE)
		k -= LINK_BASE;
	emit(t, BPF_LD | mode | size, 0, mode == BPF_IND ? REG_X : 0, 0, k);
}

static void emit_load(struct translation *t, const struct flt_classic_insn *insn)
{
	bool x = (insn->code & BPF_CLASS_MASK) == BPF_LDX;
	uint32_t dst = x ? REG_X : REG_A;
	switch (insn->code & BPF_MODE_MASK) {
	case BPF_IMM:
		emit_move_k(t, dst, insn->k);
		return;
	case BPF_LEN:
		emit_frame_member(t, dst, offsetof(struct flt_frame, wire_len));
		return;
	case BPF_MEM:
		emit(t, BPF_LDX | BPF_MEM | BPF_W, dst, R10, word_at(insn->k), 0);
		return;
	case BPF_MSH: /* X = 4 * (P[k] & 0xf); A must survive */
		emit(t, BPF_ALU64 | BPF_MOV | BPF_X, REG_SCRATCH, REG_A, 0, 0);
		emit(t, BPF_LD | BPF_ABS | BPF_B, 0, 0, 0, insn->k);
		emit(t, BPF_ALU64 | BPF_MOV | BPF_X, REG_X, REG_A, 0, 0);
		emit(t, BPF_ALU | BPF_AND | BPF_K, REG_X, 0, 0, 0xf);
		emit(t, BPF_ALU | BPF_LSH | BPF_K, REG_X, 0, 0, 2);
		emit(t, BPF_ALU64 | BPF_MOV | BPF_X, REG_A, REG_SCRATCH, 0, 0);
		return;
	default:
		emit_packet_load(t, insn);
	}
}

/* Shifts by 32 and more give 0 in libpcap's interpreter, but are taken modulo 32 in eBPF. */
static void emit_shift(struct translation *t, const struct flt_classic_insn *insn)
{
	if (insn->code & BPF_SRC_MASK) {
		emit(t, BPF_JMP32 | BPF_JLT | BPF_K, REG_X, 0, 2, 32);
		emit_move_k(t, REG_A, 0);
		emit(t, BPF_JMP | BPF_JA, 0, 0, 1, 0);
		emit(t, insn->code, REG_A, REG_X, 0, 0);
	} else if (insn->k > 31) {
		emit_move_k(t, REG_A, 0);
	} else {
		emit(t, insn->code, REG_A, 0, 0, insn->k);
	}
}

static void emit_alu(struct translation *t, const struct flt_classic_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	bool x = insn->code & BPF_SRC_MASK;
	if (op == BPF_LSH || op == BPF_RSH) {
		emit_shift(t, insn);
		return;
	}
	if (x && (op == BPF_DIV || op == BPF_MOD)) { /* by 0: the program ends with 0 */
		emit(t, BPF_JMP32 | BPF_JNE | BPF_K, REG_X, 0, 2, 0);
		emit_return(t, 0);
	}
	emit(t, insn->code, REG_A, x ? REG_X : 0, 0, x || op == BPF_NEG ? 0 : insn->k);
}

/* The opposite condition, or 0: JSET has none. */
static uint32_t opposite(uint32_t op)
{
	switch (op) {
	case BPF_JEQ:
		return BPF_JNE;
	case BPF_JGT:
		return BPF_JLE;
	case BPF_JGE:
		return BPF_JLT;
	default:
		return 0;
	}
}

/*
 * A conditional jump becomes one instruction where one of its targets is the next one, else two:
 * the condition and a jump for "false". place_jumps() fills in where they go.
 */
static void emit_jump(struct translation *t, const struct flt_classic_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	uint32_t source = insn->code & BPF_SRC_MASK;
	uint32_t reg = source ? REG_X : 0, k = source ? 0 : insn->k;
	if (op == BPF_JA) {
		emit(t, BPF_JMP32 | BPF_JA, 0, 0, 0, 0);
	} else if (insn->jf == 0) {
		emit(t, BPF_JMP32 | op | source, REG_A, reg, 0, k);
	} else if (insn->jt == 0 && opposite(op)) {
		emit(t, BPF_JMP32 | opposite(op) | source, REG_A, reg, 0, k);
	} else {
		emit(t, BPF_JMP32 | op | source, REG_A, reg, 0, k);
		emit(t, BPF_JMP32 | BPF_JA, 0, 0, 0, 0);
	}
}

static void translate_insn(struct translation *t, const struct flt_classic_insn *insn)
{
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_LD:
	case BPF_LDX:
		emit_load(t, insn);
		return;
	case BPF_ST:
	case BPF_STX:
		emit(t, BPF_STX | BPF_MEM | BPF_W, R10,
		     (insn->code & BPF_CLASS_MASK) == BPF_ST ? REG_A : REG_X, word_at(insn->k), 0);
		return;
	case BPF_ALU:
		emit_alu(t, insn);
		return;
	case BPF_JMP:
		emit_jump(t, insn);
		return;
	case BPF_RET:
		if (insn->code & BPF_A)
			emit(t, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
		else
			emit_return(t, insn->k);
		return;
	default:
		if (insn->code & BPF_TXA)
			emit(t, BPF_ALU | BPF_MOV | BPF_X, REG_A, REG_X, 0, 0);
		else
			emit(t, BPF_ALU | BPF_MOV | BPF_X, REG_X, REG_A, 0, 0);
	}
}

/* Distance from the instruction behind `from` to the translation of classic instruction `to`. */
static int32_t distance(const struct translation *t, uint32_t from, uint32_t to)
{
	return (int32_t)t->where[to] - (int32_t)from - 1;
}

/* jt and jf reach at most 255 classic instructions ahead, so their distances fit 16 bits. */
static void place_jumps(struct translation *t, const struct flt_classic_insn *insns, uint32_t n)
{
	for (uint32_t i = 0; i + 1 < n; i++) {
		const struct flt_classic_insn *insn = &insns[i];
		uint32_t at = t->where[i], op = insn->code & BPF_OP_MASK;
		if ((insn->code & BPF_CLASS_MASK) != BPF_JMP)
			continue;
		if (op == BPF_JA) {
			t->out[at].imm = distance(t, at, i + 1 + insn->k);
		} else if (insn->jf == 0) {
			t->out[at].offset = (int16_t)distance(t, at, i + 1 + insn->jt);
		} else if (insn->jt == 0 && opposite(op)) {
			t->out[at].offset = (int16_t)distance(t, at, i + 1 + insn->jf);
		} else {
			t->out[at].offset = (int16_t)distance(t, at, i + 1 + insn->jt);
			t->out[at + 1].imm = distance(t, at + 1, i + 1 + insn->jf);
		}
	}
}

static void emit_clears(struct translation *t, uint32_t clear)
{
	if (clear & PLACE_A)
		emit_move_k(t, REG_A, 0);
	if (clear & PLACE_X)
		emit_move_k(t, REG_X, 0);
	for (uint32_t k = 0; k < FLT_CLASSIC_WORDS; k++)
		if (clear & 1u << k)
			emit(t, BPF_ST | BPF_MEM | BPF_W, R10, 0, word_at(k), 0);
}

static int translate_all(struct translation *t, const struct flt_classic_insn *insns, uint32_t n,
                         struct flt_error *error)
{
	emit_clears(t, places_to_clear(insns, n, t->where));
	for (uint32_t i = 0; i < n; i++) {
		t->where[i] = t->n;
		translate_insn(t, &insns[i]);
		if (t->failure)
			return flt_fail(error, FLT_E_UNSUPPORTED, (int32_t)i, "%s (k 0x%x)",
			                t->failure, insns[i].k);
	}
	place_jumps(t, insns, n);
	return 0;
}

int flt_classic_translate(const struct flt_classic_insn *insns, uint32_t n, struct flt_insn **out,
                          uint32_t *n_out, struct flt_error *error)
{
	struct translation t = {0};
	uint32_t room = n * INSNS_PER_CLASSIC + FLT_CLASSIC_WORDS + 2;
	t.out = flt_alloc_array(room, sizeof(*t.out));
	t.where = flt_alloc_array(n, sizeof(*t.where));
	int code = t.out && t.where ? translate_all(&t, insns, n, error)
	                            : flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	flt_free(t.where);
	if (code) {
		flt_free(t.out);
		return code;
	}
	*out = t.out;
	*n_out = t.n;
	return 0;
}
