/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs: from bytecode to something that runs.
 */
#include "program_internal.h"

#include "interp.h"
#include "jit.h"
#include "object.h"
#include "verify.h"

static struct flt_program *new_program(enum flt_kind kind, const char *name, uint32_t flags)
{
	struct flt_program *program = flt_alloc_array(1, sizeof(*program));
	if (!program)
		return NULL;
	program->kind = kind;
	program->flags = flags;
	flt_copy_name(program->name, sizeof(program->name), name);
	return program;
}

static int no_memory(struct flt_error *error)
{
	return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
}

static void name_error(struct flt_error *error, const char *name)
{
	if (error && name)
		flt_copy_name(error->program, sizeof(error->program), name);
}

static int build_classic(struct flt_program *program, const struct flt_classic_insn *insns,
                         uint32_t n, struct flt_error *error)
{
	if (n > FLT_CLASSIC_INSNS_MAX)
		return flt_classic_check(insns, n, error);
	program->classic = flt_alloc_array(n, sizeof(*insns));
	if (!program->classic)
		return no_memory(error);
	/* The copy is what is checked: the original may change under us. */
	memcpy(program->classic, insns, n * sizeof(*insns));
	program->n_classic = n;
	int code = flt_classic_check(program->classic, n, error);
	if (code)
		return code;
	program->verifier_steps = n;
	code = flt_classic_translate(program->classic, n, &program->insns, &program->n_insns,
	                             error);
	program->cost = program->n_insns; /* its jumps all go forward */
	return code;
}

/* Native code where there can be any; otherwise the interpreter does the same, only slower. */
static void compile(struct flt_program *program, const struct flt_note *notes)
{
	struct flt_jit_input input = {
	        .insns = program->insns,
	        .n_insns = program->n_insns,
	        .kind = program->kind,
	        .notes = notes,
	        .imports = program->imports,
	};
	void *code;
	for (uint32_t i = 0; i < program->n_imports; i++)
		if (!program->imports[i]->native)
			return;
	if (program->flags & FLT_LOAD_INTERPRET ||
	    flt_jit_compile(&input, &code, &program->code_size))
		return;
	program->native = (flt_native *)(uintptr_t)code;
}

int flt_program_load_classic(const struct flt_classic_insn *insns, uint32_t n, const char *name,
                             uint32_t flags, struct flt_program **out, struct flt_error *error)
{
	*out = NULL;
	struct flt_program *program = new_program(FLT_KIND_CLASSIC, name, flags);
	if (!program)
		return no_memory(error);
	int code = build_classic(program, insns, n, error);
	if (code) {
		name_error(error, name);
		flt_program_free(program);
		return code;
	}
	compile(program, NULL);
	*out = program;
	return 0;
}

/* Takes over program->insns; verifies, then compiles. `input` has what the caller knows besides. */
static int finish_ebpf(struct flt_program *program, struct flt_verify_input *input,
                       struct flt_error *error)
{
	struct flt_verified verified;
	input->insns = program->insns;
	input->n_insns = program->n_insns;
	input->kind = program->kind;
	input->may_write = program->flags & FLT_LOAD_WRITES;
	input->imports = program->imports;
	input->n_imports = program->n_imports;
	input->signature = &program->signature;
	int code = flt_verify(input, &verified, error);
	if (code)
		return code;
	program->verifier_steps = verified.steps;
	program->cost = verified.cost;
	compile(program, verified.notes);
	flt_free(verified.notes);
	return 0;
}

static int copy_insns(struct flt_program *program, const struct flt_insn *insns, uint32_t n,
                      struct flt_error *error)
{
	if (n < 1 || n > FLT_PROGRAM_INSNS_MAX)
		return flt_fail(error, FLT_E_LIMIT, -1,
		                "program of %u instructions; 1 to %u are taken", n,
		                (uint32_t)FLT_PROGRAM_INSNS_MAX);
	program->insns = flt_alloc_array(n, sizeof(*insns));
	if (!program->insns)
		return no_memory(error);
	memcpy(program->insns, insns, n * sizeof(*insns));
	program->n_insns = n;
	return 0;
}

int flt_program_load_ebpf(const struct flt_insn *insns, uint32_t n, enum flt_kind kind,
                          const char *name, uint32_t flags, struct flt_program **out,
                          struct flt_error *error)
{
	*out = NULL;
	if (kind == FLT_KIND_CLASSIC || kind == FLT_KIND_CALL)
		return flt_fail(error, FLT_E_INVALID, -1,
		                "bare instructions of a kind that needs more");
	struct flt_program *program = new_program(kind, name, flags);
	if (!program)
		return no_memory(error);
	struct flt_verify_input input = {0};
	int code = copy_insns(program, insns, n, error);
	if (!code)
		code = finish_ebpf(program, &input, error);
	if (code) {
		name_error(error, name);
		flt_program_free(program);
		return code;
	}
	*out = program;
	return 0;
}

static int import_one(struct flt_program *program, struct flt_object *object, const char *name,
                      const struct flt_load *load, struct flt_error *error)
{
	struct flt_signature wanted;
	char have[96], want[96];
	int code = load->import ? flt_object_signature(object, name, &wanted, error) : 0;
	if (code)
		return code;
	struct flt_program *other =
	        load->import ? load->import(load->import_arg, name, error) : NULL;
	if (!other || other->kind != FLT_KIND_CALL)
		return flt_fail(error, FLT_E_UNSUPPORTED, -1,
		                "call of \"%s\", which is not in the object", name);
	if (!flt_signature_equal(&wanted, &other->signature)) {
		flt_signature_text(&wanted, want, sizeof(want));
		flt_signature_text(&other->signature, have, sizeof(have));
		return flt_fail(error, FLT_E_REFUSED, -1,
		                "\"%s\" is called as %s, but is %s, or of other types", name, want,
		                have);
	}
	program->depth = flt_max_u32(program->depth, other->depth + 1);
	if (program->depth > FLT_LINK_DEPTH_MAX)
		return flt_fail(error, FLT_E_LIMIT, -1,
		                "more than %u programs would call each other",
		                (uint32_t)FLT_LINK_DEPTH_MAX);
	program->imports[program->n_imports++] = other;
	return 0;
}

static int import_all(struct flt_program *program, struct flt_object *object,
                      const struct flt_linked *linked, const struct flt_load *load,
                      struct flt_error *error)
{
	int code = 0;
	program->depth = 1;
	if (linked->n_imports) {
		program->imports = flt_alloc_array(linked->n_imports, sizeof(struct flt_program *));
		if (!program->imports)
			return no_memory(error);
	}
	for (uint32_t i = 0; i < linked->n_imports && !code; i++)
		code = import_one(program, object, linked->imports[i], load, error);
	if (!code && program->kind == FLT_KIND_CALL)
		code = flt_object_signature(object, linked->name, &program->signature, error);
	return code;
}

static int load_linked(const struct flt_linked *linked, const struct flt_load *load,
                       struct flt_program *program, struct flt_error *error)
{
	struct flt_verify_input input = {
	        .maps = linked->maps,
	        .n_maps = linked->n_maps,
	        .budget = load->budget,
	        .raw_length = load->raw_length,
	};
	int code = copy_insns(program, linked->insns, linked->n_insns, error);
	return code ? code : finish_ebpf(program, &input, error);
}

int flt_program_load(struct flt_object *object, const char *name, const struct flt_load *load,
                     struct flt_program **out, struct flt_error *error)
{
	struct flt_linked linked;
	*out = NULL;
	int code = flt_object_link(object, name, &linked, error);
	if (code)
		return code;
	struct flt_program *program = new_program(linked.kind, linked.name, load->flags);
	code = program ? import_all(program, object, &linked, load, error) : no_memory(error);
	if (!code)
		code = load_linked(&linked, load, program, error);
	if (code) {
		flt_object_place_error(object, &linked, error);
		name_error(error, linked.name);
		flt_program_free(program);
	} else {
		program->object = flt_object_hold(object);
		*out = program;
	}
	flt_linked_free(&linked);
	return code;
}

int flt_program_load_object(struct flt_object *object, const char *name, uint32_t flags,
                            struct flt_program **out, struct flt_error *error)
{
	struct flt_load load = {.flags = flags};
	return flt_program_load(object, name, &load, out, error);
}

int flt_program_load_elf(const void *bytes, size_t size, const char *name, uint32_t flags,
                         struct flt_program **out, struct flt_error *error)
{
	struct flt_object *object;
	*out = NULL;
	int code = flt_object_open(bytes, size, &object, error);
	if (code)
		return code;
	code = flt_program_load_object(object, name, flags, out, error);
	flt_object_close(object);
	return code;
}

void flt_program_free(struct flt_program *program)
{
	if (!program)
		return;
	if (program->native)
		flt_platform.code_free((void *)(uintptr_t)program->native, program->code_size);
	flt_free(program->insns);
	flt_free(program->classic);
	flt_free((void *)program->imports);
	if (program->object)
		flt_object_close(program->object);
	flt_free(program);
}

/* --- running --- */

static uint64_t interpret(const struct flt_program *program, const struct flt_frame *frame,
                          uint64_t r1, uint64_t r2)
{
	struct flt_interp interp = {
	        .insns = program->insns,
	        .n_insns = program->n_insns,
	        .packet = frame ? frame->data : NULL,
	        .packet_len = frame ? frame->len : 0,
	        .imports = program->imports,
	};
	return flt_interp_run(&interp, r1, r2);
}

uint64_t flt_program_enter(const struct flt_program *program, const uint64_t r[5])
{
	if (program->native)
		return ((flt_native_call *)(void *)program->native)(r[0], r[1], r[2], r[3], r[4]);
	if (program->service.call)
		return (uint64_t)program->service.call(r[0], r[1], r[2], r[3], r[4],
		                                       program->context);
	struct flt_interp interp = {
	        .insns = program->insns,
	        .n_insns = program->n_insns,
	        .imports = program->imports,
	        .more = {r[2], r[3], r[4]},
	};
	return flt_interp_run(&interp, r[0], r[1]);
}

uint64_t flt_program_call_plain(const struct flt_program *program, uint64_t a, uint64_t b,
                                uint64_t c, uint64_t d, uint64_t e)
{
	if (flt_likely(program->native))
		return ((flt_native_call *)(void *)program->native)(a, b, c, d, e);
	return flt_program_enter(program, (const uint64_t[]){a, b, c, d, e});
}

bool flt_program_takes_numbers(const struct flt_program *program)
{
	for (uint32_t i = 0; i < program->signature.n; i++)
		if (program->signature.arguments[i].kind != FLT_ARGUMENT_NUMBER)
			return false;
	return program->kind == FLT_KIND_CALL;
}

uint64_t flt_program_call(const struct flt_program *program, const uint64_t arguments[])
{
	uint64_t r[5] = {0};
	if (program->kind != FLT_KIND_CALL)
		return 0;
	for (uint32_t i = 0; i < program->signature.n; i++) {
		if (program->signature.arguments[i].kind != FLT_ARGUMENT_NUMBER)
			return 0;
		r[i] = arguments[i];
	}
	return flt_program_enter(program, r);
}

const struct flt_signature *flt_program_signature(const struct flt_program *program)
{
	return &program->signature;
}

static uint64_t run(const struct flt_program *program, bool native, const struct flt_frame *frame,
                    const void *r1, uint64_t r2)
{
	if (native && program->native)
		return program->native(r1, r2);
	return interpret(program, frame, (uint64_t)(uintptr_t)r1, r2);
}

static bool xdp_accepts(uint32_t action)
{
	return action >= FLT_XDP_PASS && action <= FLT_XDP_REDIRECT;
}

static uint32_t run_xdp(const struct flt_program *program, bool native,
                        const struct flt_frame *frame)
{
	/* A program without FLT_LOAD_WRITES was verified not to write, so the const stays true. */
	uint8_t *data = (uint8_t *)(uintptr_t)frame->data;
	struct flt_xdp_buff buff = {
	        .data = data,
	        .data_end = data + frame->len,
	        .hard_start = data,
	        .hard_end = data + frame->len,
	        .ingress_ifindex = frame->port,
	        .rx_queue_index = frame->queue,
	};
	if (program->flags & FLT_LOAD_WRITES)
		return 0;
	return xdp_accepts((uint32_t)run(program, native, NULL, &buff, 0)) ? UINT32_MAX : 0;
}

static uint32_t run_frame(const struct flt_program *program, bool native,
                          const struct flt_frame *frame)
{
	switch (program->kind) {
	case FLT_KIND_CLASSIC:
		return (uint32_t)run(program, native, frame, frame, 0);
	case FLT_KIND_XDP:
		return run_xdp(program, native, frame);
	case FLT_KIND_CALL:
		return 0;
	default:
		return (uint32_t)run(program, native, NULL, frame->data, frame->len);
	}
}

uint32_t flt_program_run(const struct flt_program *program, const struct flt_frame *frame)
{
	return run_frame(program, true, frame);
}

uint32_t flt_program_interpret(const struct flt_program *program, const struct flt_frame *frame)
{
	return run_frame(program, false, frame);
}

void flt_program_redirected(struct flt_xdp_buff *buff)
{
	buff->redirect_ifindex = flt_helper_redirect()->ifindex;
	buff->redirect_flags = flt_helper_redirect()->flags;
}

uint32_t flt_program_run_xdp(const struct flt_program *program, struct flt_xdp_buff *buff)
{
	if (program->kind != FLT_KIND_XDP)
		return FLT_XDP_ABORTED;
	uint32_t action = (uint32_t)run(program, true, NULL, buff, 0);
	if (action == FLT_XDP_REDIRECT)
		flt_program_redirected(buff);
	return action;
}

uint64_t flt_program_run_raw(const struct flt_program *program, void *memory, uint64_t length)
{
	if (program->kind != FLT_KIND_RAW)
		return 0;
	return run(program, true, NULL, memory, length);
}

/* --- what there is to know --- */

const char *flt_program_name(const struct flt_program *program)
{
	return program->name;
}

enum flt_kind flt_program_kind(const struct flt_program *program)
{
	return program->kind;
}

bool flt_program_is_native(const struct flt_program *program)
{
	return program->native;
}

const struct flt_insn *flt_program_insns(const struct flt_program *program, uint32_t *n)
{
	*n = program->n_insns;
	return program->insns;
}

const void *flt_program_code(const struct flt_program *program, size_t *size)
{
	*size = program->native ? program->code_size : 0;
	return (const void *)(uintptr_t)program->native;
}

bool flt_program_calls(const struct flt_program *program)
{
	for (uint32_t i = 0; i < program->n_insns; i++) {
		const struct flt_insn *insn = &program->insns[i];
		if ((insn->code & ~(uint32_t)BPF_SRC_MASK) == (BPF_JMP | BPF_CALL))
			return true;
		i += insn_is_wide(insn);
	}
	return false;
}

const struct flt_classic_insn *flt_program_classic(const struct flt_program *program, uint32_t *n)
{
	*n = program->n_classic;
	return program->classic;
}

uint32_t flt_program_verifier_steps(const struct flt_program *program)
{
	return program->verifier_steps;
}

uint32_t flt_program_cost(const struct flt_program *program)
{
	return program->cost;
}

size_t flt_program_memory(const struct flt_program *program)
{
	return sizeof(*program) + program->n_insns * sizeof(*program->insns) +
	       program->n_classic * sizeof(*program->classic) + program->code_size;
}
