/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of kernel calls: one row each, in the order of enum exo_call, and the small calls.
 */
#include "core.h"

#include "cap.h"
#include "env.h"
#include "extent.h"
#include "framebuffer.h"
#include "hooks.h"
#include "log.h"
#include "net.h"
#include "revoke.h"
#include "slots.h"
#include "space.h"
#include "transfer.h"
#include "upcall.h"

enum {
	CONSOLE_BYTES_MAX = 1024,
};

static struct machine_lock lock;
const struct core_hooks *core_hooks;

void core_lock(void)
{
	machine_lock(&lock);
}

bool core_trylock(void)
{
	return machine_trylock(&lock);
}

void core_unlock(void)
{
	machine_unlock(&lock);
}

int call_copy_in(void *to, uint64_t from, size_t size)
{
	return machine_copy_in(to, from, size);
}

int call_copy_out(uint64_t to, const void *from, size_t size)
{
	return machine_copy_out(to, from, size);
}

/* ---- Small calls ---- */

static int64_t call_null(struct call *call)
{
	return 0;
}

static int64_t call_console_write(struct call *call)
{
	size_t size = call->arg[2] < CONSOLE_BYTES_MAX ? call->arg[2] : CONSOLE_BYTES_MAX;
	const struct exo_cap *cap = call->block;
	char text[CONSOLE_BYTES_MAX];
	int error = call_copy_in(text, call->arg[1], size);

	if (error || size == 0)
		return error;
	size = log_env_text(call->env, text, size, cap->rights & EXO_RIGHT_READ);
	return size ? (int64_t)size : -EXO_EAGAIN;
}

static int64_t call_console_read(struct call *call)
{
	size_t size = call->arg[2] < CONSOLE_BYTES_MAX ? call->arg[2] : CONSOLE_BYTES_MAX;
	char text[CONSOLE_BYTES_MAX] = {0};
	/* What was typed must not be lost because there is nowhere to put it. */
	int error = call_copy_out(call->arg[1], text, size);

	if (error)
		return error;
	size = machine_console_read(text, size);
	error = call_copy_out(call->arg[1], text, size);
	return error ? error : (int64_t)size;
}

static int64_t call_fact(struct call *call)
{
	struct exo_fact fact = {0};
	int64_t result = machine_fact((enum exo_fact_kind)call->arg[1], call->arg[2], &fact);

	if (result < 0 || call->arg[1] == EXO_FACT_PCI)
		return result;
	return call_copy_out(call->arg[3], &fact, sizeof(fact));
}

static int64_t call_power(struct call *call)
{
	if (call->arg[1] > EXO_POWER_EXIT)
		return -EXO_EINVAL;
	machine_power((enum exo_power)call->arg[1], (uint32_t)call->arg[2]);
}

static int64_t call_set_fs(struct call *call)
{
	if (!space_is_user(call->arg[0]))
		return -EXO_EINVAL;
	call->pe->machine.regs.fs_base = call->arg[0];
	return 0;
}

static int64_t call_exit(struct call *call)
{
	call->leave = true;
	env_stop(call->env, EXO_ENV_EXITED, (int32_t)call->arg[0], 0, 0);
	return 0;
}

/* ---- Frames ---- */

int call_owner(const struct call *call, uint32_t id, struct env **owner)
{
	*owner = id ? env_find_live(id) : call->env;
	if (!*owner)
		return -EXO_ENOENT;
	return *owner == call->env || (*owner)->parent == call->env->id ? 0 : -EXO_EPERM;
}

static int64_t call_frame_alloc(struct call *call)
{
	struct exo_frame_alloc *a = call->block;
	struct env *owner;
	int error = a->align & (a->align - 1) ? -EXO_EINVAL : 0;

	if (!error && a->first != EXO_FRAME_ANY)
		error = cap_covers(&a->authority, a->first, a->count);
	if (!error)
		error = call_owner(call, a->owner, &owner);
	if (!error)
		error = ledger_frames_alloc(owner, a->authority.first, a->authority.count,
		                            &a->first, a->count, a->align);
	if (error)
		return error;
	return cap_make(&a->out, EXO_KIND_FRAME,
	                EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXEC | EXO_RIGHT_GRANT |
	                        EXO_RIGHT_FREE,
	                call->env->id, a->first, a->count);
}

static int64_t call_frame_free(struct call *call)
{
	struct exo_cap cap;
	int error;

	if (call->arg[0] == 0 && call->arg[2] - 1 < FRAME_ALLOC_MAX)
		return ledger_frames_free(call->env, call->arg[1], (uint32_t)call->arg[2]);
	error = cap_fetch(&cap, call->arg[0], call->env, EXO_KIND_FRAME, EXO_RIGHT_FREE);
	return error ? error : ledger_frames_free(call->env, cap.first, cap.count);
}

static int64_t call_frame_uses(struct call *call)
{
	if (!ledger_frame_owned(call->env->id, call->arg[0]))
		return -EXO_EPERM;
	return space_frame_uses(ledger_frame(call->arg[0]), NULL);
}

/* ---- The packet path's calls ---- */

#define NET(name)                                                                                  \
	static int64_t call_##name(struct call *call)                                              \
	{                                                                                          \
		return net_call_##name(call->env, call->block);                                    \
	}
NET(flow_grant)
NET(bind)
NET(unbind)
NET(ring_create)
NET(ring_destroy)
NET(ring_outdo)
#undef NET

static int64_t call_doorbell(struct call *call)
{
	return net_call_send(call->env, call->arg[0], machine_core());
}

static int64_t call_port_merge(struct call *call)
{
	int64_t result = net_call_port_merge(call->arg[1]);

	info_update(); /* who starts next is to know */
	return result;
}

static int64_t call_ext(struct call *call)
{
	return core_hooks ? core_hooks->call(call) : -EXO_ENOSYS;
}

/* ---- The table ---- */

enum call_lock {
	FREE, /* the handler takes what locks it needs */
	CORE, /* runs under the core lock */
};
enum call_back {
	IN,   /* the block is only read */
	BACK, /* and copied back where the call succeeds */
};

/*
 * What the call's first argument points to is copied in, once, and checked as far as the row says:
 * a block of `size` bytes (0: there is none), in which lies at `at` a key to `kind` with `rights`
 * (kind NONE: it has none, or which it must be depends).
 */
static const struct row {
	int64_t (*handler)(struct call *call);
	uint8_t lock, back;
	uint16_t size, at, kind, rights;
} rows[MACHINE_LEAF_CALLS] = {
#define ROW(number, function, locked, ...)                                                         \
	[(number)-EXO_CALL_BASE] = {.handler = (function), .lock = (locked), ##__VA_ARGS__}
#define BLOCK(type, how) .back = (how), .size = sizeof(struct type)
#define KEYED(type, how, member, of, right)                                                        \
	BLOCK(type, how), .at = offsetof(struct type, member), .kind = EXO_KIND_##of,              \
	                  .rights = EXO_RIGHT_##right
#define KEY(of, right) BLOCK(exo_cap, IN), .kind = EXO_KIND_##of, .rights = EXO_RIGHT_##right
        ROW(EXO_CALL_NULL, call_null, FREE),
        ROW(EXO_CALL_CONSOLE_WRITE, call_console_write, FREE, KEY(CONSOLE, WRITE)),
        ROW(EXO_CALL_CONSOLE_READ, call_console_read, FREE, KEY(CONSOLE, READ)),
        ROW(EXO_CALL_POWER, call_power, FREE, KEY(MACHINE, CONTROL)),
        ROW(EXO_CALL_YIELD, slots_call_yield, FREE),
        ROW(EXO_CALL_WAIT, slots_call_wait, FREE),
        ROW(EXO_CALL_TIMER, slots_call_timer, FREE),
        ROW(EXO_CALL_PENDING, upcall_call_pending, FREE),
        ROW(EXO_CALL_RESUME, upcall_call_resume, FREE),
        ROW(EXO_CALL_SET_FS, call_set_fs, FREE),
        ROW(EXO_CALL_ENV_CREATE, env_call_create, CORE,
            KEYED(exo_env_create, BACK, authority, ENV, ALLOC)),
        ROW(EXO_CALL_PE_SET, pe_call_set, CORE),
        ROW(EXO_CALL_ENV_START, env_call_start, CORE),
        ROW(EXO_CALL_EXIT, call_exit, FREE),
        ROW(EXO_CALL_ENV_END, env_call_end, FREE),
        ROW(EXO_CALL_ENV_STATUS, env_call_status, CORE,
            KEYED(exo_env_status, BACK, env, ENV, CONTROL)),
        ROW(EXO_CALL_GRANT, cap_call_grant, CORE, BLOCK(exo_grant, BACK)),
        ROW(EXO_CALL_REVOKE, cap_call_revoke, FREE, BLOCK(exo_cap, BACK)),
        ROW(EXO_CALL_FRAME_ALLOC, call_frame_alloc, CORE,
            KEYED(exo_frame_alloc, BACK, authority, FRAME, ALLOC)),
        ROW(EXO_CALL_FRAME_FREE, call_frame_free, CORE),
        ROW(EXO_CALL_MAP, space_call_map, FREE),
        ROW(EXO_CALL_UNMAP, space_call_unmap, FREE),
        ROW(EXO_CALL_SLOT_TAKE, slots_call_take, CORE),
        ROW(EXO_CALL_SLOT_FREE, slots_call_free, CORE),
        ROW(EXO_CALL_FLOW_GRANT, call_flow_grant, FREE, BLOCK(exo_flow_grant, BACK)),
        ROW(EXO_CALL_BIND, call_bind, FREE, BLOCK(exo_bind, BACK)),
        ROW(EXO_CALL_UNBIND, call_unbind, FREE, BLOCK(exo_cap, IN)),
        ROW(EXO_CALL_RING_CREATE, call_ring_create, FREE, BLOCK(exo_ring_create, BACK)),
        ROW(EXO_CALL_RING_DESTROY, call_ring_destroy, FREE, BLOCK(exo_cap, IN)),
        ROW(EXO_CALL_DOORBELL, call_doorbell, FREE),
        ROW(EXO_CALL_INVOKE, transfer_call_invoke, FREE),
        ROW(EXO_CALL_SEND, transfer_call_send, FREE),
        ROW(EXO_CALL_REPLY, transfer_call_reply, FREE),
        ROW(EXO_CALL_LEDGER, ledger_call_list, FREE,
            KEYED(exo_listing, BACK, machine, MACHINE, READ)),
        ROW(EXO_CALL_EXTENT_ALLOC, extent_call_alloc, CORE,
            KEYED(exo_extent_alloc, BACK, authority, EXTENT, ALLOC)),
        ROW(EXO_CALL_EXTENT_FREE, extent_call_free, CORE, KEY(EXTENT, FREE)),
        ROW(EXO_CALL_DISK, extent_call_disk, CORE, BLOCK(exo_disk_request, IN)),
        ROW(EXO_CALL_SCREEN_CREATE, framebuffer_call_create, CORE, BLOCK(exo_screen_create, BACK)),
        ROW(EXO_CALL_SCREEN_FREE, framebuffer_call_free, CORE, KEY(SCREEN, FREE)),
        ROW(EXO_CALL_SCREEN_BLIT, framebuffer_call_blit, FREE, BLOCK(exo_blit, IN)),
        ROW(EXO_CALL_FRAME_USES, call_frame_uses, CORE),
        ROW(EXO_CALL_MAP_PAGE, space_call_map_page, CORE),
        ROW(EXO_CALL_UNMAP_PAGE, space_call_unmap_page, FREE),
        ROW(EXO_CALL_GATE, transfer_call_gate, CORE),
        ROW(EXO_CALL_REPOSSESS, revoke_call_repossess, CORE, BLOCK(exo_repossess, IN)),
        ROW(EXO_CALL_SEED, revoke_call_seed, FREE, BLOCK(exo_seed, IN)),
        ROW(EXO_CALL_ENV_RECORD, fault_call_record, CORE,
            KEYED(exo_env_record, BACK, env, ENV, CONTROL)),
        ROW(EXO_CALL_FACT, call_fact, FREE, KEY(MACHINE, READ)),
        ROW(EXO_CALL_EXT, call_ext, FREE),
        ROW(EXO_CALL_RING_WAIT, slots_call_ring_wait, FREE),
        ROW(EXO_CALL_PORT_MERGE, call_port_merge, FREE, KEY(MACHINE, CONTROL)),
        ROW(EXO_CALL_RING_OUTDO, call_ring_outdo, FREE, BLOCK(exo_ring_outdo, IN)),
#undef ROW
#undef BLOCK
#undef KEYED
#undef KEY
};

_Static_assert(EXO_CALL_LAST - EXO_CALL_BASE <= MACHINE_LEAF_CALLS, "every call has its row");

/* ---- Leaf calls: see machine.h ---- */

static int64_t leaf_null(struct machine_pe *machine, uint64_t a, uint64_t b, uint64_t c)
{
	pe_of(machine)->env->account->calls++;
	return 0;
}

machine_leaf_call *const core_leaf_calls[MACHINE_LEAF_CALLS] = {
        [EXO_CALL_MAP_PAGE - EXO_CALL_BASE] = space_leaf_map,
        [EXO_CALL_UNMAP_PAGE - EXO_CALL_BASE] = space_leaf_unmap,
        [EXO_CALL_NULL - EXO_CALL_BASE] = leaf_null,
        [EXO_CALL_RING_WAIT - EXO_CALL_BASE] = slots_leaf_ring_wait,
};

static int64_t handle(struct call *call, const struct row *row)
{
	const char *block = call->block;
	int64_t result = 0;

	if (row->lock == CORE)
		core_lock();
	if (row->kind)
		result = cap_check((const void *)(block + row->at), call->env,
		                   (enum exo_kind)row->kind, row->rights);
	if (!result)
		result = row->handler(call);
	if (row->lock == CORE)
		core_unlock();
	return result;
}

/* A block that is written back: better to know now that it can't be than to undo. */
static __attribute__((noinline)) int64_t handle_block(struct call *call, const struct row *row)
{
	_Alignas(8) char block[sizeof(struct exo_env_status)]; /* no call has a larger one */
	int64_t result;

	MACHINE_ASSERT(row->size <= sizeof(block));
	result = call_copy_in(block, call->arg[0], row->size);

	if (!result && row->back == BACK)
		result = call_copy_out(call->arg[0], block, row->size);
	if (result)
		return result;
	call->block = block;
	result = handle(call, row);
	if (result >= 0 && row->back == BACK && call_copy_out(call->arg[0], block, row->size))
		result = -EXO_EFAULT;
	return result;
}

static int64_t run_row(struct call *call, uint64_t number)
{
	const struct row *row;

	if (number >= EXO_CALL_LAST)
		return -EXO_ENOSYS;
	/* Masked: what runs ahead of the comparison stays in the table. */
	row = &rows[(number - EXO_CALL_BASE) % MACHINE_LEAF_CALLS];
	return row->size ? handle_block(call, row) : handle(call, row);
}

bool call_dispatch(struct pe *pe)
{
	struct exo_regs *regs = &pe->machine.regs;
	uint64_t number = regs->rax;
	struct call call = {
	        .env = pe->env,
	        .pe = pe,
	        .arg = {regs->rdi, regs->rsi, regs->rdx, regs->r10, regs->r8, regs->r9},
	};
	int64_t result;

	if (number < EXO_CALL_BASE || number >= EXO_CALL_END) {
		if (!upcall_own_call(pe))
			regs->rax = (uint64_t)-EXO_ENOSYS;
		return true;
	}
	pe->env->account->calls++;
	result = run_row(&call, number);
	if (result != CALL_NO_RESULT)
		regs->rax = (uint64_t)result;
	return !call.leave;
}
