/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The interpreter. One function per group of instructions, over a machine state; see interp.h.
 */
#include "interp.h"

#include "check.h"
#include "helper.h"

/* A caller's state while a local function runs. */
struct call_frame {
	uint32_t return_to;
	uint64_t saved[4]; /* r6 to r9 */
};

struct machine {
	struct flt_interp *in;
	uint64_t r[FLT_REGS];
	uint32_t pc; /* of the instruction behind the running one */
	uint32_t depth;
	bool done;
	struct call_frame calls[FLT_CALL_DEPTH_MAX];
	uint64_t stack[FLT_CALL_DEPTH_MAX][FLT_STACK_BYTES / 8];
};

static void fault(struct machine *m, enum flt_fault why)
{
	m->in->fault = why;
	m->in->fault_at = m->pc - 1;
	m->r[0] = 0;
	m->done = true;
}

/* --- memory --- */

static bool inside(uint64_t address, uint32_t size, uint64_t start, uint64_t length)
{
	return address >= start && size <= length && address - start <= length - size;
}

static bool access_ok(struct machine *m, uint64_t address, uint32_t size, bool write)
{
	const struct flt_interp *in = m->in;
	if (!in->checked)
		return true;
	if (inside(address, size, (uint64_t)(uintptr_t)m->stack, sizeof(m->stack)))
		return true;
	for (uint32_t i = 0; i < in->n_regions; i++) {
		const struct flt_region *region = &in->regions[i];
		if (inside(address, size, region->start, region->size) &&
		    (region->writable || !write))
			return true;
	}
	fault(m, FLT_FAULT_MEMORY);
	return false;
}

static uint64_t load_bytes(uint64_t address, uint32_t size)
{
	const void *p = (const void *)(uintptr_t)address;
	uint64_t value = 0;
	switch (size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		__builtin_memcpy(&value, p, 2);
		return value;
	case 4:
		__builtin_memcpy(&value, p, 4);
		return value;
	default:
		__builtin_memcpy(&value, p, 8);
		return value;
	}
}

static void store_bytes(uint64_t address, uint32_t size, uint64_t value)
{
	void *p = (void *)(uintptr_t)address;
	switch (size) {
	case 1:
		*(uint8_t *)p = (uint8_t)value;
		return;
	case 2:
		__builtin_memcpy(p, &value, 2);
		return;
	case 4:
		__builtin_memcpy(p, &value, 4);
		return;
	default:
		__builtin_memcpy(p, &value, 8);
	}
}

static uint64_t sign_extend(uint64_t value, uint32_t bytes)
{
	uint32_t shift = 64 - 8 * bytes;
	return (uint64_t)((int64_t)(value << shift) >> shift);
}

static void load_memory(struct machine *m, const struct flt_insn *insn)
{
	uint64_t address = m->r[insn_src(insn)] + (uint64_t)(int64_t)insn->offset;
	uint32_t size = insn_size(insn);
	if (!access_ok(m, address, size, false))
		return;
	uint64_t value = load_bytes(address, size);
	if ((insn->code & BPF_MODE_MASK) == BPF_MEMSX)
		value = sign_extend(value, size);
	m->r[insn_dst(insn)] = value;
}

static void store_memory(struct machine *m, const struct flt_insn *insn, uint64_t value)
{
	uint64_t address = m->r[insn_dst(insn)] + (uint64_t)(int64_t)insn->offset;
	if (access_ok(m, address, insn_size(insn), true))
		store_bytes(address, insn_size(insn), value);
}

/* The new value of an atomic operation; swap says that source was stored as it is. */
static uint64_t atomic_combine(uint32_t op, uint64_t old, uint64_t source)
{
	switch (op & ~(uint32_t)BPF_FETCH) {
	case BPF_ADD:
		return old + source;
	case BPF_OR:
		return old | source;
	case BPF_AND:
		return old & source;
	case BPF_XOR:
		return old ^ source;
	default:
		return source; /* XCHG */
	}
}

static uint64_t atomic32(uint32_t *p, uint32_t op, uint32_t source, uint32_t expected)
{
	uint32_t old = __atomic_load_n(p, __ATOMIC_RELAXED);
	if (op == BPF_CMPXCHG) {
		__atomic_compare_exchange_n(p, &expected, source, false, __ATOMIC_SEQ_CST,
		                            __ATOMIC_SEQ_CST);
		return expected;
	}
	while (!__atomic_compare_exchange_n(p, &old, (uint32_t)atomic_combine(op, old, source),
	                                    true, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return old;
}

static uint64_t atomic64(uint64_t *p, uint32_t op, uint64_t source, uint64_t expected)
{
	uint64_t old = __atomic_load_n(p, __ATOMIC_RELAXED);
	if (op == BPF_CMPXCHG) {
		__atomic_compare_exchange_n(p, &expected, source, false, __ATOMIC_SEQ_CST,
		                            __ATOMIC_SEQ_CST);
		return expected;
	}
	while (!__atomic_compare_exchange_n(p, &old, atomic_combine(op, old, source), true,
	                                    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
		;
	return old;
}

static void atomic_memory(struct machine *m, const struct flt_insn *insn)
{
	uint64_t address = m->r[insn_dst(insn)] + (uint64_t)(int64_t)insn->offset;
	uint32_t size = insn_size(insn), op = (uint32_t)insn->imm;
	uint64_t source = m->r[insn_src(insn)];
	if (!access_ok(m, address, size, true))
		return;
	void *p = (void *)(uintptr_t)address;
	uint64_t old = size == 4 ? atomic32(p, op, (uint32_t)source, (uint32_t)m->r[R0])
	                         : atomic64(p, op, source, m->r[R0]);
	if (op == BPF_CMPXCHG)
		m->r[R0] = old;
	else if (op & BPF_FETCH)
		m->r[insn_src(insn)] = old;
}

static void store(struct machine *m, const struct flt_insn *insn)
{
	if ((insn->code & BPF_CLASS_MASK) == BPF_ST)
		store_memory(m, insn, (uint64_t)(int64_t)insn->imm);
	else if ((insn->code & BPF_MODE_MASK) == BPF_ATOMIC)
		atomic_memory(m, insn);
	else
		store_memory(m, insn, m->r[insn_src(insn)]);
}

/* Legacy packet load: big-endian; outside the captured bytes the program ends with 0. */
static void load_packet(struct machine *m, const struct flt_insn *insn)
{
	uint64_t at = (uint32_t)insn->imm;
	uint32_t size = insn_size(insn);
	if ((insn->code & BPF_MODE_MASK) == BPF_IND)
		at += (uint32_t)m->r[insn_src(insn)];
	if (size > m->in->packet_len || at > m->in->packet_len - size) {
		m->r[R0] = 0;
		m->done = true;
		return;
	}
	const uint8_t *p = m->in->packet + at;
	m->r[R0] = size == 1 ? *p : size == 2 ? flt_be16(p) : flt_be32(p);
}

static void load(struct machine *m, const struct flt_insn *insn)
{
	switch (insn->code & BPF_MODE_MASK) {
	case BPF_IMM:
		m->r[insn_dst(insn)] = insn_wide_imm(insn);
		m->pc++;
		return;
	case BPF_ABS:
	case BPF_IND:
		load_packet(m, insn);
		return;
	default:
		load_memory(m, insn);
	}
}

/* --- arithmetic --- */

static uint64_t divide64(uint64_t a, uint64_t b, bool is_signed)
{
	if (!b)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t modulo64(uint64_t a, uint64_t b, bool is_signed)
{
	if (!b)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static uint32_t divide32(uint32_t a, uint32_t b, bool is_signed)
{
	if (!b)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT32_MAX ? -a : (uint32_t)((int32_t)a / (int32_t)b);
}

static uint32_t modulo32(uint32_t a, uint32_t b, bool is_signed)
{
	if (!b)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}

/* insn->offset: 1 makes division signed; 8, 16, 32 make a move sign-extending. */
static uint64_t alu64(const struct flt_insn *insn, uint64_t a, uint64_t b)
{
	switch (insn->code & BPF_OP_MASK) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return divide64(a, b, insn->offset);
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_LSH:
		return a << (b & 63);
	case BPF_RSH:
		return a >> (b & 63);
	case BPF_NEG:
		return -a;
	case BPF_MOD:
		return modulo64(a, b, insn->offset);
	case BPF_XOR:
		return a ^ b;
	case BPF_ARSH:
		return (uint64_t)((int64_t)a >> (b & 63));
	default: /* BPF_MOV */
		return insn->offset ? sign_extend(b, (uint32_t)insn->offset / 8) : b;
	}
}

static uint32_t alu32(const struct flt_insn *insn, uint32_t a, uint32_t b)
{
	switch (insn->code & BPF_OP_MASK) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
		return divide32(a, b, insn->offset);
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_LSH:
		return a << (b & 31);
	case BPF_RSH:
		return a >> (b & 31);
	case BPF_NEG:
		return -a;
	case BPF_MOD:
		return modulo32(a, b, insn->offset);
	case BPF_XOR:
		return a ^ b;
	case BPF_ARSH:
		return (uint32_t)((int32_t)a >> (b & 31));
	default: /* BPF_MOV */
		return insn->offset ? (uint32_t)sign_extend(b, (uint32_t)insn->offset / 8) : b;
	}
}

/* END: ALU|X swaps to big-endian, ALU|K to little-endian (truncates), ALU64 swaps always. */
static uint64_t byte_swap(const struct flt_insn *insn, uint64_t value)
{
	bool swap = (insn->code & BPF_CLASS_MASK) == BPF_ALU64 || (insn->code & BPF_SRC_MASK);
	switch (insn->imm) {
	case 16:
		return swap ? __builtin_bswap16((uint16_t)value) : (uint16_t)value;
	case 32:
		return swap ? __builtin_bswap32((uint32_t)value) : (uint32_t)value;
	default:
		return swap ? __builtin_bswap64(value) : value;
	}
}

static void alu(struct machine *m, const struct flt_insn *insn)
{
	uint64_t *dst = &m->r[insn_dst(insn)];
	uint64_t b =
	        insn->code & BPF_SRC_MASK ? m->r[insn_src(insn)] : (uint64_t)(int64_t)insn->imm;
	if ((insn->code & BPF_OP_MASK) == BPF_END)
		*dst = byte_swap(insn, *dst);
	else if ((insn->code & BPF_CLASS_MASK) == BPF_ALU64)
		*dst = alu64(insn, *dst, b);
	else
		*dst = alu32(insn, (uint32_t)*dst, (uint32_t)b);
}

/* --- control flow --- */

static bool condition(uint32_t op, uint64_t a, uint64_t b, int64_t sa, int64_t sb)
{
	switch (op) {
	case BPF_JEQ:
		return a == b;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JSET:
		return a & b;
	case BPF_JNE:
		return a != b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSLT:
		return sa < sb;
	default:
		return sa <= sb;
	}
}

/* Frames grow downwards, as on a machine: beyond the first function's stack there is nothing. */
static uint64_t frame_pointer(struct machine *m)
{
	return (uint64_t)(uintptr_t)(m->stack[FLT_CALL_DEPTH_MAX - 1 - m->depth] +
	                             FLT_STACK_BYTES / 8);
}

static void call_local(struct machine *m, const struct flt_insn *insn)
{
	if (m->depth + 1 >= FLT_CALL_DEPTH_MAX) {
		fault(m, FLT_FAULT_DEPTH);
		return;
	}
	struct call_frame *frame = &m->calls[m->depth++];
	frame->return_to = m->pc;
	memcpy(frame->saved, &m->r[R6], sizeof(frame->saved));
	m->r[R10] = frame_pointer(m);
	m->pc += (uint32_t)insn->imm;
}

static void leave(struct machine *m)
{
	if (!m->depth) {
		m->done = true;
		return;
	}
	struct call_frame *frame = &m->calls[--m->depth];
	m->pc = frame->return_to;
	memcpy(&m->r[R6], frame->saved, sizeof(frame->saved));
	memset(&m->r[R1], 0, 5 * sizeof(m->r[0]));
	m->r[R10] = frame_pointer(m);
}

/* The helper that is called; by register only in checked mode, and then only one without pointers.
 */
static const struct flt_helper *called_helper(const struct machine *m, const struct flt_insn *insn)
{
	if (!(insn->code & BPF_SRC_MASK))
		return flt_helper_find((uint32_t)insn->imm);
	uint64_t number = m->r[flt_insn_call_register(insn)];
	const struct flt_helper *helper =
	        number <= UINT32_MAX ? flt_helper_find((uint32_t)number) : NULL;
	return m->in->checked && helper && flt_helper_is_plain(helper) ? helper : NULL;
}

static void call(struct machine *m, const struct flt_insn *insn)
{
	if (insn_src(insn) == BPF_PSEUDO_CALL) {
		call_local(m, insn);
		return;
	}
	const struct flt_helper *helper = NULL;
	bool import = !(insn->code & BPF_SRC_MASK) && insn_src(insn) == BPF_PSEUDO_IMPORT;
	if (!import)
		helper = called_helper(m, insn);
	if (import && m->in->imports)
		m->r[R0] = flt_program_enter(m->in->imports[insn->imm], &m->r[R1]);
	else if (!helper)
		fault(m, FLT_FAULT_CALL);
	else
		m->r[R0] = helper->call(m->r[R1], m->r[R2], m->r[R3], m->r[R4], m->r[R5]);
	memset(&m->r[R1], 0, 5 * sizeof(m->r[0])); /* nothing is left to be found there */
}

static void jump(struct machine *m, const struct flt_insn *insn)
{
	uint32_t op = insn->code & BPF_OP_MASK;
	bool wide = (insn->code & BPF_CLASS_MASK) == BPF_JMP;
	if (op == BPF_JA) {
		m->pc += (uint32_t)(wide ? insn->offset : insn->imm);
	} else if (op == BPF_CALL) {
		call(m, insn);
	} else if (op == BPF_EXIT) {
		leave(m);
	} else {
		uint64_t a = m->r[insn_dst(insn)];
		uint64_t b = insn->code & BPF_SRC_MASK ? m->r[insn_src(insn)]
		                                       : (uint64_t)(int64_t)insn->imm;
		bool taken = wide ? condition(op, a, b, (int64_t)a, (int64_t)b)
		                  : condition(op, (uint32_t)a, (uint32_t)b, (int32_t)a, (int32_t)b);
		if (taken)
			m->pc += (uint32_t)insn->offset;
	}
}

static void step(struct machine *m)
{
	const struct flt_insn *insn = &m->in->insns[m->pc++];
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_LD:
	case BPF_LDX:
		load(m, insn);
		return;
	case BPF_ST:
	case BPF_STX:
		store(m, insn);
		return;
	case BPF_ALU:
	case BPF_ALU64:
		alu(m, insn);
		return;
	default:
		jump(m, insn);
	}
}

static bool may_step(struct machine *m)
{
	if (m->pc >= m->in->n_insns) {
		m->pc++;
		fault(m, FLT_FAULT_INSTRUCTION);
	} else if (!m->in->budget) {
		m->pc++;
		fault(m, FLT_FAULT_BUDGET);
	} else {
		m->in->budget--;
	}
	return !m->done;
}

uint64_t flt_interp_run(struct flt_interp *interp, uint64_t r1, uint64_t r2)
{
	struct machine m;
	m.in = interp;
	m.pc = 0;
	m.depth = 0;
	m.done = false;
	interp->fault = FLT_FAULT_NONE;
	memset(m.r, 0, sizeof(m.r));
	if (interp->checked) /* what a program may read without having written it */
		memset(m.stack, 0, sizeof(m.stack));
	m.r[R1] = r1;
	m.r[R2] = r2;
	memcpy(&m.r[R3], interp->more, sizeof(interp->more));
	m.r[R10] = frame_pointer(&m);
	while (!m.done && (!interp->checked || may_step(&m)))
		step(&m);
	return m.r[0];
}
