/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier: loads and stores.
 */
#include "verify.h"

/* Members of Linux's struct xdp_md. */
enum {
	XDP_MD_DATA = 0,
	XDP_MD_DATA_END = 4,
	XDP_MD_DATA_META = 8,
	XDP_MD_INGRESS_IFINDEX = 12,
	XDP_MD_RX_QUEUE_INDEX = 16,
	XDP_MD_EGRESS_IFINDEX = 20,
};

/* What an instruction accesses: the pointer's type plus 1 would not fit mixed uses, so this does.
 */
enum { ACCESS_MIXED = 0xff };

/* An access: through which register, where, how many bytes. */
struct access {
	struct flt_vreg *base;
	uint32_t reg;
	int32_t offset; /* of the instruction */
	uint32_t size;
	bool write;
};

/* --- bounds --- */

/* The fixed part plus the instruction's offset; int64_t so that it can't wrap. */
static int64_t fixed_offset(const struct access *a)
{
	return (int64_t)a->base->offset + a->offset;
}

static int check_value_bounds(struct flt_verifier *v, const struct access *a)
{
	const struct flt_map_spec *spec = flt_map_spec(a->base->map);
	uint32_t size = flt_map_variables_size(a->base->map);
	const struct flt_range *var = &a->base->range;
	if (var->smin < 0 && var->smin + fixed_offset(a) < 0)
		return flt_vrefuse(v, "access before the start of a value of map \"%s\"",
		                   spec->name);
	if (var->smax > FLT_POINTER_OFFSET_MAX)
		return flt_vrefuse(v, "offset into a value of map \"%s\" has no upper bound",
		                   spec->name);
	if (var->smin + fixed_offset(a) < 0 || var->smax + fixed_offset(a) + a->size > size)
		return flt_vrefuse(
		        v, "access of %u bytes at offset %ld of a value of map \"%s\" of %u",
		        a->size, (long)(var->smax + fixed_offset(a)), spec->name, size);
	if (a->write && flt_map_is_read_only(a->base->map))
		return flt_vrefuse(v, "write to map \"%s\", which is read only", spec->name);
	return 0;
}

static int check_packet_bounds(struct flt_verifier *v, const struct access *a)
{
	int64_t at = fixed_offset(a);
	if (a->write && !v->may_write)
		return flt_vrefuse(v, "write to the packet by a filter");
	if (at < 0 || at + a->size > a->base->length)
		return flt_vrefuse(
		        v,
		        "access of %u bytes at offset %ld of the packet, of which %u are checked",
		        a->size, (long)at, (uint32_t)a->base->length);
	return 0;
}

static int check_raw_bounds(struct flt_verifier *v, const struct access *a)
{
	const struct flt_range *var = &a->base->range;
	if (var->smax > FLT_POINTER_OFFSET_MAX || var->smin + fixed_offset(a) < 0)
		return flt_vrefuse(v, "offset into the memory may be out of bounds");
	uint64_t end = (uint64_t)(var->smax + fixed_offset(a)) + a->size;
	if (end > v->now.raw_length)
		return flt_vrefuse(v,
		                   "access up to byte %lu of the memory, of which %lu are checked",
		                   (unsigned long)end, (unsigned long)v->now.raw_length);
	return 0;
}

static int check_memory_bounds(struct flt_verifier *v, const struct access *a)
{
	const struct flt_range *var = &a->base->range;
	if (a->write && a->base->frame)
		return flt_vrefuse(v, "write to an argument's memory, which is const");
	if (var->smax > FLT_POINTER_OFFSET_MAX || var->smin + fixed_offset(a) < 0 ||
	    var->smax + fixed_offset(a) + a->size > a->base->length)
		return flt_vrefuse(v, "access of %u bytes at offset %ld of an argument's %u",
		                   a->size, (long)(var->smax + fixed_offset(a)),
		                   (uint32_t)a->base->length);
	return 0;
}

/* The function whose stack it is uses so many bytes of it. */
static void note_depth(struct flt_verifier *v, uint32_t frame, uint32_t bytes)
{
	uint32_t at = frame == v->now.depth ? v->now.pc : v->now.frames[frame + 1]->return_to - 1;
	uint32_t *stack = &v->stack[v->shape.function[at]];
	*stack = flt_max_u32(*stack, bytes);
}

/* First and last byte, counted from the stack's lowest address (R10 - 512). */
static int stack_bytes(struct flt_verifier *v, const struct access *a, uint32_t *first,
                       uint32_t *last)
{
	const struct flt_range *var = &a->base->range;
	int64_t at = fixed_offset(a) + FLT_STACK_BYTES;
	if (var->smin < -FLT_STACK_BYTES || var->smax > FLT_STACK_BYTES)
		return flt_vrefuse(v, "offset into the stack has no bounds");
	if (at + var->smin < 0 || at + var->smax + a->size > FLT_STACK_BYTES)
		return flt_vrefuse(v, "access of %u bytes at offset %ld of the stack", a->size,
		                   (long)(at + var->smin - FLT_STACK_BYTES));
	*first = (uint32_t)(at + var->smin);
	*last = (uint32_t)(at + var->smax) + a->size - 1;
	note_depth(v, a->base->frame, FLT_STACK_BYTES - *first);
	return 0;
}

/* --- the stack --- */

static uint32_t slot_of(uint32_t byte)
{
	return FLT_STACK_SLOTS - 1 - byte / 8;
}

/* The slot, brought into use. */
static struct flt_vslot *use_slot(struct flt_vframe *frame, uint32_t slot)
{
	while (frame->n_slots <= slot)
		memset(&frame->slots[frame->n_slots++], 0, sizeof(struct flt_vslot));
	return &frame->slots[slot];
}

static uint32_t byte_kind(const struct flt_vframe *frame, uint32_t byte)
{
	uint32_t slot = slot_of(byte);
	return slot < frame->n_slots ? frame->slots[slot].bytes[byte % 8] : FLT_B_NONE;
}

/*
 * What was saved is overwritten in part: a number becomes plain bytes. The rest of a pointer must
 * not be read as a number, so it is gone.
 */
static void break_spill(struct flt_vslot *slot)
{
	uint8_t kind = slot->spill.type == FLT_V_NUMBER ? FLT_B_MISC : FLT_B_NONE;
	for (uint32_t b = 0; b < 8; b++)
		if (slot->bytes[b] == FLT_B_SPILL)
			slot->bytes[b] = kind;
}

static bool holds_pointer(const struct flt_vframe *frame, uint32_t byte)
{
	return byte_kind(frame, byte) == FLT_B_SPILL &&
	       frame->slots[slot_of(byte)].spill.type != FLT_V_NUMBER;
}

/* The half slots that bytes first to last touch, or that they fill. */
static struct flt_halves halves_of(uint32_t first, uint32_t last, bool filled)
{
	struct flt_halves halves = {{0, 0}};
	for (uint32_t h = first / 4; h <= last / 4; h++)
		if (!filled || (4 * h >= first && 4 * h + 3 <= last))
			halves.of[h % 2] |= 1ull << slot_of(4 * h);
	return halves;
}

static void write_bytes(struct flt_verifier *v, uint32_t frame_index, uint32_t first, uint32_t last,
                        uint32_t kind)
{
	struct flt_vframe *frame = v->now.frames[frame_index];
	for (uint32_t b = first; b <= last; b++) {
		struct flt_vslot *slot = use_slot(frame, slot_of(b));
		if (slot->bytes[b % 8] == FLT_B_SPILL)
			break_spill(slot);
		slot->bytes[b % 8] = (uint8_t)kind;
	}
	flt_vstack_written(v, frame_index, halves_of(first, last, true));
}

/* A store somewhere between first and last: what was initialised stays so, nothing more. */
static int write_somewhere(struct flt_verifier *v, const struct access *a, uint32_t first,
                           uint32_t last)
{
	struct flt_vframe *frame = v->now.frames[a->base->frame];
	flt_vstack_read(v, a->base->frame, halves_of(first, last, false));
	for (uint32_t b = first; b <= last; b++) {
		if (holds_pointer(frame, b))
			return flt_vrefuse(v, "store at a variable offset may hit a saved pointer");
		struct flt_vslot *slot = use_slot(frame, slot_of(b));
		if (slot->bytes[b % 8] == FLT_B_SPILL)
			break_spill(slot);
		if (slot->bytes[b % 8] == FLT_B_ZERO)
			slot->bytes[b % 8] = FLT_B_MISC;
	}
	return 0;
}

static bool is_zero(const struct flt_vreg *value)
{
	return value->type == FLT_V_NUMBER && flt_range_is_const(&value->range) &&
	       !value->range.bits.value;
}

/* The current step touched a slot as a whole. */
static void note_slot(struct flt_verifier *v, const struct access *a, uint32_t slot)
{
	struct flt_step *step = flt_vstep_now(v);
	step->flags |= FLT_STEP_SLOT;
	step->frame = a->base->frame;
	step->slot = (uint8_t)slot;
}

/* Saves all of a register, or the lower half of a number. */
static void save(struct flt_verifier *v, const struct access *a, uint32_t first,
                 const struct flt_vreg *value)
{
	struct flt_vslot *slot = use_slot(v->now.frames[a->base->frame], slot_of(first));
	if (slot->bytes[0] == FLT_B_SPILL)
		break_spill(slot);
	memset(slot->bytes, FLT_B_SPILL, a->size);
	slot->spill = *value;
	if (a->size < 8 && value->range.umax > UINT32_MAX)
		flt_vreg_set_number(&slot->spill,
		                    flt_range_truncate(&value->range, a->size, false));
	flt_vstack_written(v, a->base->frame, halves_of(first, first + a->size - 1, true));
	note_slot(v, a, slot_of(first));
}

static int write_stack(struct flt_verifier *v, const struct access *a, const struct flt_vreg *value,
                       uint32_t source)
{
	uint32_t first, last;
	int code = stack_bytes(v, a, &first, &last);
	if (code)
		return code;
	bool pointer = flt_vtype_is_pointer(value->type);
	if (value->type == FLT_V_STACK && value->frame > a->base->frame)
		return flt_vrefuse(v, "address of a function's stack is stored in its caller's");
	if (pointer && (a->size != 8 || last - first != 7))
		return flt_vrefuse(v, "part of a pointer is stored");
	if (last - first + 1 != a->size)
		return write_somewhere(v, a, first, last);
	if (first % a->size)
		return flt_vrefuse(v, "misaligned access to the stack");
	if (a->size >= 4 && first % 8 == 0) {
		save(v, a, first, value);
		return 0;
	}
	if (is_zero(value) && source < FLT_REGS)
		flt_vdecides(v, source);
	write_bytes(v, a->base->frame, first, last, is_zero(value) ? FLT_B_ZERO : FLT_B_MISC);
	return 0;
}

/* Every byte was written, and none belongs to a saved pointer. */
static int read_bytes(struct flt_verifier *v, const struct access *a, uint32_t first, uint32_t last)
{
	const struct flt_vframe *frame = v->now.frames[a->base->frame];
	flt_vstack_read(v, a->base->frame, halves_of(first, last, false));
	for (uint32_t b = first; b <= last; b++) {
		if (byte_kind(frame, b) == FLT_B_NONE)
			return flt_vrefuse(v, "byte %d of the stack is read but was never written",
			                   (int)b - FLT_STACK_BYTES);
		if (holds_pointer(frame, b))
			return flt_vrefuse(v, "part of a saved pointer is read as a number");
	}
	return 0;
}

/* The bytes are all known to be 0. */
static bool all_zero(struct flt_verifier *v, const struct access *a, uint32_t first, uint32_t last)
{
	const struct flt_vframe *frame = v->now.frames[a->base->frame];
	for (uint32_t b = first; b <= last; b++) {
		uint32_t kind = byte_kind(frame, b);
		if (kind != FLT_B_ZERO &&
		    (kind != FLT_B_SPILL || !is_zero(&frame->slots[slot_of(b)].spill)))
			return false;
	}
	for (uint32_t b = first; b <= last; b++)
		if (byte_kind(frame, b) == FLT_B_SPILL)
			flt_vdecides_slot(v, a->base->frame, slot_of(b));
	return true;
}

static int read_stack(struct flt_verifier *v, const struct access *a, struct flt_vreg *out)
{
	const struct flt_vframe *frame = v->now.frames[a->base->frame];
	uint32_t first, last;
	int code = stack_bytes(v, a, &first, &last);
	if (code)
		return code;
	bool fixed = last - first + 1 == a->size;
	if (fixed && first % a->size)
		return flt_vrefuse(v, "misaligned access to the stack");
	bool saved = fixed && first % 8 == 0 && byte_kind(frame, first) == FLT_B_SPILL &&
	             byte_kind(frame, last) == FLT_B_SPILL;
	const struct flt_vslot *slot = &frame->slots[slot_of(first)];
	bool whole = saved && a->size == (byte_kind(frame, first + 7) == FLT_B_SPILL ? 8u : 4u);
	if (whole) {
		flt_vstack_read(v, a->base->frame, halves_of(first, last, false));
		note_slot(v, a, slot_of(first));
		*out = slot->spill;
		return 0;
	}
	code = read_bytes(v, a, first, last);
	if (code)
		return code;
	/* The low part of a saved number is still that number's low part (little-endian). */
	if (saved) {
		note_slot(v, a, slot_of(first));
		flt_vreg_set_number(out, flt_range_truncate(&slot->spill.range, a->size, false));
	} else if (all_zero(v, a, first, last)) {
		flt_vreg_set_number(out, flt_range_const(0));
	} else {
		flt_vreg_set_number(out, flt_range_of_bytes(a->size));
	}
	return 0;
}

bool flt_vstack_constant(struct flt_verifier *v, uint32_t r, uint32_t *value)
{
	const struct access a = {flt_vreg_now(v, r), r, 0, 4, false};
	uint32_t first, last;
	if (a.base->type != FLT_V_STACK || stack_bytes(v, &a, &first, &last) || last - first != 3 ||
	    first % 4)
		return false;
	const struct flt_vframe *frame = v->now.frames[a.base->frame];
	*value = 0;
	if (byte_kind(frame, first) != FLT_B_SPILL)
		return all_zero(v, &a, first, last);
	const struct flt_vreg *saved = &frame->slots[slot_of(first)].spill;
	bool whole = byte_kind(frame, first | 7) != FLT_B_SPILL;
	if (saved->type != FLT_V_NUMBER || !flt_range_is_const(&saved->range) ||
	    (first % 8 == 0 && !whole))
		return false;
	flt_vdecides_slot(v, a.base->frame, slot_of(first));
	*value = (uint32_t)(saved->range.bits.value >> 8 * (first % 8));
	return true;
}

/* --- the context --- */

static int read_context(struct flt_verifier *v, const struct access *a, struct flt_vreg *out)
{
	int64_t at = fixed_offset(a);
	if (!flt_range_is_const(&a->base->range) || a->base->range.bits.value)
		return flt_vrefuse(v, "variable offset into the context");
	if (at < 0 || at > XDP_MD_EGRESS_IFINDEX || at % 4 || a->size != 4)
		return flt_vrefuse(v, "load of %u bytes at offset %ld of the context", a->size,
		                   (long)at);
	switch (at) {
	case XDP_MD_DATA:
		*out = (struct flt_vreg){.type = FLT_V_PACKET, .range = flt_range_const(0)};
		return 0;
	case XDP_MD_DATA_META:
		*out = (struct flt_vreg){.type = FLT_V_PACKET_META, .range = flt_range_const(0)};
		return 0;
	case XDP_MD_DATA_END:
		*out = (struct flt_vreg){.type = FLT_V_PACKET_END, .range = flt_range_const(0)};
		return 0;
	default:
		flt_vreg_set_number(out, flt_range_of_bytes(4));
		return 0;
	}
}

void flt_context_rewrite(struct flt_insn *insn)
{
	/* Pointers with a fixed offset into the context are possible: the offset in the instruction
	 * alone says nothing then. Such pointers are refused in pointer arithmetic. */
	static const struct {
		uint8_t offset;
		bool wide;
	} members[] = {
	        [XDP_MD_DATA / 4] = {offsetof(struct flt_xdp_buff, data), true},
	        [XDP_MD_DATA_END / 4] = {offsetof(struct flt_xdp_buff, data_end), true},
	        [XDP_MD_DATA_META / 4] = {offsetof(struct flt_xdp_buff, data), true},
	        [XDP_MD_INGRESS_IFINDEX / 4] = {offsetof(struct flt_xdp_buff, ingress_ifindex),
	                                        false},
	        [XDP_MD_RX_QUEUE_INDEX / 4] = {offsetof(struct flt_xdp_buff, rx_queue_index),
	                                       false},
	        [XDP_MD_EGRESS_IFINDEX / 4] = {offsetof(struct flt_xdp_buff, egress_ifindex),
	                                       false},
	};
	uint32_t member = (uint32_t)insn->offset / 4;
	insn->code = members[member].wide ? BPF_LDX | BPF_MEM | BPF_DW : insn->code;
	insn->offset = members[member].offset;
}

/* --- loads and stores --- */

/*
 * Notes what the instruction accesses. The context's layout is translated and packet loads are
 * clamped in machine code, so one instruction can't do that and something else.
 */
static int note_access(struct flt_verifier *v, const struct access *a)
{
	uint8_t *seen = &v->access[v->now.pc];
	uint8_t type = a->base->type;
	struct flt_note *note = &v->notes[v->now.pc];
	if (*seen && *seen != type) {
		if (*seen == FLT_V_CONTEXT || type == FLT_V_CONTEXT)
			return flt_vrefuse(v, "one instruction loads from the context and from %s",
			                   flt_vtype_name(type == FLT_V_CONTEXT ? *seen : type));
		type = ACCESS_MIXED;
	}
	*seen = type;
	bool in_packet = type == FLT_V_PACKET || type == FLT_V_PACKET_META;
	if (flt_vtype_in_packet(a->base->type) && fixed_offset(a) + a->size > a->base->sure)
		note->flags |= a->write || !in_packet ? FLT_NOTE_FENCE : FLT_NOTE_PACKET;
	/* What is clamped to the packet must be in the packet always. */
	if (type == ACCESS_MIXED && note->flags & FLT_NOTE_PACKET)
		note->flags |= FLT_NOTE_FENCE;
	if (note->flags & FLT_NOTE_FENCE)
		note->flags &= (uint8_t)~FLT_NOTE_PACKET;
	return 0;
}

/* Bounds of memory other than the stack and the context. */
static int check_plain(struct flt_verifier *v, const struct access *a)
{
	switch (a->base->type) {
	case FLT_V_PACKET:
	case FLT_V_PACKET_META:
		return check_packet_bounds(v, a);
	case FLT_V_VALUE:
		return check_value_bounds(v, a);
	case FLT_V_RAW:
		return check_raw_bounds(v, a);
	case FLT_V_MEMORY:
		return check_memory_bounds(v, a);
	case FLT_V_VALUE_OR_NULL:
		return flt_vrefuse(v, "r%u may be NULL: compare it with 0 first", a->reg);
	default:
		return flt_vrefuse(v, "r%u is %s: no memory to access", a->reg,
		                   flt_vtype_name(a->base->type));
	}
}

/* A number in a map that nobody can change is known. */
static struct flt_range read_constant(const struct access *a)
{
	const uint8_t *base = flt_map_array_base(a->base->map);
	uint64_t value = 0;
	memcpy(&value, base + fixed_offset(a), a->size);
	return flt_range_const(value);
}

static bool is_constant(const struct access *a)
{
	return a->base->type == FLT_V_VALUE && flt_map_is_frozen(a->base->map) &&
	       flt_range_is_const(&a->base->range) && !a->base->range.bits.value;
}

static int read_any(struct flt_verifier *v, const struct access *a, struct flt_vreg *out)
{
	if (a->base->type == FLT_V_STACK)
		return read_stack(v, a, out);
	if (a->base->type == FLT_V_CONTEXT)
		return read_context(v, a, out);
	int code = check_plain(v, a);
	if (!code)
		flt_vreg_set_number(out, is_constant(a) ? read_constant(a)
		                                        : flt_range_of_bytes(a->size));
	return code;
}

int flt_vload(struct flt_verifier *v, const struct flt_insn *insn)
{
	uint32_t r = insn_src(insn);
	struct access a = {flt_vreg_now(v, r), r, insn->offset, insn_size(insn), false};
	struct flt_vreg out;
	int code = flt_vread(v, r);
	if (!code)
		code = note_access(v, &a);
	if (!code)
		code = read_any(v, &a, &out);
	if (code)
		return code;
	if ((insn->code & BPF_MODE_MASK) == BPF_MEMSX) {
		if (out.type != FLT_V_NUMBER)
			return flt_vrefuse(v, "sign-extending load of a pointer");
		flt_vreg_set_number(&out, flt_range_truncate(&out.range, a.size, true));
	}
	*flt_vreg_now(v, insn_dst(insn)) = out;
	return 0;
}

/* source: the register that the value comes from; FLT_REGS: none. */
static int write_any(struct flt_verifier *v, const struct access *a, const struct flt_vreg *value,
                     uint32_t source)
{
	if (a->base->type == FLT_V_STACK)
		return write_stack(v, a, value, source);
	if (flt_vtype_is_pointer(value->type))
		return flt_vrefuse(v, "%s is stored where others could read it",
		                   flt_vtype_name(value->type));
	if (a->base->type == FLT_V_CONTEXT)
		return flt_vrefuse(v, "store into the context");
	return check_plain(v, a);
}

static int check_atomic_place(struct flt_verifier *v, const struct access *a)
{
	const struct flt_tnum *bits = &a->base->range.bits;
	uint64_t low = a->size - 1; /* bits that must be known to be 0 */
	bool fixed = a->base->type != FLT_V_STACK || flt_range_is_const(&a->base->range);
	if (a->base->type != FLT_V_STACK && a->base->type != FLT_V_VALUE &&
	    a->base->type != FLT_V_RAW && a->base->type != FLT_V_MEMORY)
		return flt_vrefuse(v, "atomic operation on %s", flt_vtype_name(a->base->type));
	if (!fixed || bits->mask & low || ((uint64_t)fixed_offset(a) + bits->value) & low)
		return flt_vrefuse(v, "misaligned atomic operation");
	return 0;
}

static int atomic(struct flt_verifier *v, const struct flt_insn *insn, const struct access *a)
{
	struct flt_vreg old, unknown;
	uint32_t source = insn_src(insn);
	bool compares = insn->imm == BPF_CMPXCHG;
	int code = flt_vread(v, source);
	if (!code && compares)
		code = flt_vread(v, R0);
	if (!code)
		code = check_atomic_place(v, a);
	if (code)
		return code;
	if (flt_vtype_is_pointer(flt_vreg_now(v, source)->type) ||
	    (compares && flt_vtype_is_pointer(flt_vreg_now(v, R0)->type)))
		return flt_vrefuse(v, "atomic operation with a pointer");
	code = read_any(v, a, &old);
	if (!code && old.type != FLT_V_NUMBER)
		return flt_vrefuse(v, "atomic operation on a saved pointer");
	flt_vreg_set_number(&unknown, flt_range_unknown());
	if (!code)
		code = write_any(v, a, &unknown, FLT_REGS);
	if (code)
		return code;
	if (compares)
		flt_vreg_set_number(flt_vreg_now(v, R0), flt_range_of_bytes(a->size));
	else if (insn->imm & BPF_FETCH)
		flt_vreg_set_number(flt_vreg_now(v, source), flt_range_of_bytes(a->size));
	return 0;
}

int flt_vstore(struct flt_verifier *v, const struct flt_insn *insn)
{
	uint32_t r = insn_dst(insn);
	struct access a = {flt_vreg_now(v, r), r, insn->offset, insn_size(insn), true};
	int code = flt_vread(v, r);
	if (!code)
		code = note_access(v, &a);
	if (code)
		return code;
	if ((insn->code & BPF_CLASS_MASK) == BPF_ST) {
		struct flt_vreg value;
		flt_vreg_set_number(&value, flt_range_const((uint64_t)(int64_t)insn->imm));
		return write_any(v, &a, &value, FLT_REGS);
	}
	if ((insn->code & BPF_MODE_MASK) == BPF_ATOMIC)
		return atomic(v, insn, &a);
	code = flt_vread(v, insn_src(insn));
	return code ? code : write_any(v, &a, flt_vreg_now(v, insn_src(insn)), insn_src(insn));
}

/* --- helpers' memory --- */

static bool is_memory(uint32_t type)
{
	return type == FLT_V_STACK || type == FLT_V_PACKET || type == FLT_V_PACKET_META ||
	       type == FLT_V_VALUE || type == FLT_V_RAW || type == FLT_V_MEMORY;
}

int flt_vmemory_arg(struct flt_verifier *v, uint32_t r, uint32_t size, bool write)
{
	struct access a = {flt_vreg_now(v, r), r, 0, size, write};
	uint32_t first, last;
	if (!size && is_memory(a.base->type))
		return 0;
	if (a.base->type != FLT_V_STACK)
		return check_plain(v, &a);
	int code = stack_bytes(v, &a, &first, &last);
	if (code)
		return code;
	if (!write)
		return read_bytes(v, &a, first, last);
	if (last - first + 1 != size)
		return flt_vrefuse(v, "helper fills the stack at a variable offset");
	write_bytes(v, a.base->frame, first, last, FLT_B_MISC);
	return 0;
}
