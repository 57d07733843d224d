/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames: by name and anywhere, aligned, zeroed, limited; pinned, mapped, drained; and the payload.
 */
#include "kit.h"

#include <string.h>

#include "../cap.h"
#include "../ledger.h"

static uint32_t a;

static int setup(void **state)
{
	kit_start(256, 1);
	a = kit_child("a", 64, 0, 1, false, NULL);
	return 0;
}

static int64_t alloc(struct exo_frame_alloc *block)
{
	block->authority = kit_cap(EXO_USE_FRAMES);
	return kit_call_block(ENV_INIT, EXO_CALL_FRAME_ALLOC, block, sizeof(*block));
}

static int64_t alloc_for_a(uint64_t first, uint32_t count, uint64_t align)
{
	struct exo_frame_alloc block = {.owner = a, .count = count, .first = first, .align = align};
	int64_t result = alloc(&block);

	return result ? result : (int64_t)block.first;
}

static int64_t free_frames(struct exo_cap *cap)
{
	return kit_call_block(a, EXO_CALL_FRAME_FREE, cap, sizeof(*cap));
}

static void by_name(void **state)
{
	uint64_t hole = HOST_FIRST_FRAME + 128;
	int64_t first = alloc_for_a(EXO_FRAME_ANY, 1, 0);

	assert_true(first > 0);
	assert_int_equal(alloc_for_a((uint64_t)first, 1, 0), -EXO_EBUSY);
	assert_int_equal(alloc_for_a((uint64_t)first + 4, 2, 0), first + 4);
	assert_int_equal(alloc_for_a((uint64_t)first + 3, 2, 0), -EXO_EBUSY);
	assert_int_equal(alloc_for_a((uint64_t)first + 3, 1, 0), first + 3);
	assert_int_equal(alloc_for_a(hole, 1, 0), -EXO_ENOENT);
	assert_int_equal(alloc_for_a(HOST_FIRST_FRAME - 1, 1, 0), -EXO_EPERM);
	assert_int_equal(alloc_for_a(EXO_FRAME_ANY - 1, 1, 0), -EXO_EPERM);
}

static void contiguous_and_aligned(void **state)
{
	int64_t first = alloc_for_a(EXO_FRAME_ANY, 5, 16);

	assert_int_equal(first % 16, 0);
	assert_int_equal(alloc_for_a(EXO_FRAME_ANY, 1, 3), -EXO_EINVAL);
	assert_int_equal(alloc_for_a(EXO_FRAME_ANY, 1, 1ull << 63), -EXO_ENOMEM);
	for (int i = 0; i < 5; i++)
		assert_true(ledger_frame_owned(a, (uint64_t)first + (uint64_t)i));
	assert_false(ledger_frame_owned(a, (uint64_t)first + 5));
}

static void limits(void **state)
{
	assert_int_equal(alloc_for_a(EXO_FRAME_ANY, 0, 0), -EXO_ENOMEM);
	assert_int_equal(alloc_for_a(EXO_FRAME_ANY, 65, 0), -EXO_ENOMEM);
	assert_true(alloc_for_a(EXO_FRAME_ANY, 64, 0) > 0);
	assert_int_equal(alloc_for_a(EXO_FRAME_ANY, 1, 0), -EXO_ENOMEM);
	assert_int_equal(alloc_for_a(EXO_FRAME_ANY, FRAME_ALLOC_MAX + 1, 0), -EXO_E2BIG);
}

/* A run across the hole is none. */
static void no_run_across_the_hole(void **state)
{
	struct exo_frame_alloc block = {.count = 130, .first = EXO_FRAME_ANY};

	assert_int_equal(alloc(&block), -EXO_ENOMEM);
}

static void zeroed(void **state)
{
	struct exo_cap cap;
	uint64_t first, again;
	char zero[4096] = {0}, dirt[4096];

	memset(dirt, 0x5a, sizeof(dirt));
	kit_frames(a, 1, &first, &cap);
	kit_map(a, 0x600000, first, 1, EXO_RIGHT_READ | EXO_RIGHT_WRITE, NULL);
	kit_put(a, 0x600000, dirt, sizeof(dirt));
	net_none.quiesces = 0;
	assert_int_equal(free_frames(&cap), 0);
	assert_int_equal(net_none.quiesces, 1); /* polls that saw the old owner are over */
	assert_int_equal(host_load(kit_env(a)->space, dirt, 0x600000, 1), -EXO_EFAULT);
	kit_frames(a, 1, &again, &cap);
	assert_int_equal(again, first);
	kit_map(a, 0x600000, first, 1, EXO_RIGHT_READ, NULL);
	kit_get(a, dirt, 0x600000, sizeof(dirt));
	assert_memory_equal(dirt, zero, sizeof(dirt));
}

static void not_freed_while_used(void **state)
{
	uint32_t b = kit_child("b", 0, 0, 1, false, NULL);
	struct exo_cap cap, reader;
	struct exo_range range = {.address = 0x600000, .count = 1};
	uint64_t first;

	kit_frames(a, 2, &first, &cap);
	kit_grant(a, &cap, b, EXO_RIGHT_READ, first + 1, 1, &reader);
	assert_int_equal(kit_map(b, 0x600000, first + 1, 1, EXO_RIGHT_READ, &reader), 1);
	assert_int_equal(free_frames(&cap), -EXO_EBUSY);
	kit_put(b, KIT_DATA_PAGE(1), &range, sizeof(range));
	assert_int_equal(kit_call(b, EXO_CALL_UNMAP, 0, KIT_DATA_PAGE(1), 1, 0), 1);
	assert_int_equal(ledger_frame_pin(a, first + 1), 0);
	assert_int_equal(free_frames(&cap), -EXO_EBUSY);
	assert_true(ledger_frame_owned(a, first));
	ledger_frame_unpin(first + 1);
	assert_int_equal(free_frames(&cap), 0);
	assert_false(ledger_frame_owned(a, first));
}

static void pins_are_the_owners(void **state)
{
	int64_t first = alloc_for_a(EXO_FRAME_ANY, 3, 0);

	assert_int_equal(ledger_frame_pin(ENV_INIT, (uint64_t)first), -EXO_EPERM);
	assert_int_equal(ledger_frame_pin(a, 0), -EXO_EPERM);
	assert_int_equal(ledger_frame_pin(a, UINT64_MAX), -EXO_EPERM);
	assert_int_equal(ledger_frames_pin(a, (uint64_t)first, 3), 0);
	assert_int_equal(ledger_frames_pin(a, (uint64_t)first + 1, 3), -EXO_EPERM);
	assert_int_equal(ledger_frames_pin(a, (uint64_t)first, UINT64_MAX), -EXO_EPERM);
	assert_int_equal(ledger_frame((uint64_t)first + 1)->pins, 1);
	ledger_frames_unpin((uint64_t)first, 3);
}

static void pinned_frames_drain(void **state)
{
	struct ledger_counts counts;
	struct exo_cap cap;
	uint32_t b = kit_child("b", 8, 0, 1, false, &cap);
	uint64_t first;

	kit_frames(b, 2, &first, NULL);
	assert_int_equal(ledger_frame_pin(b, first), 0);
	kit_put(ENV_INIT, KIT_DATA_PAGE(1), &cap, sizeof(cap));
	assert_int_equal(kit_call(ENV_INIT, EXO_CALL_ENV_END, KIT_DATA_PAGE(1), 0, 0, 0), 0);
	ledger_count(&counts);
	assert_int_equal(counts.draining, 1);
	ledger_drain();
	assert_true(ledger_draining());
	assert_int_equal(alloc_for_a(first, 1, 0), -EXO_EBUSY);
	ledger_frame_unpin(first);
	ledger_drain();
	assert_false(ledger_draining());
	assert_int_equal(alloc_for_a(first, 1, 0), first);
}

static void payload_is_inits_for_ever(void **state)
{
	struct exo_cap cap = kit_cap(EXO_USE_PAYLOAD), part;
	uint32_t b = kit_child("b", 0, 0, 1, false, NULL);
	char magic[6];

	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_FRAME_FREE, &cap, sizeof(cap)),
	                 -EXO_EPERM);
	assert_int_equal(kit_grant(ENV_INIT, &cap, b, EXO_RIGHT_READ, cap.first, 1, &part), 0);
	assert_int_equal(kit_map(b, 0x600000, cap.first, 1, EXO_RIGHT_READ, &part), 1);
	kit_get(b, magic, 0x600000, sizeof(magic));
	assert_memory_equal(magic, "070701", 6);
}

/* A frame whose epochs are used up is never given out again. */
static void worn_frames_retire(void **state)
{
	struct ledger_counts counts;
	struct exo_cap cap;
	uint64_t first, other;

	kit_frames(a, 1, &first, &cap);
	ledger_frame(first)->epoch = UINT32_MAX - 2;
	assert_int_equal(free_frames(&cap), -EXO_ESTALE);
	cap_make(&cap, EXO_KIND_FRAME, EXO_RIGHT_FREE, a, first, 1);
	assert_int_equal(free_frames(&cap), 0);
	kit_frames(a, 1, &other, &cap);
	assert_int_equal(other, first);
	assert_int_equal(free_frames(&cap), 0);
	ledger_count(&counts);
	assert_int_equal(counts.retired, 1);
	kit_frames(a, 1, &other, &cap);
	assert_int_not_equal(other, first);
}

static void listing_covers_every_frame_once(void **state)
{
	struct exo_listing listing = {
	        .machine = kit_cap(EXO_USE_MACHINE), .kind = EXO_KIND_FRAME, .room = 3};
	uint64_t next = 0, total = 0;

	listing.entries = KIT_DATA_PAGE(4);
	do {
		struct exo_ledger_entry entries[3];

		assert_int_equal(
		        kit_call_block(ENV_INIT, EXO_CALL_LEDGER, &listing, sizeof(listing)), 0);
		kit_get(ENV_INIT, entries, KIT_DATA_PAGE(4), sizeof(entries));
		for (uint32_t i = 0; i < listing.n; i++) {
			assert_true(entries[i].first >= next);
			next = entries[i].first + entries[i].count;
			total += entries[i].count;
		}
	} while (listing.cursor);
	assert_int_equal(total, 256 + kit_cap(EXO_USE_PAYLOAD).count);
	listing.room = LEDGER_LIST_MAX + 1;
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_LEDGER, &listing, sizeof(listing)),
	                 -EXO_EINVAL);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(by_name),
	        TEST(contiguous_and_aligned),
	        TEST(limits),
	        TEST(no_run_across_the_hole),
	        TEST(zeroed),
	        TEST(not_freed_while_used),
	        TEST(pins_are_the_owners),
	        TEST(pinned_frames_drain),
	        TEST(payload_is_inits_for_ever),
	        TEST(worn_frames_retire),
	        TEST(listing_covers_every_frame_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
