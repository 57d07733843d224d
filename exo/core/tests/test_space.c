/* SPDX-License-Identifier: BSD-2-Clause */
/* Mappings: what is refused, a line per case with boundaries on both sides; and what stays. */
#include "kit.h"

#include <string.h>

#include "../ledger.h"
#include "../space.h"

#define R  EXO_RIGHT_READ
#define W  EXO_RIGHT_WRITE
#define X  EXO_RIGHT_EXEC
#define UP EXO_USER_END

static uint32_t a;
static uint64_t frame;

static int setup(void **state)
{
	kit_start(256, 1);
	a = kit_child("a", 32, 0, 1, false, NULL);
	kit_frames(a, 4, &frame, NULL);
	return 0;
}

static int64_t map(const struct exo_mapping *m)
{
	kit_put(a, KIT_DATA_PAGE(1), m, sizeof(*m));
	return kit_call(a, EXO_CALL_MAP, 0, KIT_DATA_PAGE(1), 1, 0);
}

static void table(void **state)
{
	static const struct {
		uint64_t address, offset; /* of the frame, from the first of the caller's four */
		uint32_t count;
		uint16_t rights, flags;
		int64_t result;
	} rows[] = {
	        {0x600000, 0, 1, R, 0, 1},
	        {0x600001, 0, 1, R, 0, -EXO_EINVAL},
	        {0x600000, 0, 0, R, 0, -EXO_EINVAL},
	        {0x600000, 0, 4, R, 0, 1},
	        {0x600000, 0, 5, R, 0, -EXO_EPERM},
	        {0x600000, 3, 1, R, 0, 1},
	        {0x600000, 4, 1, R, 0, -EXO_EPERM},
	        {0x600000, -1ull << 60, 1, R, 0, -EXO_EPERM},
	        {0x600000, 0, SPACE_CALL_PAGES_MAX + 1, R, 0, -EXO_E2BIG},
	        {0x600000, 0, UINT32_MAX, R, 0, -EXO_E2BIG},
	        /* rights */
	        {0x600000, 0, 1, 0, 0, -EXO_EINVAL},
	        {0x600000, 0, 1, W, 0, -EXO_EINVAL},
	        {0x600000, 0, 1, X, 0, -EXO_EINVAL},
	        {0x600000, 0, 1, R | W, 0, 1},
	        {0x600000, 0, 1, R | X, 0, 1},
	        {0x600000, 0, 1, R | W | X, 0, -EXO_EINVAL},
	        {0x600000, 0, 1, R | EXO_RIGHT_GRANT, 0, -EXO_EINVAL},
	        /* flags */
	        {0x600000, 0, 1, R, EXO_MAP_GUARANTEED, 1},
	        {0x600000, 0, 1, R, EXO_MAP_LARGE, -EXO_EINVAL},
	        {0x600000, 0, 1, R, 8, -EXO_EINVAL},
	        {0x600000, 0, 1, R, EXO_MAP_LARGE | EXO_MAP_SHARE, -EXO_EINVAL},
	        /* the ends of the user's half, and the kernel's pages in it */
	        {EXO_USER_FIRST, 0, 1, R, 0, 1},
	        {EXO_USER_FIRST - 0x1000, 0, 1, R, 0, -EXO_EINVAL},
	        {0, 0, 1, R, 0, -EXO_EINVAL},
	        {UP - 0x1000, 0, 1, R, 0, 1},
	        {UP - 0x1000, 0, 2, R, 0, -EXO_EINVAL},
	        {UP, 0, 1, R, 0, -EXO_EINVAL},
	        {0x7ffffffff000, 0, 1, R, 0, -EXO_EINVAL},
	        {0x800000000000, 0, 1, R, 0, -EXO_EINVAL},
	        {0xffff800000000000, 0, 1, R, 0, -EXO_EINVAL},
	        {0xfffffffffffff000, 0, 1, R, 0, -EXO_EINVAL},
	        {0xfffffffffffff000, 0, 2, R, 0, -EXO_EINVAL},
	        {EXO_INFO_ADDR - 0x1000, 0, 1, R, 0, 1},
	        {EXO_INFO_ADDR - 0x1000, 0, 2, R, 0, -EXO_EINVAL},
	        {EXO_INFO_ADDR, 0, 1, R, 0, -EXO_EINVAL},
	        {EXO_ACCOUNT_ADDR, 0, 1, R, 0, -EXO_EINVAL},
	        {EXO_START_ADDR - 0x1000, 0, 1, R, 0, -EXO_EINVAL},
	        {EXO_START_ADDR, 0, 1, R, 0, 1},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct exo_mapping m = {.address = rows[i].address,
		                        .frame = frame + rows[i].offset,
		                        .count = rows[i].count,
		                        .rights = rows[i].rights,
		                        .flags = rows[i].flags};
		int64_t result = map(&m);

		if (result != rows[i].result)
			fail_msg("row %u: %ld, not %ld", i, (long)result, (long)rows[i].result);
		kit_verify();
	}
}

static void replacing_leaves_one_binding(void **state)
{
	struct exo_mapping m = {.address = 0x600000, .frame = frame, .count = 1, .rights = R | W};
	uint64_t before = kit_env(a)->account->mappings;
	char byte = 1;

	assert_int_equal(map(&m), 1);
	kit_put(a, 0x600000, &byte, 1);
	m.rights = R | X;
	assert_int_equal(map(&m), 1);
	assert_int_equal(host_store(kit_env(a)->space, 0x600000, &byte, 1), -EXO_EFAULT);
	m.frame++;
	assert_int_equal(map(&m), 1);
	assert_int_equal(kit_env(a)->account->mappings, before + 1);
	assert_int_equal(ledger_frame(frame)->n_mappings, 0);
}

static void batches_stop_at_the_first_error(void **state)
{
	struct exo_mapping m[4];

	for (unsigned i = 0; i < 4; i++)
		m[i] = (struct exo_mapping){.address = 0x600000 + i * 4096,
		                            .frame = frame + i,
		                            .count = 1,
		                            .rights = R};
	m[2].rights = 0;
	kit_put(a, KIT_DATA_PAGE(1), m, sizeof(m));
	assert_int_equal(kit_call(a, EXO_CALL_MAP, 0, KIT_DATA_PAGE(1), 4, 0), 2);
	assert_int_equal(kit_call(a, EXO_CALL_MAP, 0, KIT_DATA_PAGE(1), 0, 0), 0);
	assert_int_equal(ledger_frame(frame + 1)->n_mappings, 1);
	assert_int_equal(ledger_frame(frame + 3)->n_mappings, 0);
	/* The block's end lies where the caller can't read. */
	kit_put(a, KIT_DATA_PAGE(KIT_PAGES) - sizeof(m[0]), m, sizeof(m[0]));
	assert_int_equal(kit_call(a, EXO_CALL_MAP, 0, KIT_DATA_PAGE(KIT_PAGES) - sizeof(m[0]),
	                          UINT64_MAX, 0),
	                 1);
}

static void the_page_budget_of_a_call(void **state)
{
	struct exo_mapping m = {.address = 0x600000, .frame = frame, .count = 4, .rights = R};

	assert_int_equal(map(&m), 1);
	m.count = SPACE_CALL_PAGES_MAX;
	assert_int_equal(map(&m), -EXO_EPERM);
}

static int64_t unmap(uint64_t address, uint64_t count)
{
	struct exo_range range = {.address = address, .count = count};

	kit_put(a, KIT_DATA_PAGE(1), &range, sizeof(range));
	return kit_call(a, EXO_CALL_UNMAP, 0, KIT_DATA_PAGE(1), 1, 0);
}

static void unmapping(void **state)
{
	struct exo_mapping m = {.address = 0x600000, .frame = frame, .count = 4, .rights = R};
	uint64_t before = kit_env(a)->account->mappings;

	map(&m);
	assert_int_equal(unmap(0x601000, 1), 1);
	assert_int_equal(kit_env(a)->account->mappings, before + 3);
	assert_int_equal(unmap(0x601000, 1), 1);
	/* Wider than all that is mapped, but not the kernel's pages. */
	assert_int_equal(unmap(0x600000, 1ull << 30), 1);
	assert_int_equal(kit_env(a)->account->mappings, before);
	assert_int_equal(unmap(0x600000, 0), -EXO_EINVAL);
	assert_int_equal(unmap(0x600000, UINT64_MAX), -EXO_EINVAL);
	assert_int_equal(unmap(0x600001, 1), -EXO_EINVAL);
	assert_int_equal(unmap(EXO_INFO_ADDR, 1), -EXO_EINVAL);
	assert_int_equal(unmap(EXO_INFO_ADDR - 4096, 2), -EXO_EINVAL);
}

/* Many wide ranges over many mappings: the call stops behind one, and says behind which. */
static void unmapping_is_bounded(void **state)
{
	enum { MAPPED = 1000, RANGES = 250 };
	struct exo_mapping m = {.frame = frame, .count = 1, .rights = R};
	struct exo_range ranges[RANGES];
	uint64_t before = kit_env(a)->account->mappings;
	int64_t n, done;

	for (unsigned i = 0; i < MAPPED; i++) {
		m.address = 0x10000000 + i * 0x1000ull;
		assert_int_equal(map(&m), 1);
	}
	for (unsigned i = 0; i < RANGES; i++)
		ranges[i] = (struct exo_range){0x20000000, 1 << 20};
	ranges[RANGES - 1] = (struct exo_range){0x10000000, MAPPED};
	kit_put(a, KIT_DATA_PAGE(1), ranges, sizeof(ranges));
	for (n = 0; n < RANGES; n += done) {
		done = kit_call(a, EXO_CALL_UNMAP, 0,
		                KIT_DATA_PAGE(1) + (uint64_t)n * sizeof(ranges[0]),
		                (uint64_t)(RANGES - n), 0);
		assert_in_range(done, 1, SPACE_CALL_LOOKS_MAX / MAPPED + 1);
	}
	assert_int_equal(kit_env(a)->account->mappings, before);
}

static void another_space_needs_control(void **state)
{
	struct exo_cap cap, out;
	uint32_t b = kit_child("b", 0, 0, 1, false, &cap);
	struct exo_mapping m = {.address = 0x600000, .frame = frame, .count = 1, .rights = R};

	assert_int_equal(kit_grant(ENV_INIT, &cap, a, EXO_RIGHT_CALL, b, 1, &out), 0);
	kit_put(a, KIT_DATA_PAGE(1), &m, sizeof(m));
	kit_put(a, KIT_DATA_PAGE(2), &out, sizeof(out));
	assert_int_equal(kit_call(a, EXO_CALL_MAP, KIT_DATA_PAGE(2), KIT_DATA_PAGE(1), 1, 0),
	                 -EXO_EPERM);
	kit_grant(ENV_INIT, &cap, a, EXO_RIGHT_CONTROL, b, 1, &out);
	kit_put(a, KIT_DATA_PAGE(1), &m, sizeof(m));
	kit_put(a, KIT_DATA_PAGE(2), &out, sizeof(out));
	assert_int_equal(kit_call(a, EXO_CALL_MAP, KIT_DATA_PAGE(2), KIT_DATA_PAGE(1), 1, 0), 1);
	assert_int_equal(kit_env(b)->account->mappings, KIT_PAGES + 1);
}

static void information_is_read_only(void **state)
{
	struct exo_info info;
	struct exo_account account;

	kit_get(a, &info, EXO_INFO_ADDR, sizeof(info));
	assert_int_equal(info.abi_version, EXO_ABI_VERSION);
	kit_get(a, &account, EXO_ACCOUNT_ADDR, sizeof(account));
	assert_int_equal(account.env, a);
	assert_int_equal(account.frames, KIT_PAGES + 4);
	assert_int_equal(host_store(kit_env(a)->space, EXO_INFO_ADDR, &info, 1), -EXO_EFAULT);
	assert_int_equal(host_store(kit_env(a)->space, EXO_ACCOUNT_ADDR, &info, 1), -EXO_EFAULT);
}

/* Guaranteed mappings are never dropped, so that there is an end to them. */
static void the_number_of_guaranteed_mappings_is_limited(void **state)
{
	struct exo_mapping m = {.address = 0x600000,
	                        .frame = frame,
	                        .count = 1,
	                        .rights = R,
	                        .flags = EXO_MAP_GUARANTEED};
	int64_t result;

	do {
		result = map(&m);
		m.address += 4096;
	} while (result == 1);
	assert_int_equal(result, -EXO_ENOMEM);
	assert_int_equal(kit_env(a)->account->mappings, kit_env(a)->mappings_max);
	assert_int_equal(kit_env(a)->account->mappings_dropped, 0);
}

/* Others make room, oldest first, and can be offered again. */
static void others_are_dropped_for_new_ones(void **state)
{
	uint64_t max = kit_env(a)->mappings_max;
	struct exo_mapping m = {.address = 0x600000,
	                        .frame = frame,
	                        .count = 1,
	                        .rights = R,
	                        .flags = EXO_MAP_GUARANTEED};

	assert_int_equal(map(&m), 1);
	m.flags = 0;
	for (uint64_t i = 0; i < 2 * max; i++) {
		m.address += 4096;
		assert_int_equal(map(&m), 1);
		assert_true(kit_env(a)->account->mappings <= max);
	}
	assert_true(kit_env(a)->account->mappings_dropped > max / 2);
	assert_non_null(space_find(kit_env(a), 0x600000));
	assert_null(space_find(kit_env(a), 0x601000));
	assert_non_null(space_find(kit_env(a), m.address));
	m.address = 0x601000;
	assert_int_equal(map(&m), 1);
}

static void sharing_passes_on_what_the_caller_has(void **state)
{
	struct exo_cap cap, out;
	uint32_t b = kit_child("b", 0, 0, 1, false, &cap);
	struct exo_mapping m = {.address = 0x600000, .frame = frame, .count = 2, .rights = R | W};

	assert_int_equal(map(&m), 1);
	kit_grant(ENV_INIT, &cap, a, EXO_RIGHT_CONTROL, b, 1, &out);
	kit_put(a, KIT_DATA_PAGE(2), &out, sizeof(out));
	/* Page 0 and 1, and one with nothing there. */
	m = (struct exo_mapping){.address = 0x700000,
	                         .frame = 0x600,
	                         .count = 3,
	                         .rights = R,
	                         .flags = EXO_MAP_SHARE};
	kit_put(a, KIT_DATA_PAGE(1), &m, sizeof(m));
	assert_int_equal(kit_call(a, EXO_CALL_MAP, KIT_DATA_PAGE(2), KIT_DATA_PAGE(1), 1, 0), 1);
	assert_int_equal(kit_env(b)->account->mappings, KIT_PAGES + 2);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_USES, frame, 0, 0, 0), 2);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_USES, frame + 2, 0, 0, 0), 0);
	assert_int_equal(kit_call(b, EXO_CALL_FRAME_USES, frame, 0, 0, 0), -EXO_EPERM);
	/* No more rights than the caller has, no address that is not the caller's to read. */
	m.rights = R | X;
	kit_put(a, KIT_DATA_PAGE(1), &m, sizeof(m));
	assert_int_equal(kit_call(a, EXO_CALL_MAP, KIT_DATA_PAGE(2), KIT_DATA_PAGE(1), 1, 0),
	                 -EXO_EPERM);
	m.rights = R;
	m.frame = EXO_INFO_ADDR >> EXO_PAGE_SHIFT;
	assert_int_equal(map(&m), -EXO_EINVAL);
	m.frame = ~0ull;
	assert_int_equal(map(&m), -EXO_EINVAL);
	m.frame = 1ull << 52 | 0x600;
	assert_int_equal(map(&m), -EXO_EINVAL);
	/* To oneself: write protection without naming frames. */
	m = (struct exo_mapping){.address = 0x600000,
	                         .frame = 0x600,
	                         .count = 2,
	                         .rights = R,
	                         .flags = EXO_MAP_SHARE};
	assert_int_equal(map(&m), 1);
	assert_int_equal(host_store(kit_env(a)->space, 0x600000, &m, 1), -EXO_EFAULT);
}

/* 2 MiB: one binding, that any of its frames finds, and that goes as a whole. */
static void large_pages(void **state)
{
	enum { LARGE = 512 };
	struct exo_mapping m = {
	        .address = 0x40000000, .count = LARGE, .rights = R | W, .flags = EXO_MAP_LARGE};
	uint64_t before;
	char byte = 7;

	kit_stop();
	kit_start(4096, 1);
	a = kit_child("a", 2048, 0, 1, false, NULL);
	before = kit_env(a)->account->mappings;
	assert_int_equal(kit_frames(a, 2 * LARGE, &m.frame, NULL), 0);
	m.frame = (m.frame + LARGE - 1) & ~(LARGE - 1ull);
	assert_int_equal(map(&m), 1);
	assert_int_equal(kit_env(a)->account->mappings, before + 1);
	kit_put(a, 0x40000000 + 5 * 4096, &byte, 1);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_USES, m.frame + 5, 0, 0, 0), 1);
	m.address += 4096;
	assert_int_equal(map(&m), -EXO_EINVAL);
	m.address -= 4096;
	assert_int_equal(unmap(0x40000000 + 7 * 4096, 1), 1);
	assert_int_equal(kit_env(a)->account->mappings, before);
	/* Over small pages, and small ones over it. */
	assert_int_equal(kit_map(a, 0x40003000, m.frame + 1, 2, R, NULL), 1);
	assert_int_equal(map(&m), 1);
	assert_int_equal(kit_env(a)->account->mappings, before + 1);
	assert_int_equal(kit_map(a, 0x40003000, m.frame + 1, 1, R, NULL), 1);
	assert_int_equal(kit_env(a)->account->mappings, before + 1);
	assert_null(space_find(kit_env(a), 0x40000000));
}

/* Single offers in registers: the same checks, a line per case. */
static void single_pages(void **state)
{
	static const struct {
		uint64_t page, offset;
		int64_t result;
	} rows[] = {
	        {0x600000 | R, 0, 0},
	        {0x600000 | R | W, 3, 0},
	        {0x600000 | R | X, 0, 0},
	        {0x600000 | R | EXO_MAP_PAGE_GUARANTEED, 0, 0},
	        {0x600000 | R, 4, -EXO_EPERM},
	        {0x600000 | R, -1ull << 60, -EXO_EPERM},
	        {0x600000, 0, -EXO_EINVAL},
	        {0x600000 | W, 0, -EXO_EINVAL},
	        {0x600000 | R | W | X, 0, -EXO_EINVAL},
	        {0x600000 | R | 16, 0, -EXO_EINVAL},
	        {EXO_INFO_ADDR | R, 0, -EXO_EINVAL},
	        {UP | R, 0, -EXO_EINVAL},
	        {0xffff800000000000 | R, 0, -EXO_EINVAL},
	        {R, 0, -EXO_EINVAL},
	};
	uint64_t before = kit_env(a)->account->mappings;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t result =
		        kit_call(a, EXO_CALL_MAP_PAGE, rows[i].page, frame + rows[i].offset, 0, 0);

		if (result != rows[i].result)
			fail_msg("row %u: %ld, not %ld", i, (long)result, (long)rows[i].result);
		kit_verify();
	}
	assert_int_equal(kit_env(a)->account->mappings, before + 1);
	assert_int_equal(kit_call(a, EXO_CALL_UNMAP_PAGE, 0x600000, 0, 0, 0), 0);
	assert_int_equal(kit_call(a, EXO_CALL_UNMAP_PAGE, 0x600000, 0, 0, 0), 0);
	assert_int_equal(kit_call(a, EXO_CALL_UNMAP_PAGE, 0x600001, 0, 0, 0), -EXO_EINVAL);
	assert_int_equal(kit_call(a, EXO_CALL_UNMAP_PAGE, EXO_INFO_ADDR, 0, 0, 0), -EXO_EINVAL);
	assert_int_equal(kit_env(a)->account->mappings, before);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, kit_teardown)
	const struct CMUnitTest tests[] = {
	        TEST(table),
	        TEST(replacing_leaves_one_binding),
	        TEST(batches_stop_at_the_first_error),
	        TEST(the_page_budget_of_a_call),
	        TEST(unmapping),
	        TEST(unmapping_is_bounded),
	        TEST(another_space_needs_control),
	        TEST(information_is_read_only),
	        TEST(the_number_of_guaranteed_mappings_is_limited),
	        TEST(others_are_dropped_for_new_ones),
	        TEST(sharing_passes_on_what_the_caller_has),
	        TEST(single_pages),
	        TEST(large_pages),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
