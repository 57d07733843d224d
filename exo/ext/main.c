/* SPDX-License-Identifier: BSD-2-Clause */
/* Extensions: the operations of EXO_CALL_EXT, and what the core calls. */
#include "ext.h"

#include <stdio.h>
#include <string.h>

#include "../core/hooks.h"

struct ext ext;

static int64_t (*const operations[EXO_EXT_OPS])(struct call *call, uint64_t block) = {
        [EXO_EXT_CREATE] = ext_op_create, [EXO_EXT_DROP] = ext_op_drop,
        [EXO_EXT_HANDLE] = ext_op_handle, [EXO_EXT_RELEASE] = ext_op_release,
        [EXO_EXT_MAP] = ext_op_map,       [EXO_EXT_LIST] = ext_op_list,
};

static int64_t operate(struct call *call)
{
	uint64_t op = call->arg[0];

	return op < EXO_EXT_OPS ? operations[op](call, call->arg[1]) : -EXO_EINVAL;
}

static const struct core_hooks hooks = {.call = operate, .env_end = ext_env_end};

__attribute__((constructor)) static void install(void)
{
	core_hooks = &hooks;
}

int ext_refuse(struct ext_reason *reason, int error, const char *text)
{
	reason->why.instruction = -1;
	snprintf(reason->why.reason, sizeof(reason->why.reason), "%s", text);
	return error;
}

void ext_tell(const struct ext_reason *reason)
{
	char text[320];

	if (!reason->to || !reason->size || !reason->why.reason[0])
		return;
	flt_error_text(&reason->why, text,
	               reason->size < sizeof(text) ? reason->size : sizeof(text));
	(void)call_copy_out(reason->to, text, strlen(text) + 1);
}

int ext_error(int code)
{
	switch (code) {
	case 0:
		return 0;
	case FLT_E_NO_MEMORY:
		return -EXO_ENOMEM;
	case FLT_E_NOT_FOUND:
		return -EXO_ENOENT;
	default:
		return -EXO_EVERIFY;
	}
}
