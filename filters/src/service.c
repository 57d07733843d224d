/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Services: functions of the host's own that stand among programs. Native callers reach one through
 * a few bytes of machine code that add its context as the sixth argument (System V calling
 * convention) and jump.
 */
#include <flt/signature.h>

#include "btf.h"
#include "program_internal.h"
#include "x86_emit.h"

static void emit_trampoline(struct x86_code *c, const struct flt_service *service, void *context)
{
	x86_movabs(c, R_9, (uint64_t)(uintptr_t)context);
	x86_movabs(c, RAX, (uint64_t)(uintptr_t)service->call);
	x86_byte(c, 0xff); /* jmp rax */
	x86_byte(c, 0xe0);
}

static int compile(struct flt_program *program, void *context)
{
	struct x86_code c = {0};
	if (!flt_platform.code_alloc)
		return 0;
	emit_trampoline(&c, &program->service, context);
	uint8_t *code = flt_platform.code_alloc(c.at);
	if (!code)
		return FLT_E_NO_MEMORY;
	c = (struct x86_code){.out = code};
	emit_trampoline(&c, &program->service, context);
	if (flt_platform.code_seal(code, c.at)) {
		flt_platform.code_free(code, c.at);
		return FLT_E_NO_MEMORY;
	}
	program->native = (flt_native *)(uintptr_t)code;
	program->code_size = c.at;
	return 0;
}

int flt_program_service(const struct flt_service *service, void *context, struct flt_program **out)
{
	struct flt_program *program = flt_alloc_array(1, sizeof(*program));
	*out = NULL;
	if (!program)
		return FLT_E_NO_MEMORY;
	program->kind = FLT_KIND_CALL;
	program->service = *service;
	program->context = context;
	program->cost = service->cost;
	program->depth = 1;
	program->signature = service->signature;
	flt_copy_name(program->name, sizeof(program->name), service->name);
	int code = compile(program, context);
	if (code) {
		flt_program_free(program);
		return code;
	}
	*out = program;
	return 0;
}
