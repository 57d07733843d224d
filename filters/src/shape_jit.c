/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Compiling shapes: machine code that makes the keys of a burst of frames.
 *
 *   rdi frames   rsi active   rdx frames left   rcx out   r8 common
 *   r9 data      r10 length   r11 the frame's number
 *   rax word being made       rbx field         rbp 4 * (frame[msh] & 15)
 */
#include "table_internal.h"

#include "x86_emit.h"

enum {
	PASSES_MAX = 16,
	FRAME_SIZE_LOG2 = 5,
};

_Static_assert(sizeof(struct flt_frame) == 1 << FRAME_SIZE_LOG2, "the code shifts by that");

struct compiler {
	struct x86_code c;
	const struct shape_layout *layout;
	uint32_t loop, next; /* places */
	bool moved;
};

static void place(struct compiler *k, uint32_t *where)
{
	k->moved |= *where != k->c.at;
	*where = k->c.at;
}

static void emit_frame(struct compiler *k)
{
	struct x86_code *c = &k->c;
	x86_load(c, 1, R_11, RSI, 0);
	x86_alu_imm(c, X86_ADD, true, RSI, 1);
	x86_mov(c, false, RAX, R_11);
	x86_shift_imm(c, X86_SHL, false, RAX, FRAME_SIZE_LOG2);
	x86_alu(c, X86_ADD, true, RAX, RDI);
	x86_load(c, 8, R_9, RAX, offsetof(struct flt_frame, data));
	x86_load(c, 4, R_10, RAX, offsetof(struct flt_frame, len));
}

/* The next frame if r10 is below the flags' other operand; nothing is found there by speculation.
 */
static void emit_too_short(struct compiler *k)
{
	x86_cmov(&k->c, X86_B, R_9, R_10);
	x86_jump(&k->c, X86_B, k->next);
}

/* Bytes from the place's start that fields of this place need. */
static uint32_t needed(const struct shape_layout *layout, uint32_t base, uint32_t msh)
{
	uint32_t end = 0;
	for (uint32_t i = 0; i < layout->n_fields; i++) {
		const struct shape_field *f = &layout->fields[i];
		if (f->base == base && f->msh == msh)
			end = flt_max_u32(end, (uint32_t)f->offset + f->width);
		if (base == FLT_BASE_FRAME && f->base == FLT_BASE_MSH)
			end = flt_max_u32(end, f->msh + 1u);
	}
	return end;
}

/* rbp = 4 * (frame[msh] & 15), after which all fields behind it are known to exist. */
static void emit_header_length(struct compiler *k, uint32_t msh)
{
	struct x86_code *c = &k->c;
	x86_load(c, 1, RBP, R_9, (int32_t)msh);
	x86_alu_imm(c, X86_AND, false, RBP, 0xf);
	x86_shift_imm(c, X86_SHL, false, RBP, 2);
	x86_lea(c, RBX, RBP, (int32_t)needed(k->layout, FLT_BASE_MSH, msh));
	x86_alu(c, X86_CMP, false, R_10, RBX);
	emit_too_short(k);
}

static void emit_field(struct compiler *k, const struct shape_field *f, uint32_t to)
{
	struct x86_code *c = &k->c;
	uint32_t mask = __builtin_bswap32(f->mask) >> (32 - 8 * f->width);
	if (f->base == FLT_BASE_MSH)
		x86_load_indexed(c, f->width, to, R_9, RBP, f->offset);
	else
		x86_load(c, f->width, to, R_9, f->offset);
	if (f->mask != flt_width_mask(f->width))
		x86_alu_imm(c, X86_AND, false, to, (int32_t)mask);
	if (f->shift)
		x86_shift_imm(c, X86_SHL, true, to, f->shift);
}

/* Whether the word belongs to the shape's keys; then it is stored. */
static void emit_word_end(struct compiler *k, uint32_t word)
{
	struct x86_code *c = &k->c;
	int32_t at = (int32_t)(word * sizeof(struct common));
	x86_store(c, 8, RCX, (int32_t)(offsetof(struct probe, words) + 8ul * word), RAX);
	x86_alu_load(c, X86_XOR, true, RAX, R_8, at + (int32_t)offsetof(struct common, value));
	x86_op_rm(c, 0, 0x85, true, RAX, R_8, at + (int32_t)offsetof(struct common, mask), false);
	x86_jump(c, X86_NE, k->next);
}

static void emit_word(struct compiler *k, uint32_t word, int32_t *msh)
{
	bool first = true;
	for (uint32_t i = 0; i < k->layout->n_fields; i++) {
		const struct shape_field *f = &k->layout->fields[i];
		if (!f->mask || f->word != word)
			continue;
		if (f->base == FLT_BASE_MSH && *msh != f->msh) {
			emit_header_length(k, f->msh);
			*msh = f->msh;
		}
		emit_field(k, f, first ? RAX : RBX);
		if (!first)
			x86_alu(&k->c, X86_OR, true, RAX, RBX);
		first = false;
	}
	if (first)
		x86_mov_imm32(&k->c, RAX, 0);
	emit_word_end(k, word);
}

/* Fields that need only exist, behind headers that no word has looked at. */
static void emit_existence(struct compiler *k)
{
	for (uint32_t i = 0; i < k->layout->n_fields; i++) {
		const struct shape_field *f = &k->layout->fields[i];
		if (!f->mask && f->base == FLT_BASE_MSH)
			emit_header_length(k, f->msh);
	}
}

static void emit_all(struct compiler *k)
{
	struct x86_code *c = &k->c;
	uint32_t least = needed(k->layout, FLT_BASE_FRAME, 0);
	int32_t msh = -1;
	c->at = 0;
	k->moved = false;
	x86_push(c, RBX);
	x86_push(c, RBP);
	place(k, &k->loop);
	emit_frame(k);
	if (least) {
		x86_alu_imm(c, X86_CMP, false, R_10, (int32_t)least);
		emit_too_short(k);
	}
	for (uint32_t w = 0; w < k->layout->n_words; w++)
		emit_word(k, w, &msh);
	emit_existence(k);
	x86_store(c, 8, RCX, offsetof(struct probe, frame), R_11);
	x86_alu_imm(c, X86_ADD, true, RCX,
	            (int32_t)(sizeof(struct probe) + 8ul * k->layout->n_words));
	place(k, &k->next);
	x86_alu_imm(c, X86_SUB, true, RDX, 1);
	x86_jump(c, X86_NE, k->loop);
	x86_mov(c, true, RAX, RCX);
	x86_pop(c, RBP);
	x86_pop(c, RBX);
	x86_ret(c);
}

static bool settle(struct compiler *k)
{
	k->loop = k->next = UINT32_MAX;
	for (uint32_t i = 0; i < PASSES_MAX; i++) {
		emit_all(k);
		if (!k->moved)
			return true;
	}
	return false;
}

int flt_shape_compile(const struct shape_layout *layout, shape_code **code, size_t *size)
{
	struct compiler k = {.layout = layout};
	if (!flt_platform.code_alloc || !settle(&k))
		return FLT_E_UNSUPPORTED;
	*size = k.c.at;
	void *memory = flt_platform.code_alloc(*size);
	if (!memory)
		return FLT_E_NO_MEMORY;
	k.c.out = memory;
	emit_all(&k);
	if (k.moved || flt_platform.code_seal(memory, *size)) {
		flt_platform.code_free(memory, *size);
		return FLT_E_UNSUPPORTED;
	}
	*code = (shape_code *)(uintptr_t)memory;
	return 0;
}
