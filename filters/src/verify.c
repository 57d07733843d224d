/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The verifier's walk. See verify.h.
 */
#include "verify.h"

int flt_vrefuse(struct flt_verifier *v, const char *format, ...)
{
	char reason[160];
	struct flt_text text = {reason, sizeof(reason), 0};
	va_list list;
	va_start(list, format);
	reason[0] = '\0';
	flt_text_put_list(&text, format, list);
	va_end(list);
	v->code = flt_fail(v->error, FLT_E_REFUSED, (int32_t)v->now.pc, "%s", reason);
	return v->code;
}

const char *flt_vtype_name(uint32_t type)
{
	static const char *const names[] = {
	        [FLT_V_NONE] = "nothing",
	        [FLT_V_NUMBER] = "a number",
	        [FLT_V_CONTEXT] = "the context",
	        [FLT_V_STACK] = "a pointer to the stack",
	        [FLT_V_PACKET] = "a pointer into the packet",
	        [FLT_V_PACKET_META] = "a pointer to the packet's metadata",
	        [FLT_V_PACKET_END] = "the packet's end",
	        [FLT_V_MAP] = "a map",
	        [FLT_V_VALUE] = "a pointer to a map's value",
	        [FLT_V_VALUE_OR_NULL] = "a pointer to a map's value or NULL",
	        [FLT_V_RAW] = "a pointer to the memory",
	        [FLT_V_MEMORY] = "a pointer to an argument's memory",
	};
	return names[type];
}

void flt_vreg_set_number(struct flt_vreg *reg, struct flt_range range)
{
	*reg = (struct flt_vreg){.type = FLT_V_NUMBER, .range = range};
}

int flt_vread(struct flt_verifier *v, uint32_t r)
{
	if (flt_vreg_now(v, r)->type == FLT_V_NONE)
		return flt_vrefuse(v, "r%u is read but was never written", r);
	return 0;
}

/* --- 64-bit immediates --- */

static struct flt_map *map_of(struct flt_verifier *v, const struct flt_insn *insn)
{
	uint32_t index = (uint32_t)insn->imm;
	return index < v->n_maps ? v->maps[index] : NULL;
}

static int load_value_address(struct flt_verifier *v, const struct flt_insn *insn,
                              struct flt_map *map, struct flt_vreg *dst)
{
	uint32_t offset = (uint32_t)insn[1].imm, type = flt_map_spec(map)->type;
	if (type != FLT_MAP_ARRAY && type != FLT_MAP_ARENA)
		return flt_vrefuse(v, "address inside map \"%s\", which is no array",
		                   flt_map_spec(map)->name);
	if (!flt_map_variables(map))
		return flt_vrefuse(v, "address inside arena \"%s\", which is not in one piece",
		                   flt_map_spec(map)->name);
	if (offset >= flt_map_variables_size(map))
		return flt_vrefuse(v, "address beyond the value of map \"%s\"",
		                   flt_map_spec(map)->name);
	*dst = (struct flt_vreg){.type = FLT_V_VALUE,
	                         .map = map,
	                         .offset = (int32_t)offset,
	                         .range = flt_range_const(0)};
	return 0;
}

static int load_wide(struct flt_verifier *v, const struct flt_insn *insn)
{
	struct flt_vreg *dst = flt_vreg_now(v, insn_dst(insn));
	uint32_t kind = insn_src(insn);
	if (!insn_is_wide(insn))
		return flt_vrefuse(v, "legacy packet load: read the packet through the context "
		                      "instead");
	if (!kind) {
		flt_vreg_set_number(dst, flt_range_const(insn_wide_imm(insn)));
		return 0;
	}
	struct flt_map *map = map_of(v, insn);
	if (!map)
		return flt_vrefuse(v, "map number %d does not exist", insn->imm);
	if (kind == BPF_PSEUDO_MAP_VALUE)
		return load_value_address(v, insn, map, dst);
	*dst = (struct flt_vreg){.type = FLT_V_MAP, .map = map, .range = flt_range_const(0)};
	return 0;
}

/* --- the walk --- */

static int step(struct flt_verifier *v)
{
	const struct flt_insn *insn = &v->insns[v->now.pc];
	int code = 0;
	switch (insn->code & BPF_CLASS_MASK) {
	case BPF_ALU:
	case BPF_ALU64:
		code = flt_valu(v, insn);
		break;
	case BPF_LD:
		code = load_wide(v, insn);
		v->now.pc += !code;
		break;
	case BPF_LDX:
		code = flt_vload(v, insn);
		break;
	case BPF_ST:
	case BPF_STX:
		code = flt_vstore(v, insn);
		break;
	default:
		return flt_vjump(v, insn);
	}
	v->now.pc += !code;
	return code;
}

static int walk_path(struct flt_verifier *v)
{
	v->path_ended = false;
	while (!v->path_ended) {
		if (++v->steps > FLT_VERIFIER_STEPS_MAX) {
			(void)flt_vrefuse(v, "too complex: more than %u instructions walked",
			                  (uint32_t)FLT_VERIFIER_STEPS_MAX);
			return FLT_E_REFUSED;
		}
		if (v->effort > FLT_VERIFIER_EFFORT_MAX)
			return flt_vrefuse(v,
			                   "too complex: following what is known takes too long");
		int code = v->shape.kinds[v->now.pc] & FLT_INSN_TARGET ? flt_vmeet(v) : 0;
		if (code || v->path_ended)
			return code;
		v->notes[v->now.pc].flags &= (uint8_t)~FLT_NOTE_DEAD;
		v->steps_since_explored++;
		flt_vcharge(v, 1);
		code = flt_vtrace(v);
		if (!code)
			code = step(v);
		if (code)
			return code;
	}
	return 0;
}

static void set_arguments(struct flt_vframe *frame, const struct flt_signature *signature)
{
	for (uint32_t i = 0; i < signature->n; i++) {
		const struct flt_argument *a = &signature->arguments[i];
		struct flt_vreg *reg = &frame->regs[R1 + i];
		if (a->kind == FLT_ARGUMENT_NUMBER)
			flt_vreg_set_number(reg, flt_range_unknown());
		else
			*reg = (struct flt_vreg){.type = FLT_V_MEMORY,
			                         .frame = a->kind == FLT_ARGUMENT_CONSTANT,
			                         .length = a->size,
			                         .range = flt_range_const(0)};
	}
}

static void set_entry(struct flt_verifier *v)
{
	struct flt_vframe *frame = flt_vframe_now(v);
	memset(frame, 0, sizeof(*frame));
	frame->regs[R10] = (struct flt_vreg){.type = FLT_V_STACK, .range = flt_range_const(0)};
	if (v->kind == FLT_KIND_CALL) {
		set_arguments(frame, v->signature);
		return;
	}
	frame->regs[R1] =
	        (struct flt_vreg){.type = v->kind == FLT_KIND_RAW ? FLT_V_RAW : FLT_V_CONTEXT,
	                          .range = flt_range_const(0)};
	if (v->kind == FLT_KIND_RAW) {
		flt_vreg_set_number(&frame->regs[R2], flt_range_unknown());
		frame->regs[R2].id = FLT_RAW_LENGTH_ID;
	}
}

static int walk(struct flt_verifier *v)
{
	v->now.frames[0] = flt_alloc_array(1, sizeof(struct flt_vframe));
	if (!v->now.frames[0])
		return flt_fail(v->error, FLT_E_NO_MEMORY, -1, "no memory");
	set_entry(v);
	do {
		int code = walk_path(v);
		if (code)
			return code;
		flt_vend_path(v);
	} while (flt_vpop(v));
	return v->code;
}

/* --- afterwards --- */

/* Maps become addresses; the kind of the immediate is forgotten. */
static void place_maps(struct flt_verifier *v)
{
	for (uint32_t i = 0; i < v->n_insns; i++) {
		struct flt_insn *insn = &v->insns[i];
		if (!insn_is_wide(insn))
			continue;
		struct flt_map *map = insn_src(insn) ? map_of(v, insn) : NULL;
		i++;
		if (!map)
			continue;
		uint64_t address = (uint64_t)(uintptr_t)map;
		if (insn_src(insn) == BPF_PSEUDO_MAP_VALUE)
			address =
			        (uint64_t)(uintptr_t)flt_map_variables(map) + (uint32_t)insn[1].imm;
		insn->regs = (uint8_t)insn_dst(insn);
		insn[0].imm = (int32_t)address;
		insn[1].imm = (int32_t)(address >> 32);
	}
}

static int allocate(struct flt_verifier *v)
{
	v->notes = flt_alloc_array(v->n_insns, sizeof(*v->notes));
	v->access = flt_alloc_array(v->n_insns, sizeof(*v->access));
	v->live = flt_alloc_array(v->n_insns, sizeof(*v->live));
	v->stack = flt_alloc_array(v->n_insns, sizeof(*v->stack));
	v->explored = flt_alloc_array(v->n_insns, sizeof(struct flt_explored *));
	if (!v->notes || !v->access || !v->live || !v->stack || !v->explored)
		return flt_fail(v->error, FLT_E_NO_MEMORY, -1, "no memory");
	for (uint32_t i = 0; i < v->n_insns; i++)
		v->notes[i].flags = FLT_NOTE_DEAD;
	return 0;
}

static void release(struct flt_verifier *v)
{
	if (v->explored)
		flt_vforget_all(v);
	flt_vfree(v, v->trace, v->trace_room * sizeof(*v->trace));
	flt_vstate_free(v, &v->now);
	flt_free((void *)v->explored);
	flt_free(v->access);
	flt_free(v->live);
	flt_free(v->stack);
	flt_shape_of_program_free(&v->shape);
}

/* Context loads were verified as they stand; only now do they become loads from our structure. */
static void rewrite_context_loads(struct flt_verifier *v)
{
	for (uint32_t i = 0; i < v->n_insns; i++)
		if (v->access[i] == FLT_V_CONTEXT)
			flt_context_rewrite(&v->insns[i]);
}

/* What compilers write for a rotation is one where nobody wants the copy that it leaves behind. */
static void note_rotations(struct flt_verifier *v)
{
	for (uint32_t i = 0; i + FLT_ROTATION_MAX < v->n_insns; i++) {
		uint32_t n = v->notes[i].flags & FLT_NOTE_DEAD ? 0 : flt_insns_rotate(&v->insns[i]);
		if (n && !(v->live[i + n] >> insn_dst(&v->insns[i]) & 1))
			v->notes[i].flags |= FLT_NOTE_ROTATES;
	}
}

/* Others need memory, too, while a program is verified. */
static size_t memory_max(void)
{
	size_t half = flt_platform.memory_left ? flt_platform.memory_left() / 2 : SIZE_MAX;
	return half < FLT_VERIFIER_MEMORY_MAX ? half : FLT_VERIFIER_MEMORY_MAX;
}

static int check_budget(const struct flt_verifier *v, uint32_t budget)
{
	if (!budget || v->cost <= budget)
		return 0;
	return flt_fail(v->error, FLT_E_REFUSED, -1, "its dearest path costs %u, the budget is %u",
	                v->cost, budget);
}

int flt_verify(const struct flt_verify_input *input, struct flt_verified *verified,
               struct flt_error *error)
{
	struct flt_verifier *v = flt_alloc_array(1, sizeof(*v));
	if (!v)
		return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
	v->insns = input->insns;
	v->n_insns = input->n_insns;
	v->kind = input->kind;
	v->may_write = input->may_write;
	v->maps = input->maps;
	v->n_maps = input->n_maps;
	v->signature = input->signature;
	v->imports = input->imports;
	v->n_imports = input->n_imports;
	v->error = error;
	v->now.raw_length = input->raw_length;
	v->next_id = FLT_RAW_LENGTH_ID + 1;
	v->memory_max = memory_max();
	int code = flt_check(v->insns, v->n_insns, &v->shape, error);
	if (!code)
		code = flt_check_reachable(v->insns, v->n_insns, &v->shape, error);
	if (!code)
		code = allocate(v);
	if (!code)
		code = flt_vlive_compute(v);
	if (!code)
		code = walk(v);
	if (!code)
		code = flt_vstack_depth(v);
	if (!code)
		code = check_budget(v, input->budget);
	*verified = (struct flt_verified){.steps = v->steps, .cost = v->cost};
	if (!code) {
		rewrite_context_loads(v);
		note_rotations(v);
		place_maps(v);
		verified->notes = v->notes;
		v->notes = NULL;
	}
	flt_free(v->notes);
	release(v);
	flt_free(v);
	return code;
}
