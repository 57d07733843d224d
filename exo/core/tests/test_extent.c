/* SPDX-License-Identifier: BSD-2-Clause */
/* Disk extents: making, granting, moving data, refusals, and ends with requests under way. */
#include "kit.h"

#include <string.h>

#include <exo/disk.h>

#include "../extent.h"
#include "../ledger.h"
#include "../core.h"
#include "../machine.h"
#include "../revoke.h"

static struct ledger_counts before;
static uint32_t a, b; /* two children */
static struct exo_cap key_a, frames_a;
static uint64_t first_a; /* frames of a: data in [0], words of completion in [1] */

static int setup(void **state)
{
	kit_start(512, 2);
	ledger_count(&before);
	a = kit_child("a", 20, 0, 1, true, &key_a);
	b = kit_child("b", 20, 0, 1, true, NULL);
	assert_int_equal(kit_frames(a, 4, &first_a, &frames_a), 0);
	return 0;
}

static int64_t make(uint64_t first, uint32_t count, uint32_t owner, struct exo_cap *out)
{
	struct exo_extent_alloc block = {
	        .authority = kit_cap(EXO_USE_DISK), .first = first, .count = count, .owner = owner};
	int64_t result = kit_call_block(ENV_INIT, EXO_CALL_EXTENT_ALLOC, &block, sizeof(block));

	*out = block.out;
	return result;
}

/* An extent of a's with a key in its hands. */
static struct exo_cap extent_of_a(uint64_t first, uint32_t count, unsigned rights)
{
	struct exo_cap cap, own;

	assert_int_equal(make(first, count, a, &cap), 0);
	assert_int_equal(kit_grant(ENV_INIT, &cap, a, rights, first, count, &own), 0);
	return own;
}

static uint64_t done_at(unsigned i)
{
	return ((first_a + 1) << 12) + i * sizeof(struct exo_disk_done);
}

static struct exo_disk_done *done(unsigned i)
{
	return (struct exo_disk_done *)machine_frame(first_a + 1) + i;
}

static int64_t request(uint32_t env, const struct exo_cap *cap, uint64_t sector, uint32_t count,
                       uint32_t flags)
{
	struct exo_disk_request block = {.extent = *cap,
	                                 .sector = sector,
	                                 .frame = first_a,
	                                 .count = count,
	                                 .flags = flags,
	                                 .done = done_at(0)};

	return kit_call_block(env, EXO_CALL_DISK, &block, sizeof(block));
}

static void moves(void **state)
{
	struct exo_cap cap = extent_of_a(8, 16, EXO_RIGHT_READ | EXO_RIGHT_WRITE);
	uint8_t *data = machine_frame(first_a);

	memset(data, 0x5a, 1024);
	assert_int_equal(request(a, &cap, 9, 2, EXO_DISK_WRITE), 0);
	assert_int_equal(done(0)->done, 0);
	assert_int_equal(ledger_frame(first_a)->pins, 1);
	extent_poll();
	assert_int_equal(done(0)->done, 1);
	assert_int_equal(done(0)->result, 0);
	assert_int_equal(ledger_frame(first_a)->pins, 0);
	assert_true(kit_pe(a)->machine.events & EXO_EVENT_DISK);
	assert_memory_equal(host_disk() + 4608, data, 1024);
	assert_int_equal(host_disk()[4607], 0);
	assert_int_equal(host_disk()[5632], 0);
	memset(data, 0, 1024);
	assert_int_equal(request(a, &cap, 10, 1, 0), 0);
	extent_poll();
	assert_int_equal(data[0], 0x5a);
	assert_int_equal(data[512], 0);
	assert_int_equal(kit_env(a)->account->disk_written, 2);
	assert_int_equal(kit_env(a)->account->disk_read, 1);
}

static void refuses(void **state)
{
	struct exo_cap cap = extent_of_a(8, 16, EXO_RIGHT_READ), forged = cap, other;
	struct exo_cap all = kit_cap(EXO_USE_DISK);

	assert_int_equal(request(a, &cap, 8, 1, EXO_DISK_WRITE), -EXO_EPERM);
	assert_int_equal(request(a, &cap, 7, 1, 0), -EXO_EPERM);
	assert_int_equal(request(a, &cap, 24, 1, 0), -EXO_EPERM);
	assert_int_equal(request(a, &cap, 23, 2, 0), -EXO_EPERM);
	assert_int_equal(request(a, &cap, UINT64_MAX, 2, 0), -EXO_EPERM);
	assert_int_equal(request(a, &cap, 8, 0, 0), -EXO_EINVAL);
	assert_int_equal(request(a, &cap, 8, 1, 2), -EXO_EINVAL);
	assert_int_equal(request(a, &cap, 8, EXO_DISK_SECTORS_MAX + 1, 0), -EXO_E2BIG);
	assert_int_equal(request(b, &cap, 8, 1, 0), -EXO_EPERM);
	assert_int_equal(request(ENV_INIT, &all, 8, 1, 0), -EXO_EPERM);
	forged.count = 17;
	assert_int_equal(request(a, &forged, 8, 1, 0), -EXO_EKEY);
	/* A key of b's own does not make a's frames b's. */
	assert_int_equal(make(30, 4, b, &other), 0);
	assert_int_equal(kit_grant(ENV_INIT, &other, b, EXO_RIGHT_READ, 30, 4, &other), 0);
	assert_int_equal(request(b, &other, 30, 1, 0), -EXO_EPERM);
	assert_int_equal(ledger_frame(first_a)->pins, 0);
	assert_int_equal(ledger_frame(first_a + 1)->pins, 0);
}

static void overlapping(void **state)
{
	struct exo_cap cap, other;

	assert_int_equal(make(8, 16, a, &cap), 0);
	assert_int_equal(make(0, 9, b, &other), -EXO_EBUSY);
	assert_int_equal(make(23, 1, b, &other), -EXO_EBUSY);
	assert_int_equal(make(10, 2, b, &other), -EXO_EBUSY);
	assert_int_equal(make(0, 64, b, &other), -EXO_EBUSY);
	assert_int_equal(make(60, 5, b, &other), -EXO_EPERM);
	assert_int_equal(make(60, 0, b, &other), -EXO_EINVAL);
	assert_int_equal(make(0, 8, b, &other), 0);
	assert_int_equal(make(24, 40, b, &other), 0);
	assert_int_equal(kit_env(b)->account->sectors, 48);
}

static void freed_and_revoked(void **state)
{
	struct exo_cap cap, own, part;

	assert_int_equal(make(8, 16, a, &cap), 0);
	assert_int_equal(kit_grant(ENV_INIT, &cap, a, EXO_RIGHT_READ, 8, 16, &own), 0);
	assert_int_equal(kit_grant(ENV_INIT, &cap, ENV_INIT, EXO_RIGHT_FREE, 8, 4, &part), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &part, sizeof(part));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_EXTENT_FREE, KIT_DATA_PAGE(1), 0, 0, 0),
	                 -EXO_EINVAL);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REVOKE, &cap, sizeof(cap)), 0);
	assert_int_equal(request(a, &own, 8, 1, 0), -EXO_ESTALE);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &cap, sizeof(cap));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_EXTENT_FREE, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_EXTENT_FREE, KIT_DATA_PAGE(1), 0, 0, 0),
	                 -EXO_ESTALE);
	assert_int_equal(kit_env(a)->account->sectors, 0);
	/* A new extent in the old one's place does not make its keys good again. */
	own = cap;
	assert_int_equal(make(8, 16, a, &cap), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &own, sizeof(own));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_EXTENT_FREE, KIT_DATA_PAGE(1), 0, 0, 0),
	                 -EXO_ESTALE);
}

static void bounded(void **state)
{
	struct exo_cap cap = extent_of_a(0, 64, EXO_RIGHT_READ);

	host_disk_finishes(0, 0);
	for (unsigned i = 0; i < EXO_DISK_REQUESTS_MAX; i++)
		assert_int_equal(request(a, &cap, i, 1, 0), 0);
	assert_int_equal(request(a, &cap, 0, 1, 0), -EXO_EAGAIN);
	extent_poll();
	assert_int_equal(request(a, &cap, 0, 1, 0), -EXO_EAGAIN);
	host_disk_finishes(1, 0);
	extent_poll();
	assert_int_equal(request(a, &cap, 0, 1, 0), 0);
	host_disk_finishes(UINT32_MAX, -EXO_EIO);
	extent_poll();
	assert_int_equal(done(0)->result, -EXO_EIO);
	assert_int_equal(kit_env(a)->account->disk_failed, EXO_DISK_REQUESTS_MAX);
	assert_int_equal(ledger_frame(first_a)->pins, 0);
}

/* Frames drain and sectors stay taken until the device is done with them. */
static void end_in_the_middle(void **state)
{
	struct exo_cap cap = extent_of_a(0, 8, EXO_RIGHT_READ), again;
	struct ledger_counts now;

	host_disk_finishes(0, 0);
	assert_int_equal(request(a, &cap, 0, 8, 0), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &key_a, sizeof(key_a));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_ENV_END, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	ledger_drain();
	ledger_count(&now);
	assert_int_equal(now.draining, 2);
	assert_int_equal(make(0, 8, b, &again), -EXO_EBUSY);
	host_disk_finishes(UINT32_MAX, 0);
	extent_poll();
	ledger_drain();
	ledger_count(&now);
	assert_int_equal(now.draining, 0);
	assert_int_equal(now.pins, before.pins + 1); /* b's page */
	assert_int_equal(make(0, 8, b, &again), 0);
}

static void saves(void **state)
{
	struct exo_cap cap;

	assert_int_equal(make(8, 16, a, &cap), 0);
	memset(machine_frame(first_a), 0x77, 4096);
	assert_int_equal(extent_save(kit_env(a), 8, first_a), 0);
	assert_int_equal(ledger_frame(first_a)->pins, 1);
	extent_poll();
	assert_int_equal(ledger_frame(first_a)->pins, 0);
	assert_int_equal(host_disk()[8191], 0x77);
	assert_int_equal(extent_save(kit_env(a), 17, first_a), -EXO_EPERM);
	assert_int_equal(extent_save(kit_env(b), 8, first_a), -EXO_EPERM);
}

/* Frames that are taken wait for the disk, if it has too much to do, and are all saved. */
static void saves_all_that_is_taken(void **state)
{
	struct exo_cap own = extent_of_a(8, 32, EXO_RIGHT_READ | EXO_RIGHT_WRITE), other;
	struct exo_seed seed = {.n_extents = 1, .extents = KIT_DATA_PAGE(3)};
	struct exo_repossess ask = {.authority = kit_cap(EXO_USE_FRAMES),
	                            .env = a,
	                            .kind = EXO_KIND_FRAME,
	                            .first = first_a,
	                            .count = 4};
	const struct exo_account *account = kit_env(a)->account;
	uint64_t first_b;

	for (unsigned i = 0; i < 4; i++)
		memset(machine_frame(first_a + i), 0x40 + (int)i, 4096);
	kit_put(a, KIT_DATA_PAGE(3), &own, sizeof(own));
	assert_int_equal(kit_call_block(a, EXO_CALL_SEED, &seed, sizeof(seed)), 0);
	assert_int_equal(make(48, 8, b, &other), 0);
	assert_int_equal(kit_frames(b, 1, &first_b, &other), 0);
	host_disk_finishes(0, 0);
	for (unsigned i = 0; i < MACHINE_DISK_REQUESTS - 2; i++)
		assert_int_equal(extent_save(kit_env(b), 48, first_b), 0);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REPOSSESS, &ask, sizeof(ask)), 0);
	revoke_tick(machine_tsc());
	assert_int_equal(account->n_losses, 2);
	assert_int_equal(account->repossession.by, ENV_INIT);
	host_disk_finishes(UINT32_MAX, 0);
	extent_poll();
	host_time_add(2 * core_info->slot_ticks);
	revoke_tick(machine_tsc());
	extent_poll();
	assert_int_equal(account->n_losses, 4);
	assert_int_equal(account->repossession.by, 0);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(account->losses[i].saved, 1);
		assert_int_equal(host_disk()[account->losses[i].sector * 512],
		                 0x40 + account->losses[i].first - first_a);
	}
}

static void listed(void **state)
{
	struct exo_ledger_entry entry;
	uint64_t cursor = 0;
	struct exo_cap cap;

	assert_int_equal(make(40, 4, b, &cap), 0);
	assert_int_equal(make(8, 16, a, &cap), 0);
	assert_true(extent_list(&cursor, &entry));
	assert_int_equal(entry.first, 8);
	assert_int_equal(entry.owner, a);
	assert_true(extent_list(&cursor, &entry));
	assert_int_equal(entry.first, 40);
	assert_false(extent_list(&cursor, &entry));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(moves, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(refuses, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(overlapping, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(freed_and_revoked, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(bounded, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(end_in_the_middle, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(saves, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(saves_all_that_is_taken, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(listed, setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
