/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's services on the core as it is, without a network: used by environments and by
 * extensions on their behalf, and what comes back with either.
 */
#include "../../core/tests/kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exo/ext.h>
#include <exo/service.h>
#include <flt/host.h>

#include "../../core/core.h"
#include "../../core/extent.h"
#include "../../core/hooks.h"
#include "../../core/slots.h"

enum { OBJECT_PAGES = 8, RW = EXO_RIGHT_READ | EXO_RIGHT_WRITE };
#define OBJECT 0x900000ull
#define RANGE  0x50000000ull
#define STEP   50000ull

static uint32_t a, b;
static struct exo_cap key_a;
static uint64_t ran[8], wanted, stored; /* what ring 3 does: see play */
static uint32_t error_code;
static char reason[160];

static uint32_t id_of(struct machine_space *space)
{
	struct exo_account account;

	assert_int_equal(host_load(space, &account, EXO_ACCOUNT_ADDR, sizeof(account)), 0);
	return account.env;
}

/* a stores to `wanted` until it may, and yields now and then, as b does at once; init sleeps. */
static void play(struct machine_pe *pe, struct machine_space *space, struct machine_trap *trap)
{
	uint32_t id = id_of(space);

	trap->kind = MACHINE_TRAP_CALL;
	pe->regs.rax = id == ENV_INIT ? EXO_CALL_WAIT : EXO_CALL_YIELD;
	pe->regs.rdi = pe->regs.rsi = 0;
	if (id == ENV_INIT)
		return;
	host_time_add(STEP);
	ran[id]++;
	if (id != a || !wanted || ran[a] % 4 == 0)
		return;
	if (host_store(space, wanted, &id, sizeof(id)) == 0) {
		stored++;
		wanted = 0;
		return;
	}
	trap->kind = MACHINE_TRAP_PAGE;
	trap->vector = 14;
	trap->error = error_code;
	trap->address = wanted;
}

static void give_object_memory(uint32_t id)
{
	uint64_t first;

	assert_int_equal(kit_frames(id, OBJECT_PAGES, &first, NULL), 0);
	assert_int_equal(kit_map(id, OBJECT, first, OBJECT_PAGES, RW, NULL), 1);
}

static int setup(void **state)
{
	memset(ran, 0, sizeof(ran));
	wanted = stored = 0;
	error_code = 6; /* ring 3, write */
	kit_program(play);
	kit_start(512, 1);
	a = kit_child("a", 96, 0, 4, false, &key_a);
	b = kit_child("b", 48, 0, 0, false, NULL);
	give_object_memory(a);
	give_object_memory(ENV_INIT);
	kit_call(ENV_INIT, EXO_CALL_WAIT, 0, 0, 0, 0);
	return 0;
}

/* What is left of extensions lies in the machine's heap, which goes. */
static int teardown(void **state)
{
	for (uint32_t id = ENV_INIT; id <= b; id++)
		if (env_find_live(id))
			core_hooks->env_end(kit_env(id));
	kit_verify();
	kit_stop();
	return 0;
}

static void turns(int n)
{
	while (n-- > 0)
		slots_turn();
}

static int64_t ext(uint32_t id, enum exo_ext_op op, void *block, size_t size)
{
	int64_t result;

	kit_put(id, KIT_DATA_PAGE(1), block, size);
	result = kit_call(id, EXO_CALL_EXT, op, KIT_DATA_PAGE(1), 0, 0);
	kit_get(id, block, KIT_DATA_PAGE(1), size);
	return result;
}

#define EXT(id, op, block) ext(id, op, &(block), sizeof(block))

/* With init's authorities, granted. */
static uint32_t make_core(uint32_t id)
{
	struct exo_ext_core arg = {.frames = kit_cap(EXO_USE_FRAMES),
	                           .envs = kit_cap(EXO_USE_ENVS)};
	struct exo_cap frames = arg.frames, envs = arg.envs;

	if (id != ENV_INIT) {
		assert_int_equal(kit_grant(ENV_INIT, &frames, id, EXO_RIGHT_ALLOC, frames.first,
		                           frames.count, &arg.frames),
		                 0);
		assert_int_equal(kit_grant(ENV_INIT, &envs, id, EXO_RIGHT_ALLOC, envs.first,
		                           envs.count, &arg.envs),
		                 0);
	}
	assert_int_equal(EXT(id, EXO_EXT_CORE, arg), 0);
	return arg.ref;
}

static int64_t invoke(uint32_t id, uint32_t ref, const char *name, uint64_t p, uint64_t q,
                      uint64_t r, uint64_t s, uint64_t t)
{
	struct exo_ext_invoke arg = {.ref = ref, .arguments = {p, q, r, s, t}};
	int64_t error;

	snprintf(arg.function, sizeof(arg.function), "%s", name);
	error = EXT(id, EXO_EXT_INVOKE, arg);
	return error ? error : (int64_t)arg.result;
}

static uint32_t make_extension(uint32_t id)
{
	static uint8_t bytes[OBJECT_PAGES * 4096];
	struct exo_ext_create arg = {.name = "service", .object = OBJECT};
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/tests/link-service.o", getenv("HANDLERS"));
	file = fopen(path, "rb");
	assert_non_null(file);
	arg.size = (uint32_t)fread(bytes, 1, sizeof(bytes), file);
	assert_true(feof(file));
	fclose(file);
	kit_put(id, OBJECT, bytes, arg.size);
	arg.error = KIT_DATA_PAGE(2);
	arg.error_size = sizeof(reason);
	if (EXT(id, EXO_EXT_CREATE, arg) != 0) {
		kit_get(id, reason, KIT_DATA_PAGE(2), sizeof(reason));
		fail_msg("%s", reason);
	}
	return arg.ref;
}

static uint32_t make_linked(uint32_t id, uint32_t core)
{
	uint32_t ref = make_extension(id);
	struct exo_ext_resolve arg = {.importer = ref, .exporter = core};

	assert_int_equal(EXT(id, EXO_EXT_RESOLVE, arg), 0);
	assert_int_equal(arg.missing, 0);
	return ref;
}

/* `target` is put behind the block. */
static int64_t handle(uint32_t id, uint32_t ref, uint32_t event, const char *function,
                      const struct exo_cap *target)
{
	struct exo_ext_handle arg = {.ref = ref,
	                             .event = event,
	                             .budget = 16384,
	                             .target = target ? KIT_DATA_PAGE(2) + 512 : 0,
	                             .error = KIT_DATA_PAGE(2),
	                             .error_size = sizeof(reason)};
	int64_t error;

	if (target)
		kit_put(id, KIT_DATA_PAGE(2) + 512, target, sizeof(*target));
	snprintf(arg.function, sizeof(arg.function), "%s", function);
	error = EXT(id, EXO_EXT_HANDLE, arg);
	kit_get(id, reason, KIT_DATA_PAGE(2), sizeof(reason));
	return error;
}

static int64_t access_seen(uint32_t id, uint32_t ref, uint32_t op, uint32_t key, uint64_t *value)
{
	struct exo_ext_map arg = {.ref = ref,
	                          .op = op,
	                          .map = "seen",
	                          .key = KIT_DATA_PAGE(2),
	                          .key_size = 4,
	                          .value = KIT_DATA_PAGE(2) + 8,
	                          .value_size = 8};
	int64_t error;

	kit_put(id, KIT_DATA_PAGE(2), &key, 4);
	kit_put(id, KIT_DATA_PAGE(2) + 8, value, 8);
	error = EXT(id, EXO_EXT_MAP, arg);
	kit_get(id, value, KIT_DATA_PAGE(2) + 8, 8);
	return error;
}

static uint64_t seen(uint32_t id, uint32_t ref, uint32_t key)
{
	uint64_t value = 0;

	assert_int_equal(access_seen(id, ref, EXO_EXT_MAP_LOOKUP, key, &value), 0);
	return value;
}

static void set_seen(uint32_t id, uint32_t ref, uint32_t key, uint64_t value)
{
	assert_int_equal(access_seen(id, ref, EXO_EXT_MAP_UPDATE, key, &value), 0);
}

static uint64_t frames_of(uint32_t id)
{
	return kit_env(id)->account->frames;
}

/* ---- By environments ---- */

static void environments_use_them(void **state)
{
	uint32_t core = make_core(a), word = 7;
	uint64_t before = frames_of(a);
	int64_t frame = invoke(a, core, "exo_phys_allocate", 2, 2, 0, 0, 0), address;

	assert_true(frame > 0 && frame % 2 == 0);
	assert_int_equal(frames_of(a), before + 2);
	address = invoke(a, core, "exo_virt_allocate", 0, 16, 0, 0, 0);
	assert_int_equal(address, EXO_SERVICE_VIRT_FIRST);
	assert_int_equal(invoke(a, core, "exo_virt_allocate", 0, 1, (uint64_t)address + 4096, 0, 0),
	                 -EXO_EBUSY);
	assert_int_equal(invoke(a, core, "exo_mapping_examine", 0, (uint64_t)address, 0, 0, 0),
	                 -EXO_ENOENT);
	assert_int_equal(
	        invoke(a, core, "exo_mapping_add", 0, (uint64_t)address, (uint64_t)frame, 2, RW),
	        0);
	assert_int_equal(
	        invoke(a, core, "exo_mapping_examine", 0, (uint64_t)address + 4096, 0, 0, 0),
	        (frame + 1) << 12 | RW);
	assert_int_equal(host_store(kit_env(a)->space, (uint64_t)address, &word, 4), 0);
	assert_int_equal(invoke(a, core, "exo_mapping_remove", 0, (uint64_t)address, 2, 0, 0), 0);
	assert_int_not_equal(host_store(kit_env(a)->space, (uint64_t)address, &word, 4), 0);
	assert_int_equal(invoke(a, core, "exo_phys_deallocate", (uint64_t)frame + 1, 1, 0, 0, 0),
	                 0);
	assert_int_equal(invoke(a, core, "exo_phys_deallocate", (uint64_t)frame, 2, 0, 0, 0),
	                 -EXO_EPERM);
	assert_int_equal(frames_of(a), before + 1);
	assert_int_equal(invoke(a, core, "exo_virt_deallocate", 0, (uint64_t)address, 0, 0, 0), 0);
}

static void refuse_what_is_not_the_makers(void **state)
{
	struct exo_ext_core none = {0};
	uint32_t core = make_core(a);
	uint64_t others;
	int64_t context;

	assert_int_equal(kit_frames(b, 1, &others, NULL), 0);
	assert_int_equal(invoke(a, core, "exo_mapping_add", 0, RANGE, others, 1, RW), -EXO_EPERM);
	assert_int_equal(invoke(a, core, "exo_mapping_add", b, RANGE, others, 1, RW), -EXO_ENOENT);
	assert_int_equal(invoke(a, core, "exo_mapping_add", 0, RANGE, others, 1, 7), -EXO_EINVAL);
	assert_int_equal(invoke(a, core, "exo_mapping_add", 0, EXO_KERNEL_AREA_BASE, others, 1, RW),
	                 -EXO_EINVAL);
	assert_int_equal(invoke(a, core, "exo_phys_deallocate", others, 1, 0, 0, 0), -EXO_EPERM);
	assert_int_equal(invoke(a, core, "exo_phys_allocate", UINT64_MAX, 1, 0, 0, 0), -EXO_EINVAL);
	assert_int_equal(invoke(a, core, "exo_strand_block", b, 0, 0, 0, 0), -EXO_ENOENT);
	assert_int_equal(invoke(a, core, "exo_strand_block", 0, UINT64_MAX, 0, 0, 0), -EXO_ENOENT);
	assert_int_equal(invoke(a, core, "exo_context_destroy", b, 0, 0, 0, 0), -EXO_ENOENT);
	assert_int_equal(invoke(a, core, "exo_context_create", UINT64_MAX, 0, 0, 0, 0),
	                 -EXO_ENOMEM);
	context = invoke(a, core, "exo_context_create", 4, 0, 0, 0, 0);
	assert_true(context > b);
	assert_int_equal(EXT(a, EXO_EXT_CORE, none), 0);
	assert_int_equal(invoke(a, none.ref, "exo_phys_allocate", 1, 1, 0, 0, 0), -EXO_EKEY);
	assert_int_equal(invoke(a, none.ref, "exo_context_destroy", (uint64_t)context, 0, 0, 0, 0),
	                 -EXO_ENOENT);
	none.frames = key_a; /* not a's, and of another kind */
	assert_int_equal(EXT(a, EXO_EXT_CORE, none), -EXO_EPERM);
}

/* An address space that is filled before it runs. */
static void contexts_are_environments(void **state)
{
	uint32_t core = make_core(a), word = 0;
	uint64_t max = kit_env(a)->account->frames_max;
	int64_t context = invoke(a, core, "exo_context_create", 8, 0, 0, 0, 0);
	int64_t frame = invoke(a, core, "exo_phys_allocate", 1, 1, 0, 0, 0);
	struct exo_ext_context key = {.id = (uint32_t)context};
	struct exo_ext_context other = {.id = b};

	assert_int_equal(invoke(a, core, "exo_mapping_add", (uint64_t)context, RANGE,
	                        (uint64_t)frame, 1, RW),
	                 0);
	assert_int_equal(host_load(kit_env((uint32_t)context)->space, &word, RANGE, 4), 0);
	assert_int_equal(EXT(a, EXO_EXT_CONTEXT, key), 0);
	assert_int_equal(key.out.first, context);
	assert_int_equal(EXT(a, EXO_EXT_CONTEXT, other), -EXO_ENOENT);
	assert_int_equal(invoke(a, core, "exo_context_destroy", (uint64_t)context, 0, 0, 0, 0), 0);
	assert_int_equal(kit_env(a)->account->frames_max, max);
	assert_int_equal(EXT(a, EXO_EXT_CONTEXT, key), -EXO_ENOENT);
}

/* ---- By extensions ---- */

static void come_back_with_the_extension(void **state)
{
	uint32_t core = make_core(a), ref = make_linked(a, core);
	uint64_t before = frames_of(a), max = kit_env(a)->account->frames_max;
	struct exo_ext_ref arg = {.ref = ref};
	int64_t first[6], context;

	for (int i = 0; i < 6; i++) {
		first[i] = invoke(a, ref, "allocate", 3, 0, 0, 0, 0);
		assert_true(first[i] > 0);
	}
	context = invoke(a, ref, "create", 8, 0, 0, 0, 0);
	assert_true(context > 0);
	assert_int_equal(frames_of(a), before + 18);
	/* The core domain's own are others; a part may go; what the environment gave away, too. */
	assert_int_equal(invoke(a, core, "exo_phys_deallocate", (uint64_t)first[0], 1, 0, 0, 0),
	                 -EXO_EPERM);
	assert_int_equal(invoke(a, ref, "give_back", (uint64_t)first[0] + 1, 1, 0, 0, 0), 0);
	assert_int_equal(invoke(a, ref, "block", 0, 0, 0, 0, 0), 0);
	turns(4);
	assert_int_equal(ran[a], 0);
	assert_int_equal(EXT(a, EXO_EXT_UNLOAD, arg), 0);
	assert_int_equal(frames_of(a), before);
	assert_true(kit_env(a)->account->frames_max > max);
	assert_null(env_find_live((uint32_t)context));
	turns(4);
	assert_true(ran[a] > 0);
}

static void a_pager_mends_faults(void **state)
{
	uint32_t core = make_core(a), ref = make_linked(a, core);
	uint64_t before = frames_of(a), faults;

	assert_int_equal(handle(a, ref, EXO_EXT_NOT_PRESENT, "page_in", NULL), 0);
	for (uint64_t i = 0; i < 3; i++) {
		wanted = RANGE + i * 4096 + 8;
		turns(4);
		assert_int_equal(stored, i + 1);
		assert_int_equal(seen(a, ref, 0), RANGE + i * 4096 + 8);
	}
	assert_int_equal(seen(a, ref, 1), 3);
	assert_int_equal(frames_of(a), before + 3);
	faults = kit_env(a)->account->faults;
	assert_int_equal(faults, 0); /* no upcall was tried */
	kit_env(a)->account->frames_max = frames_of(a);
	wanted = RANGE + 9ull * 4096;
	turns(4); /* no frame is left: the fault is the environment's */
	assert_int_equal(kit_env(a)->state, EXO_ENV_FAULTED);
}

static void tell_faults_apart(void **state)
{
	uint32_t core = make_core(ENV_INIT), ref = make_linked(ENV_INIT, core);
	uint32_t mine = make_core(a);

	assert_int_equal(handle(ENV_INIT, ref, EXO_EXT_BAD_ADDRESS, "note_bad", &key_a), 0);
	assert_int_equal(handle(ENV_INIT, ref, EXO_EXT_PROTECTION, "note_protection", &key_a), 0);
	assert_int_equal(invoke(a, mine, "exo_virt_allocate", 0, 4, RANGE, 0, 0), RANGE);
	error_code = 7;
	wanted = KIT_CODE;
	/* Nobody mends these: a ends, but is known by then. */
	turns(2);
	assert_int_equal(seen(ENV_INIT, ref, 3), KIT_CODE);
	assert_int_equal(seen(ENV_INIT, ref, 2), 0);
}

static void bad_addresses_lie_outside_ranges(void **state)
{
	uint32_t core = make_core(ENV_INIT), ref = make_linked(ENV_INIT, core);
	uint32_t mine = make_core(a);

	assert_int_equal(handle(ENV_INIT, ref, EXO_EXT_BAD_ADDRESS, "note_bad", &key_a), 0);
	assert_int_equal(handle(ENV_INIT, ref, EXO_EXT_NOT_PRESENT, "pretend", &key_a), 0);
	assert_int_equal(invoke(a, mine, "exo_virt_allocate", 0, 4, RANGE, 0, 0), RANGE);
	wanted = RANGE + 4096;
	turns(3); /* who controls it says done, and it faults again and again: in its own time */
	assert_true(seen(ENV_INIT, ref, 4) >= 3);
	assert_int_equal(kit_env(a)->state, EXO_ENV_RUNNING);
	wanted = RANGE + 0x4000;
	turns(2);
	assert_int_equal(seen(ENV_INIT, ref, 2), RANGE + 0x4000);
	assert_int_equal(kit_env(a)->state, EXO_ENV_FAULTED);
}

/* Where locks are held there is nothing to be had. */
static void keep_out_of_locked_places(void **state)
{
	uint32_t core = make_core(a), ref = make_linked(a, core);
	struct exo_repossess take = {.authority = kit_cap(EXO_USE_FRAMES),
	                             .env = a,
	                             .kind = EXO_KIND_FRAME,
	                             .first = EXO_UNITS_ANY,
	                             .count = 1};

	assert_int_equal(handle(a, ref, EXO_EXT_REVOKE, "tidy", NULL), 0);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REPOSSESS, &take, sizeof(take)), 0);
	assert_int_equal(seen(a, ref, 1), 1);
	assert_int_equal((int64_t)seen(a, ref, 0), -EXO_EAGAIN);
}

static void a_victim_may_be_nominated(void **state)
{
	uint32_t core = make_core(a), ref = make_linked(a, core);
	struct exo_repossess take = {.authority = kit_cap(EXO_USE_FRAMES),
	                             .env = a,
	                             .kind = EXO_KIND_FRAME,
	                             .first = EXO_UNITS_ANY,
	                             .count = 1};
	int64_t kept = invoke(a, core, "exo_phys_allocate", 1, 1, 0, 0, 0);
	int64_t given = invoke(a, core, "exo_phys_allocate", 1, 1, 0, 0, 0);
	int64_t last = invoke(a, core, "exo_phys_allocate", 1, 1, 0, 0, 0);
	uint64_t foreign;

	assert_int_equal(handle(a, ref, EXO_EXT_RECLAIM, "nominate", NULL), 0);
	set_seen(a, ref, 5, (uint64_t)given);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REPOSSESS, &take, sizeof(take)), 0);
	turns(2);
	assert_int_equal(seen(a, ref, 6), last);
	assert_false(ledger_frame_owned(a, (uint64_t)given));
	assert_true(ledger_frame_owned(a, (uint64_t)last) && ledger_frame_owned(a, (uint64_t)kept));
	/* Somebody else's can't be: the candidate goes. */
	assert_int_equal(kit_frames(b, 1, &foreign, NULL), 0);
	set_seen(a, ref, 5, foreign);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REPOSSESS, &take, sizeof(take)), 0);
	turns(2);
	assert_true(ledger_frame_owned(b, foreign));
	assert_false(ledger_frame_owned(a, (uint64_t)last));
}

/* ---- Strands ---- */

static void a_scheduler_gives_slots_away(void **state)
{
	uint32_t core = make_core(ENV_INIT), ref = make_linked(ENV_INIT, core);

	turns(4);
	assert_true(ran[a] > 0 && ran[b] == 0); /* b has no slots */
	assert_int_equal(handle(ENV_INIT, ref, EXO_EXT_SLOT_BEGIN, "schedule", &key_a), 0);
	set_seen(ENV_INIT, ref, 7, b);
	ran[a] = 0;
	turns(8);
	assert_int_equal(ran[a], 0);
	assert_true(ran[b] > 0);
	set_seen(ENV_INIT, ref, 7, a); /* to itself: once, and it runs */
	turns(4);
	assert_true(ran[a] > 0);
	set_seen(ENV_INIT, ref, 7, b);
	assert_int_equal(invoke(ENV_INIT, core, "exo_strand_block", b, 0, 0, 0, 0), 0);
	ran[a] = ran[b] = 0;
	turns(4);
	assert_true(ran[a] > 0 && ran[b] == 0);
	assert_int_equal(invoke(ENV_INIT, core, "exo_strand_unblock", b, 0, 0, 0, 0), 0);
	turns(4);
	assert_true(ran[b] > 0);
	assert_int_equal(invoke(ENV_INIT, core, "exo_strand_checkpoint", b, 0, 0, 0, 0), 0);
	assert_true(kit_pe(b)->machine.events & EXO_EVENT_SLOT_END);
}

/* ---- Disks ---- */

static int64_t write_to_disk(const struct exo_cap *extent, uint64_t frame)
{
	struct exo_disk_request q = {.extent = *extent,
	                             .frame = frame,
	                             .count = 8,
	                             .flags = EXO_DISK_WRITE,
	                             .done = (frame + 1) * 4096};
	int64_t result = kit_call_block(a, EXO_CALL_DISK, &q, sizeof(q));

	extent_poll();
	return result;
}

static void handle_disk_requests_first(void **state)
{
	uint32_t core = make_core(a), ref = make_linked(a, core);
	struct exo_extent_alloc extent = {.authority = kit_cap(EXO_USE_DISK), .count = 8};
	struct exo_cap key;
	uint64_t frame;

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_EXTENT_ALLOC, &extent, sizeof(extent)),
	                 0);
	assert_int_equal(kit_grant(ENV_INIT, &extent.out, a, EXO_RIGHT_WRITE, 0, 8, &key), 0);
	assert_int_equal(kit_frames(a, 2, &frame, NULL), 0);
	assert_int_equal(handle(a, ref, EXO_EXT_DISK, "pretend", NULL), 0);
	assert_int_equal(write_to_disk(&key, frame), 0);
	assert_int_equal(seen(a, ref, 4), 1);
	assert_false(kit_pe(a)->machine.events & EXO_EVENT_DISK); /* it was done with that */
	assert_int_equal(handle(a, ref, EXO_EXT_DISK, "note_bad", NULL), 0);
	assert_int_equal(seen(a, ref, 2), 0);
	assert_int_equal(write_to_disk(&key, frame), 0);
	assert_int_equal(seen(a, ref, 2), frame);
}

/* ---- Housekeeping ---- */

static void keep_house_without_time(void **state)
{
	uint32_t core = make_core(a), ref = make_linked(a, core);
	uint64_t used = kit_env(a)->account->ticks_used, before = frames_of(a);

	for (uint64_t i = 0; i < EXO_SLOTS_PER_CORE; i++)
		if (core_info_slots()[i].owner == a)
			assert_int_equal(kit_call(a, EXO_CALL_SLOT_FREE, i, 1, 0, 0), 0);
	assert_int_equal(handle(a, ref, EXO_EXT_KEEP, "tidy", NULL), 0);
	ran[a] = 0;
	host_time_add(HOST_TSC_HZ);
	turns(1);
	assert_int_equal(seen(a, ref, 1), 1);
	assert_true((int64_t)seen(a, ref, 0) > 0); /* it had a frame */
	turns(1);
	assert_int_equal(seen(a, ref, 1), 1); /* not so soon again */
	host_time_add(HOST_TSC_HZ / 50);
	turns(1);
	assert_int_equal(seen(a, ref, 1), 2);
	assert_int_equal(ran[a], 0);
	assert_int_equal(frames_of(a), before);
	assert_true(kit_env(a)->account->ticks_used >= used);
	assert_int_equal(handle(ENV_INIT, make_linked(ENV_INIT, make_core(ENV_INIT)), EXO_EXT_KEEP,
	                        "tidy", &key_a),
	                 -EXO_EPERM);
}

static void nothing_is_left_of_an_environment(void **state)
{
	uint32_t core = make_core(a), ref = make_linked(a, core);
	uint64_t free = core_info->frames_free, total = free + frames_of(a);

	assert_true(invoke(a, ref, "allocate", 2, 0, 0, 0, 0) > 0);
	assert_true(invoke(a, ref, "create", 4, 0, 0, 0, 0) > 0);
	assert_true(invoke(a, core, "exo_virt_allocate", 0, 4, 0, 0, 0) > 0);
	assert_int_equal(handle(a, ref, EXO_EXT_KEEP, "tidy", NULL), 0);
	assert_int_equal(handle(a, ref, EXO_EXT_NOT_PRESENT, "page_in", NULL), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &key_a, sizeof(key_a));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_ENV_END, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	turns(3);
	assert_int_equal(core_info->frames_free >= total, true);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        CASE(environments_use_them),
	        CASE(refuse_what_is_not_the_makers),
	        CASE(contexts_are_environments),
	        CASE(come_back_with_the_extension),
	        CASE(a_pager_mends_faults),
	        CASE(tell_faults_apart),
	        CASE(bad_addresses_lie_outside_ranges),
	        CASE(keep_out_of_locked_places),
	        CASE(a_victim_may_be_nominated),
	        CASE(a_scheduler_gives_slots_away),
	        CASE(handle_disk_requests_first),
	        CASE(keep_house_without_time),
	        CASE(nothing_is_left_of_an_environment),
	};

	flt_host_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
