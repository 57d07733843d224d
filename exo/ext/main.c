/* SPDX-License-Identifier: BSD-2-Clause */
/* Extensions: the operations of EXO_CALL_EXT, and what the core calls. */
#include "ext.h"

#include <stdio.h>
#include <string.h>

#include "../core/hooks.h"
#include "../core/net.h"

struct ext ext;

static int64_t (*const operations[EXO_EXT_OPS])(struct call *call, uint64_t block) = {
        [EXO_EXT_CREATE] = ext_op_create,   [EXO_EXT_DROP] = ext_op_drop,
        [EXO_EXT_HANDLE] = ext_op_handle,   [EXO_EXT_RELEASE] = ext_op_release,
        [EXO_EXT_MAP] = ext_op_map,         [EXO_EXT_LIST] = ext_op_list,
        [EXO_EXT_KEY] = ext_op_key,         [EXO_EXT_OPEN] = ext_op_open,
        [EXO_EXT_RESOLVE] = ext_op_resolve, [EXO_EXT_COMBINE] = ext_op_combine,
        [EXO_EXT_INVOKE] = ext_op_invoke,   [EXO_EXT_ADMIT] = ext_op_admit,
        [EXO_EXT_CORE] = ext_op_core,       [EXO_EXT_UNLOAD] = ext_op_unload,
        [EXO_EXT_CONTEXT] = ext_op_context,
};

static int64_t operate(struct call *call)
{
	uint64_t op = call->arg[0];

	return op < EXO_EXT_OPS ? operations[op](call, call->arg[1]) : -EXO_EINVAL;
}

static const struct core_hooks hooks = {
        .call = operate, .env_end = ext_env_end, .raise = ext_raise, .keep = ext_keep};

__attribute__((constructor)) static void install(void)
{
	core_hooks = &hooks;
}

/* ---- Sections: odd while a core is inside ---- */

static struct section {
	uint32_t turns;
	bool open;          /* services may take locks */
	uint64_t nominated; /* by the handler that runs */
} __attribute__((aligned(64))) sections[EXO_CORES_MAX];

void ext_section_begin(unsigned core)
{
	(void)__atomic_fetch_add(&sections[core].turns, 1, __ATOMIC_SEQ_CST);
}

void ext_section_end(unsigned core)
{
	__atomic_store_n(&sections[core].turns, sections[core].turns + 1, __ATOMIC_RELEASE);
}

bool ext_section_inside(unsigned core)
{
	return sections[core].turns & 1;
}

bool ext_services_open(unsigned core, bool open)
{
	bool before = sections[core].open;

	sections[core].open = open;
	return before;
}

bool ext_services_are_open(void)
{
	return sections[machine_core()].open;
}

uint64_t *ext_nominated(unsigned core)
{
	return &sections[core].nominated;
}

void ext_quiesce(void)
{
	net_quiesce();
	for (unsigned core = 0; core < machine_cores(); core++) {
		uint32_t turns = __atomic_load_n(&sections[core].turns, __ATOMIC_SEQ_CST);

		while (turns & 1 &&
		       __atomic_load_n(&sections[core].turns, __ATOMIC_ACQUIRE) == turns)
			machine_pause(); /* which its handler may wait for */
	}
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
