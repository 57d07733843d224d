/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier: helpers and local functions.
 */
#include "verify.h"

/* --- helpers --- */

static int wrong_argument(struct flt_verifier *v, const struct flt_helper *helper, uint32_t r,
                          const char *wanted)
{
	return flt_vrefuse(v, "%s wants %s in r%u, which is %s", helper->name, wanted, r,
	                   flt_vtype_name(flt_vreg_now(v, r)->type));
}

static int check_map(struct flt_verifier *v, const struct flt_helper *helper, uint32_t r,
                     struct flt_map **map)
{
	const struct flt_vreg *reg = flt_vreg_now(v, r);
	if (reg->type != FLT_V_MAP)
		return wrong_argument(v, helper, r, "a map");
	if (!(helper->map_types >> flt_map_spec(reg->map)->type & 1))
		return flt_vrefuse(v, "%s does not take maps of type %u", helper->name,
		                   flt_map_spec(reg->map)->type);
	*map = reg->map;
	return 0;
}

static bool writes_map(const struct flt_helper *helper)
{
	return helper->flags & FLT_HELPER_CHANGES_MAP;
}

/* Memory whose size is in the next register. */
static int check_sized(struct flt_verifier *v, const struct flt_helper *helper, uint32_t r,
                       uint32_t kind, uint32_t size_kind)
{
	const struct flt_vreg *memory = flt_vreg_now(v, r), *size = flt_vreg_now(v, r + 1);
	int code = flt_vread(v, r + 1);
	if (code)
		return code;
	if (size->type != FLT_V_NUMBER)
		return wrong_argument(v, helper, r + 1, "a size");
	flt_vdecides(v, r);
	flt_vdecides(v, r + 1);
	if (size->range.umax > FLT_POINTER_OFFSET_MAX)
		return flt_vrefuse(v, "size in r%u has no upper bound", r + 1);
	if (size_kind == FLT_ARG_SIZE && !size->range.umin)
		return flt_vrefuse(v, "size in r%u may be 0", r + 1);
	if (memory->type == FLT_V_NUMBER) {
		if (kind != FLT_ARG_MEMORY_OR_0 || !flt_range_is_const(&memory->range) ||
		    memory->range.bits.value)
			return wrong_argument(v, helper, r, "memory");
		if (size->range.umax)
			return flt_vrefuse(v, "NULL in r%u with a size that may not be 0", r);
		return 0;
	}
	/* What is filled to a length that is not known keeps the rest of what was there before. */
	if (kind == FLT_ARG_WRITABLE && !flt_range_is_const(&size->range))
		code = flt_vmemory_arg(v, r, (uint32_t)size->range.umax, false);
	return code ? code
	            : flt_vmemory_arg(v, r, (uint32_t)size->range.umax, kind == FLT_ARG_WRITABLE);
}

static int check_argument(struct flt_verifier *v, const struct flt_helper *helper, uint32_t i,
                          struct flt_map **map)
{
	uint32_t r = R1 + i;
	const struct flt_vreg *reg = flt_vreg_now(v, r);
	int code = flt_vread(v, r);
	if (code)
		return code;
	switch (helper->args[i]) {
	case FLT_ARG_CONTEXT:
		return reg->type == FLT_V_CONTEXT ? 0 : wrong_argument(v, helper, r, "the context");
	case FLT_ARG_MAP:
		return check_map(v, helper, r, map);
	case FLT_ARG_KEY:
		return flt_vmemory_arg(v, r, flt_map_spec(*map)->key_size, false);
	case FLT_ARG_VALUE:
		return flt_vmemory_arg(v, r, flt_map_spec(*map)->value_size, false);
	case FLT_ARG_MEMORY:
	case FLT_ARG_MEMORY_OR_0:
	case FLT_ARG_WRITABLE:
		return check_sized(v, helper, r, helper->args[i], helper->args[i + 1]);
	case FLT_ARG_SIZE:
	case FLT_ARG_SIZE_OR_0:
		return 0; /* with the memory before it */
	default:
		return reg->type == FLT_V_NUMBER ? 0 : wrong_argument(v, helper, r, "a number");
	}
}

/* The packet's ends have moved, or its bytes may be elsewhere: pointers into it are dead. */
static void forget_packet(struct flt_verifier *v)
{
	for (uint32_t f = 0; f <= v->now.depth; f++) {
		struct flt_vframe *frame = v->now.frames[f];
		for (uint32_t r = 0; r < FLT_REGS; r++)
			if (flt_vtype_in_packet(frame->regs[r].type))
				frame->regs[r].type = FLT_V_NONE;
		for (uint32_t i = 0; i < frame->n_slots; i++) {
			struct flt_vslot *slot = &frame->slots[i];
			if (slot->bytes[0] == FLT_B_SPILL && flt_vtype_in_packet(slot->spill.type))
				memset(slot->bytes, FLT_B_NONE, sizeof(slot->bytes));
		}
	}
}

/* An array has a value for each key below its size. */
static bool is_there(struct flt_verifier *v, const struct flt_map *map)
{
	const struct flt_map_spec *spec = flt_map_spec(map);
	uint32_t key;
	return (spec->type == FLT_MAP_ARRAY || spec->type == FLT_MAP_PERCPU_ARRAY) &&
	       flt_vstack_constant(v, R2, &key) && key < spec->max_entries;
}

static void set_result(struct flt_verifier *v, const struct flt_helper *helper, struct flt_map *map)
{
	struct flt_vframe *frame = flt_vframe_now(v);
	bool there = helper->result == FLT_RESULT_VALUE_OR_NULL && is_there(v, map);
	for (uint32_t r = R1; r <= R5; r++)
		frame->regs[r].type = FLT_V_NONE;
	if (there)
		frame->regs[R0] = (struct flt_vreg){
		        .type = FLT_V_VALUE, .map = map, .range = flt_range_const(0)};
	else if (helper->result == FLT_RESULT_VALUE_OR_NULL)
		frame->regs[R0] = (struct flt_vreg){.type = FLT_V_VALUE_OR_NULL,
		                                    .map = map,
		                                    .id = v->next_id++,
		                                    .range = flt_range_const(0)};
	else
		flt_vreg_set_number(&frame->regs[R0], flt_range_unknown());
}

/* trace_printk reads as many more registers as its format says; it prints them, so no pointers. */
static int check_variadic(struct flt_verifier *v, const struct flt_helper *helper, uint32_t r)
{
	const struct flt_vreg *reg = flt_vreg_now(v, r);
	if (reg->type == FLT_V_NONE) {
		/* Not to print what happens to stand in the register. */
		v->notes[v->now.pc].limit |= 1u << r;
		return 0;
	}
	return reg->type == FLT_V_NUMBER ? 0 : wrong_argument(v, helper, r, "a number");
}

static int check_arguments(struct flt_verifier *v, const struct flt_helper *helper,
                           struct flt_map **map)
{
	for (uint32_t i = 0; i < 5; i++) {
		int code = 0;
		if (helper->args[i] != FLT_ARG_NONE)
			code = check_argument(v, helper, i, map);
		else if (helper->flags & FLT_HELPER_VARIADIC)
			code = check_variadic(v, helper, R1 + i);
		if (code)
			return code;
	}
	return 0;
}

/* A lookup tries all lengths of prefixes, an update looks first what there is. */
static uint64_t cost_of_prefixes(const struct flt_map *map, uint64_t one, bool writes)
{
	uint64_t key_size = flt_map_spec(map)->key_size;
	return writes ? 2 * one : (one + 4 * key_size) * (1 + 8 * (key_size - 4));
}

/* What the helper counts for: itself, and the bytes that it moves. */
static void charge_helper(struct flt_verifier *v, const struct flt_helper *helper,
                          const struct flt_map *map)
{
	uint64_t cost = helper->cost, bytes = 0;
	if (map && flt_map_spec(map)->type == FLT_MAP_LPM_TRIE)
		cost = cost_of_prefixes(map, cost, writes_map(helper));
	if (map)
		bytes = flt_map_spec(map)->key_size + flt_map_spec(map)->value_size;
	if (helper->size) {
		uint32_t r = R1 + helper->size - 1u;
		const struct flt_range *range = &flt_vreg_now(v, r)->range;
		bytes = range->umax;
		if (helper->args[helper->size - 1] == FLT_ARG_ANY && bytes > 0xffff)
			bytes = 0xffff; /* no packet is longer */
		if (helper->flags & FLT_HELPER_MOVES && flt_range_is_const(range) &&
		    (int32_t)range->umax <= 0) /* it shrinks */
			bytes = 0;
		flt_vdecides(v, r);
	}
	flt_vcharge(v, cost + bytes / 8);
}

static int call_helper(struct flt_verifier *v, uint32_t number)
{
	const struct flt_helper *helper = flt_helper_find(number);
	struct flt_map *map = NULL;
	if (!helper)
		return flt_vrefuse(v, "helper %u does not exist here", number);
	if (helper->flags & FLT_HELPER_XDP && v->kind != FLT_KIND_XDP)
		return flt_vrefuse(v, "%s is for xdp programs", helper->name);
	if (helper->flags & FLT_HELPER_WRITES && !v->may_write)
		return flt_vrefuse(v, "%s changes the packet: not in a filter", helper->name);
	int code = check_arguments(v, helper, &map);
	if (code)
		return code;
	if (map && writes_map(helper) && flt_map_is_read_only(map))
		return flt_vrefuse(v, "%s on map \"%s\", which is read only", helper->name,
		                   flt_map_spec(map)->name);
	charge_helper(v, helper, map);
	if (helper->flags & FLT_HELPER_MOVES)
		forget_packet(v);
	set_result(v, helper, map);
	v->now.pc++;
	return 0;
}

/* --- functions of other programs --- */

static int check_given(struct flt_verifier *v, const struct flt_argument *a, uint32_t r)
{
	const struct flt_vreg *reg = flt_vreg_now(v, r);
	int code = flt_vread(v, r);
	if (code)
		return code;
	if (a->kind == FLT_ARGUMENT_NUMBER)
		return reg->type == FLT_V_NUMBER ? 0
		                                 : flt_vrefuse(v, "r%u is %s, a number is wanted",
		                                               r, flt_vtype_name(reg->type));
	if (reg->type == FLT_V_NUMBER || reg->type == FLT_V_CONTEXT || reg->type == FLT_V_MAP)
		return flt_vrefuse(v, "r%u is %s, memory is wanted", r, flt_vtype_name(reg->type));
	/* Who is called reads without looking at the packet's end. */
	if (flt_vtype_in_packet(reg->type))
		v->notes[v->now.pc].flags |= FLT_NOTE_FENCE;
	code = flt_vmemory_arg(v, r, a->size, false);
	return code || a->kind == FLT_ARGUMENT_CONSTANT ? code
	                                                : flt_vmemory_arg(v, r, a->size, true);
}

static int call_import(struct flt_verifier *v, uint32_t number)
{
	if (number >= v->n_imports)
		return flt_vrefuse(v, "function %u of another program does not exist", number);
	const struct flt_program *other = v->imports[number];
	struct flt_vframe *frame = flt_vframe_now(v);
	int code = 0;
	for (uint32_t i = 0; i < other->signature.n && !code; i++)
		code = check_given(v, &other->signature.arguments[i], R1 + i);
	if (code)
		return code;
	flt_vcharge(v, other->cost);
	for (uint32_t r = R1; r <= R5; r++)
		frame->regs[r].type = FLT_V_NONE;
	flt_vreg_set_number(&frame->regs[R0], flt_range_unknown());
	v->now.pc++;
	return 0;
}

/* --- local functions --- */

static int call_local(struct flt_verifier *v, const struct flt_insn *insn)
{
	struct flt_vstate *now = &v->now;
	uint32_t depth = now->depth + 1;
	if (depth >= FLT_CALL_DEPTH_MAX)
		return flt_vrefuse(v, "more than %u functions active at once",
		                   (uint32_t)FLT_CALL_DEPTH_MAX);
	if (!now->frames[depth])
		now->frames[depth] = flt_platform.alloc(sizeof(struct flt_vframe));
	struct flt_vframe *caller = now->frames[now->depth], *callee = now->frames[depth];
	if (!callee)
		return flt_fail(v->error, FLT_E_NO_MEMORY, (int32_t)now->pc, "no memory");
	memset(callee, 0, offsetof(struct flt_vframe, slots));
	for (uint32_t r = R1; r <= R5; r++)
		callee->regs[r] = caller->regs[r];
	callee->regs[R10] = (struct flt_vreg){
	        .type = FLT_V_STACK, .frame = (uint8_t)depth, .range = flt_range_const(0)};
	callee->return_to = now->pc + 1;
	now->depth = depth;
	flt_vstack_written(v, depth, (struct flt_halves){{UINT64_MAX, UINT64_MAX}});
	now->pc = (uint32_t)((int32_t)now->pc + 1 + insn->imm);
	return 0;
}

int flt_vcall(struct flt_verifier *v, const struct flt_insn *insn)
{
	if (insn->code & BPF_SRC_MASK)
		return flt_vrefuse(v, "call by register: what would be called is not known");
	if (insn_src(insn) == BPF_PSEUDO_CALL)
		return call_local(v, insn);
	if (insn_src(insn) == BPF_PSEUDO_IMPORT)
		return call_import(v, (uint32_t)insn->imm);
	return call_helper(v, (uint32_t)insn->imm);
}

static uint32_t round_up(uint32_t bytes)
{
	return (bytes + 15) & ~15u;
}

int flt_vstack_depth(struct flt_verifier *v)
{
	const uint32_t *function = v->shape.function;
	/* With those it calls; each pass reaches one call deeper. */
	uint32_t *total = flt_alloc_array(v->n_insns, sizeof(*total));
	if (!total)
		return flt_fail(v->error, FLT_E_NO_MEMORY, -1, "no memory");
	for (uint32_t pass = 0; pass <= FLT_CALL_DEPTH_MAX; pass++) {
		for (uint32_t i = v->n_insns; i-- > 0;) {
			const struct flt_insn *insn = &v->insns[i];
			uint32_t *sum = &total[function[i]], own = round_up(v->stack[function[i]]);
			*sum = flt_max_u32(*sum, own);
			if (insn->code == (BPF_JMP | BPF_CALL) &&
			    insn_src(insn) == BPF_PSEUDO_CALL &&
			    !(v->notes[i].flags & FLT_NOTE_DEAD))
				*sum = flt_max_u32(*sum, own + total[i + 1 + (uint32_t)insn->imm]);
		}
	}
	uint32_t all = total[0];
	flt_free(total);
	return all <= FLT_STACK_BYTES
	               ? 0
	               : flt_fail(v->error, FLT_E_REFUSED, 0,
	                          "functions active at once use %u bytes of stack, %u are allowed",
	                          all, (uint32_t)FLT_STACK_BYTES);
}

int flt_vexit(struct flt_verifier *v)
{
	const struct flt_vreg *result = flt_vreg_now(v, R0);
	if (!v->now.depth) {
		int code = flt_vread(v, R0);
		if (code)
			return code;
		v->path_ended = true;
		return flt_vtype_is_pointer(result->type)
		               ? flt_vrefuse(v, "the program returns %s",
		                             flt_vtype_name(result->type))
		               : 0;
	}
	if (result->type == FLT_V_STACK && result->frame == v->now.depth)
		return flt_vrefuse(v, "a function returns a pointer to its own stack");
	struct flt_vframe *caller = v->now.frames[v->now.depth - 1];
	v->now.pc = flt_vframe_now(v)->return_to;
	v->now.depth--;
	caller->regs[R0] = *result;
	for (uint32_t r = R1; r <= R5; r++)
		caller->regs[r].type = FLT_V_NONE;
	return 0;
}
