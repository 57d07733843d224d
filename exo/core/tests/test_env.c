/* SPDX-License-Identifier: BSD-2-Clause */
/* Environments' lives: limits, names, ends of every kind, and that everything is back afterwards.
 */
#include "kit.h"

#include <string.h>

#include "../core.h"
#include "../ledger.h"
#include "../log.h"
#include "../slots.h"

static struct ledger_counts before;
static uint64_t limit_before;

static int setup(void **state)
{
	kit_start(512, 2);
	ledger_count(&before);
	limit_before = kit_env(ENV_INIT)->account->frames_max;
	return 0;
}

static int teardown(void **state)
{
	host_end = NULL;
	kit_verify();
	kit_stop();
	return 0;
}

/* Counts are those from before, and so is init's limit. */
static void balanced(void)
{
	struct ledger_counts now;

	ledger_count(&now);
	assert_memory_equal(&now, &before, sizeof(now));
	assert_int_equal(kit_env(ENV_INIT)->account->frames_max, limit_before);
	kit_verify();
}

static int64_t end(const struct exo_cap *cap)
{
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), cap, sizeof(*cap));
	return kit_call(ENV_INIT, EXO_CALL_ENV_END, KIT_DATA_PAGE(1), 0, 0, 0);
}

static struct exo_env_status status_of(const struct exo_cap *cap)
{
	struct exo_env_status status = {.env = *cap};

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_STATUS, &status, sizeof(status)), 0);
	return status;
}

static void killed(void **state)
{
	struct exo_cap cap;
	struct exo_env_status status;
	uint32_t a = kit_child("a", 20, 1, 3, true, &cap);
	uint64_t first;

	kit_frames(a, 10, &first, NULL);
	kit_map(a, 0x600000, first, 10, EXO_RIGHT_READ, NULL);
	net_none.quiesces = 0;
	assert_int_equal(end(&cap), 0);
	assert_int_equal(net_none.quiesces, 1);
	balanced();
	status = status_of(&cap);
	assert_int_equal(status.state, EXO_ENV_KILLED);
	assert_int_equal(status.account.env, a);
	assert_int_equal(net_none.ends, 1);
	/* The second end forgets it. */
	assert_int_equal(end(&cap), 0);
	assert_int_equal(end(&cap), -EXO_ESTALE);
	assert_null(kit_env(a));
}

static void exited(void **state)
{
	struct exo_cap cap;
	uint32_t a = kit_child("a", 0, 0, 1, false, &cap);

	env_enter(kit_env(a));
	kit_call(a, EXO_CALL_EXIT, (uint64_t)-7, 0, 0, 0);
	assert_false(kit_env(a)->reaped);
	assert_false(env_enter(kit_env(a)));
	env_leave(kit_env(a));
	assert_true(kit_env(a)->reaped);
	balanced();
	assert_int_equal(status_of(&cap).state, EXO_ENV_EXITED);
	assert_int_equal(status_of(&cap).status, -7);
	assert_int_equal(kit_pe(ENV_INIT)->machine.events, EXO_EVENT_CHILD);
}

static void fault(struct machine_pe *pe, struct machine_space *space, struct machine_trap *trap)
{
	trap->kind = MACHINE_TRAP_PAGE;
	trap->vector = 14;
	trap->error = 6;
	trap->address = 0xdead000;
}

static void faulted(void **state)
{
	struct exo_cap cap;
	struct exo_env_status status;

	kit_child("crasher", 0, 0, 1, false, &cap);
	kit_call(ENV_INIT, EXO_CALL_WAIT, 0, 0, 0, 0);
	kit_program(fault);
	slots_turn();
	status = status_of(&cap);
	assert_int_equal(status.state, EXO_ENV_FAULTED);
	assert_int_equal(status.status, 14);
	assert_int_equal(status.address, 0xdead000);
	assert_int_equal(status.ip, KIT_CODE);
	assert_non_null(strstr(host_console(), "crasher: ended: page fault (vector 14) without a "
	                                       "handler: write at 0xdead000 (not mapped), ip "
	                                       "0x400000"));
	balanced();
}

/* Killed while another core has it current: it goes when that core lets go. */
static void killed_on_another_core(void **state)
{
	struct exo_cap cap;
	uint32_t a = kit_child("a", 0, 1, 1, false, &cap);
	unsigned nudges = host_nudges(1);

	assert_true(env_enter(kit_env(a)));
	assert_int_equal(end(&cap), 0);
	assert_false(kit_env(a)->reaped);
	assert_int_equal(host_nudges(1), nudges + 1);
	assert_int_equal(end(&cap), 0);
	assert_false(kit_env(a)->reaped);
	env_leave(kit_env(a));
	balanced();
}

/* An owner's end breaks what its grantees mapped; a grantee's end takes its mappings along. */
static void grants_end_with_the_owner(void **state)
{
	struct exo_cap cap_a, cap_b, key, reader;
	uint32_t a = kit_child("a", 4, 0, 1, false, &cap_a);
	uint32_t b = kit_child("b", 0, 0, 1, false, &cap_b);
	uint64_t first;
	char byte;

	kit_frames(a, 2, &first, &key);
	kit_grant(a, &key, b, EXO_RIGHT_READ, first, 2, &reader);
	assert_int_equal(kit_map(b, 0x600000, first, 2, EXO_RIGHT_READ, &reader), 1);
	end(&cap_a);
	assert_int_equal(host_load(kit_env(b)->space, &byte, 0x600000, 1), -EXO_EFAULT);
	assert_int_equal(kit_map(b, 0x600000, first, 1, EXO_RIGHT_READ, &reader), -EXO_ESTALE);
	end(&cap_b);
	balanced();
}

static void limits_move(void **state)
{
	struct exo_env_create create = {
	        .name = "a", .authority = kit_cap(EXO_USE_ENVS), .frames_max = 10};
	const struct exo_account *own = kit_env(ENV_INIT)->account;

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)), 0);
	assert_int_equal(own->frames_max, limit_before - 10);
	create.frames_max = own->frames_max - own->frames + 1;
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)),
	                 -EXO_ENOMEM);
	create.frames_max--;
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)), 0);
	create.frames_max = UINT64_MAX;
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)),
	                 -EXO_ENOMEM);
}

static void names_are_printable(void **state)
{
	static const struct {
		const char *name;
		int64_t result;
	} rows[] = {
	        {"", -EXO_EINVAL},
	        {"a b", -EXO_EINVAL},
	        {"a\x1b[2J", -EXO_EINVAL},
	        {"\x7f", -EXO_EINVAL},
	        {"\xc3\xa4", -EXO_EINVAL},
	        {"1234567890123456789012345678901", 0},
	        {"12345678901234567890123456789012", -EXO_EINVAL},
	        {"~", 0},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exo_env_create create = {.authority = kit_cap(EXO_USE_ENVS)};

		memcpy(create.name, rows[i].name,
		       strlen(rows[i].name) < 32 ? strlen(rows[i].name) + 1 : 32);
		assert_int_equal(
		        kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)),
		        rows[i].result);
	}
}

static void creation_needs_the_right(void **state)
{
	struct exo_env_create create = {.name = "a", .authority = kit_cap(EXO_USE_SELF)};

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)),
	                 -EXO_EPERM);
	create.authority = kit_cap(EXO_USE_ENVS);
	create.flags = 2;
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)),
	                 -EXO_EINVAL);
}

/* What faulted and is to be held keeps its frames, and shows them, until it is ended again. */
static void held_after_a_fault(void **state)
{
	struct machine_trap trap = {.kind = MACHINE_TRAP_EXCEPTION, .vector = 6, .error = 9};
	struct exo_cap cap;
	uint32_t a = kit_child("a", 10, 0, 1, false, &cap);
	struct exo_env_record record = {.env = cap, .room = 5, .mappings = KIT_DATA_PAGE(3)};
	struct pe *pe = kit_pe(a);
	uint64_t link[2] = {0, 0x401234};

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_RECORD, &record, sizeof(record)),
	                 -EXO_ENOENT);
	kit_env(a)->hold = true;
	kit_put(a, KIT_DATA_PAGE(2), link, sizeof(link));
	pe->machine.regs.rbp = KIT_DATA_PAGE(2);
	pe->machine.regs.rip = 0x400100;
	pe->machine.regs.r13 = 0x1313;
	host_space_set(kit_env(a)->space);
	fault_end(pe, &trap);
	assert_false(kit_env(a)->reaped);
	assert_true(kit_env(a)->held);
	assert_null(kit_env(a)->pes);
	assert_int_equal(kit_env(a)->account->slots, 0);
	kit_verify();
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_RECORD, &record, sizeof(record)), 0);
	assert_int_equal(record.vector, 6);
	assert_int_equal(record.error, 9);
	assert_int_equal(record.regs.r13, 0x1313);
	assert_int_equal(record.depth, 2);
	assert_int_equal(record.backtrace[0], 0x400100);
	assert_int_equal(record.backtrace[1], 0x401234);
	assert_int_equal(record.n, 5);
	assert_int_equal(record.cursor, 5);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_RECORD, &record, sizeof(record)), 0);
	assert_int_equal(record.n, KIT_PAGES - 5);
	assert_int_equal(record.cursor, 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &cap, sizeof(cap));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_ENV_END, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	assert_true(kit_env(a)->reaped);
	record.cursor = 0;
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_RECORD, &record, sizeof(record)), 0);
	assert_int_equal(record.n, 0);
	balanced();
}

/* Children of an ended environment, and their limits, pass to its parent. */
static void orphans_pass_on(void **state)
{
	struct exo_cap cap_a, root = kit_cap(EXO_USE_ENVS), part, cap_c;
	uint32_t a = kit_child("a", 20, 0, 1, false, &cap_a);
	struct exo_env_create create = {.name = "c", .frames_max = 5};

	kit_grant(ENV_INIT, &root, a, EXO_RIGHT_ALLOC, root.first, root.count, &part);
	create.authority = part;
	assert_int_equal(kit_call_block(a, EXO_CALL_ENV_CREATE, &create, sizeof(create)), 0);
	end(&cap_a);
	assert_int_equal(kit_env(create.id)->parent, ENV_INIT);
	assert_int_equal(kit_env(ENV_INIT)->account->frames_max, limit_before - 5);
	assert_int_equal(
	        kit_grant(ENV_INIT, &root, ENV_INIT, EXO_RIGHT_CONTROL, create.id, 1, &cap_c), 0);
	end(&cap_c);
	balanced();
}

/* What a child had of its creator's limit is not lost where that has ended and is held. */
static void limits_pass_by_who_is_held(void **state)
{
	struct exo_env_create create = {.name = "held",
	                                .authority = kit_cap(EXO_USE_ENVS),
	                                .frames_max = 20,
	                                .flags = EXO_ENV_HOLD};
	static const char name[EXO_NAME_MAX] = "child";
	struct env *held, *child;

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)), 0);
	held = kit_env(create.id);
	assert_int_equal(env_create(held, name, 15, &child), 0);
	env_stop(held, EXO_ENV_FAULTED, 14, 0, 0);
	assert_true(held->held);
	env_stop(child, EXO_ENV_KILLED, 0, 0, 0);
	assert_int_equal(held->account->frames_max, 20);
	assert_int_equal(end(&create.out), 0);
	balanced();
}

static void ghosts_are_bounded(void **state)
{
	struct exo_cap first, cap;
	uint32_t id = kit_child("g", 0, 0, 0, false, &first);

	end(&first);
	for (unsigned i = 0; i < ENV_GHOSTS_MAX; i++) {
		assert_non_null(kit_env(id));
		kit_child("g", 0, 0, 0, false, &cap);
		end(&cap);
	}
	assert_null(kit_env(id));
	balanced();
}

static void the_heap_may_be_short(void **state)
{
	struct exo_env_create create = {
	        .name = "a", .authority = kit_cap(EXO_USE_ENVS), .frames_max = 1};
	uint64_t created = 0;

	host_heap_limit(4096);
	while (kit_call_block(ENV_INIT, EXO_CALL_ENV_CREATE, &create, sizeof(create)) == 0)
		created++;
	assert_in_range(created, 0, 64);
	host_heap_limit(0);
	kit_verify();
}

static void powers_off_with_init(void **state)
{
	static const struct {
		uint64_t status;
		uint32_t power;
	} rows[] = {{0, EXO_POWER_OFF << 16}, {3, EXO_POWER_EXIT << 16 | 3}};
	jmp_buf back;

	for (volatile unsigned i = 0; i < 2; i++) {
		kit_stop();
		kit_start(512, 1);
		host_end = &back;
		if (setjmp(back) == 0) {
			kit_call(ENV_INIT, EXO_CALL_EXIT, rows[i].status, 0, 0, 0);
			fail_msg("init's end was not noticed");
		}
		assert_int_equal(host_power, rows[i].power);
		host_end = NULL;
		kit_start(512, 1);
	}
}

static void start_page(void **state)
{
	struct exo_start start;
	char magic[6];

	kit_get(ENV_INIT, &start, EXO_START_ADDR, sizeof(start));
	assert_int_equal(start.magic, EXO_START_MAGIC);
	assert_int_equal(start.env, ENV_INIT);
	assert_int_equal(start.argc, 3);
	assert_memory_equal(start.args, "init\0first\0second=2", start.args_size);
	kit_get(ENV_INIT, magic, start.files[0].address, sizeof(magic));
	assert_memory_equal(magic, "070701", sizeof(magic));
	assert_int_equal(host_store(kit_env(ENV_INIT)->space, EXO_START_ADDR, magic, 1),
	                 -EXO_EFAULT);
}

/* What steers a terminal shows, but from who holds the console and edits lines on it. */
static void console_text_is_harmless(void **state)
{
	struct exo_cap all = kit_cap(EXO_USE_CONSOLE), cap;
	static const char text[] = "a\x1b[2Jb\r\n\xff";

	assert_int_equal(kit_grant(ENV_INIT, &all, ENV_INIT, EXO_RIGHT_WRITE, 0, 1, &cap), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &cap, sizeof(cap));
	kit_put(ENV_INIT, KIT_DATA_PAGE(2), text, sizeof(text));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_CONSOLE_WRITE, KIT_DATA_PAGE(1),
	                          KIT_DATA_PAGE(2), sizeof(text) - 1, 0),
	                 sizeof(text) - 1);
	assert_non_null(strstr(host_console(), "init: a\\x1b[2Jb\ninit: \\xff"));
	/* No more than the console takes: a line end alone may become a line with a name. */
	host_console_room = 100;
	assert_in_range(kit_call(ENV_INIT, EXO_CALL_CONSOLE_WRITE, KIT_DATA_PAGE(1),
	                         KIT_DATA_PAGE(2), sizeof(text) - 1, 0),
	                1, sizeof(text) - 2);
	host_console_room = 20;
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_CONSOLE_WRITE, KIT_DATA_PAGE(1),
	                          KIT_DATA_PAGE(2), sizeof(text) - 1, 0),
	                 -EXO_EAGAIN);
	host_console_room = SIZE_MAX;
	/* Nor what a downloaded program prints. */
	log_line("filter", "%s", "a\x1b[2Jb\nPANIC");
	assert_non_null(strstr(host_console(), "filter: a.[2Jb.PANIC\n"));
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &all, sizeof(all));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_CONSOLE_WRITE, KIT_DATA_PAGE(1),
	                          KIT_DATA_PAGE(2), sizeof(text) - 1, 0),
	                 sizeof(text) - 1);
	assert_non_null(strstr(host_console(), "a\x1b[2Jb\r\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	        TEST(killed),
	        TEST(exited),
	        TEST(faulted),
	        TEST(killed_on_another_core),
	        TEST(grants_end_with_the_owner),
	        TEST(limits_move),
	        TEST(names_are_printable),
	        TEST(creation_needs_the_right),
	        TEST(held_after_a_fault),
	        TEST(orphans_pass_on),
	        TEST(limits_pass_by_who_is_held),
	        TEST(ghosts_are_bounded),
	        TEST(the_heap_may_be_short),
	        TEST(powers_off_with_init),
	        TEST(start_page),
	        TEST(console_text_is_harmless),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
