/* SPDX-License-Identifier: BSD-2-Clause */
/* Keys: forged, stolen, widened, stale; and what their end breaks. */
#include "kit.h"

#include <string.h>

#include <exo/siphash.h>

#include "../cap.h"

static int setup(void **state)
{
	kit_start(256, 2);
	return 0;
}

/* The vector of the paper's appendix A. */
static void siphash_vector(void **state)
{
	const uint64_t key[2] = {0x0706050403020100ull, 0x0f0e0d0c0b0a0908ull};
	uint8_t text[15];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)i;
	assert_int_equal(exo_siphash(key, text, sizeof(text)), 0xa129ca6149be45e5ull);
}

static int64_t say(uint32_t id, const struct exo_cap *cap)
{
	kit_put(id, KIT_DATA_PAGE(1), cap, sizeof(*cap));
	kit_put(id, KIT_DATA_PAGE(2), "x\n", 2);
	return kit_call(id, EXO_CALL_CONSOLE_WRITE, KIT_DATA_PAGE(1), KIT_DATA_PAGE(2), 2, 0);
}

static void every_changed_bit_is_a_forgery(void **state)
{
	struct exo_cap cap = kit_cap(EXO_USE_CONSOLE);

	assert_int_equal(say(ENV_INIT, &cap), 2);
	for (unsigned bit = 0; bit < sizeof(cap) * 8; bit++) {
		struct exo_cap forged = cap;

		((uint8_t *)&forged)[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_int_equal(say(ENV_INIT, &forged), -EXO_EKEY);
	}
}

static void stolen(void **state)
{
	struct exo_cap cap = kit_cap(EXO_USE_CONSOLE), granted;
	uint32_t thief = kit_child("thief", 0, 0, 1, false, NULL);

	assert_int_equal(say(thief, &cap), -EXO_EPERM);
	assert_int_equal(kit_grant(ENV_INIT, &cap, thief, EXO_RIGHT_WRITE, 0, 1, &granted), 0);
	assert_int_equal(say(thief, &granted), 2);
	assert_int_equal(say(ENV_INIT, &granted), -EXO_EPERM);
}

static void widened(void **state)
{
	struct exo_cap cap, narrow, out;
	uint32_t a = kit_child("a", 16, 0, 1, false, NULL);
	uint32_t b = kit_child("b", 16, 0, 1, false, NULL);
	uint64_t first;

	assert_int_equal(kit_frames(a, 4, &first, &cap), 0);
	assert_int_equal(
	        kit_grant(a, &cap, b, EXO_RIGHT_READ | EXO_RIGHT_GRANT, first + 1, 2, &narrow), 0);
	/* Boundaries on both sides of the range, then the rights. */
	assert_int_equal(kit_grant(b, &narrow, a, EXO_RIGHT_READ, first + 1, 2, &out), 0);
	assert_int_equal(kit_grant(b, &narrow, a, EXO_RIGHT_READ, first, 2, &out), -EXO_EPERM);
	assert_int_equal(kit_grant(b, &narrow, a, EXO_RIGHT_READ, first + 1, 3, &out), -EXO_EPERM);
	assert_int_equal(kit_grant(b, &narrow, a, EXO_RIGHT_READ, first + 3, 1, &out), -EXO_EPERM);
	assert_int_equal(kit_grant(b, &narrow, a, EXO_RIGHT_READ, UINT64_MAX, 1, &out), -EXO_EPERM);
	assert_int_equal(kit_grant(b, &narrow, a, EXO_RIGHT_READ, first + 1, 0, &out), -EXO_EINVAL);
	assert_int_equal(kit_grant(b, &narrow, a, EXO_RIGHT_WRITE, first + 1, 1, &out), -EXO_EPERM);
	assert_int_equal(kit_grant(b, &narrow, 999, EXO_RIGHT_READ, first + 1, 1, &out),
	                 -EXO_ENOENT);
	/* out has no GRANT itself. */
	assert_int_equal(kit_grant(b, &narrow, b, EXO_RIGHT_READ, first + 1, 1, &out), 0);
	assert_int_equal(kit_grant(b, &out, a, EXO_RIGHT_READ, first + 1, 1, &cap), -EXO_EPERM);
}

static void grantee_maps_with_the_key_only(void **state)
{
	struct exo_cap cap, reader;
	uint32_t a = kit_child("a", 16, 0, 1, false, NULL);
	uint32_t b = kit_child("b", 16, 0, 1, false, NULL);
	uint64_t first;

	kit_frames(a, 2, &first, &cap);
	assert_int_equal(kit_grant(a, &cap, b, EXO_RIGHT_READ, first, 2, &reader), 0);
	assert_int_equal(kit_map(b, 0x600000, first, 2, EXO_RIGHT_READ, NULL), -EXO_EPERM);
	assert_int_equal(kit_map(b, 0x600000, first, 2, EXO_RIGHT_READ | EXO_RIGHT_WRITE, &reader),
	                 -EXO_EPERM);
	assert_int_equal(kit_map(b, 0x600000, first, 3, EXO_RIGHT_READ, &reader), -EXO_EPERM);
	assert_int_equal(kit_map(b, 0x600000, first, 2, EXO_RIGHT_READ, &reader), 1);
}

static void authority_is_no_key_to_content(void **state)
{
	struct exo_cap cap;
	uint32_t a = kit_child("a", 16, 0, 1, false, NULL);
	uint64_t first;

	kit_frames(a, 1, &first, NULL);
	/* Nobody is given one that may read; it would not help. */
	assert_int_equal(
	        cap_make(&cap, EXO_KIND_FRAME, EXO_RIGHT_ALLOC | EXO_RIGHT_READ, a, first, 1), 0);
	assert_int_equal(kit_map(a, 0x600000, first, 1, EXO_RIGHT_READ, &cap), -EXO_EPERM);
}

static void revocation_breaks_what_was_granted(void **state)
{
	struct exo_cap cap, old, reader;
	uint32_t a = kit_child("a", 16, 0, 1, false, NULL);
	uint32_t b = kit_child("b", 16, 0, 1, false, NULL);
	uint64_t first;
	char byte;

	kit_frames(a, 1, &first, &cap);
	old = cap;
	kit_map(a, 0x600000, first, 1, EXO_RIGHT_READ, NULL);
	kit_grant(a, &cap, b, EXO_RIGHT_READ, first, 1, &reader);
	assert_int_equal(kit_map(b, 0x600000, first, 1, EXO_RIGHT_READ, &reader), 1);
	assert_int_equal(kit_call_block(a, EXO_CALL_REVOKE, &cap, sizeof(cap)), 0);
	assert_int_equal(host_load(kit_env(b)->space, &byte, 0x600000, 1), -EXO_EFAULT);
	assert_int_equal(host_load(kit_env(a)->space, &byte, 0x600000, 1), 0);
	assert_int_equal(kit_map(b, 0x600000, first, 1, EXO_RIGHT_READ, &reader), -EXO_ESTALE);
	assert_int_equal(kit_map(a, 0x601000, first, 1, EXO_RIGHT_READ, &old), -EXO_ESTALE);
	assert_int_equal(kit_map(a, 0x601000, first, 1, EXO_RIGHT_READ, &cap), 1);
}

static void freed_frames_leave_stale_keys(void **state)
{
	struct exo_cap cap, other;
	uint32_t a = kit_child("a", 16, 0, 1, false, NULL);
	uint32_t b = kit_child("b", 16, 0, 1, false, NULL);
	uint64_t first, again;

	kit_frames(a, 1, &first, &cap);
	assert_int_equal(kit_call_block(a, EXO_CALL_FRAME_FREE, &cap, sizeof(cap)), 0);
	assert_int_equal(kit_call_block(a, EXO_CALL_FRAME_FREE, &cap, sizeof(cap)), -EXO_ESTALE);
	kit_frames(b, 1, &again, &other);
	assert_int_equal(again, first);
	assert_int_equal(kit_map(a, 0x600000, first, 1, EXO_RIGHT_READ, &cap), -EXO_ESTALE);
	/* Of several frames, those that are still there can be mapped. */
	kit_frames(a, 2, &first, &cap);
	assert_int_equal(kit_call(a, EXO_CALL_FRAME_FREE, 0, first, 1, 0), 0);
	assert_int_equal(kit_map(a, 0x600000, first, 2, EXO_RIGHT_READ, &cap), -EXO_ESTALE);
	assert_int_equal(kit_map(a, 0x600000, first, 1, EXO_RIGHT_READ, &cap), -EXO_ESTALE);
	assert_int_equal(kit_map(a, 0x600000, first + 1, 1, EXO_RIGHT_READ, &cap), 1);
	assert_int_equal(kit_map(a, 0x600000, first + 1, 2, EXO_RIGHT_READ, &cap), -EXO_EPERM);
}

static void an_authority_is_revoked_as_a_whole(void **state)
{
	struct exo_cap root = kit_cap(EXO_USE_CONSOLE), frames = kit_cap(EXO_USE_FRAMES), part;
	uint32_t a = kit_child("a", 16, 0, 1, false, NULL);
	struct exo_frame_alloc alloc = {.count = 1, .first = EXO_FRAME_ANY};

	assert_int_equal(kit_grant(ENV_INIT, &frames, a, EXO_RIGHT_ALLOC | EXO_RIGHT_FREE,
	                           frames.first, 8, &part),
	                 0);
	alloc.authority = part;
	assert_int_equal(kit_call_block(a, EXO_CALL_REVOKE, &part, sizeof(part)), -EXO_EPERM);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REVOKE, &frames, sizeof(frames)), 0);
	assert_int_equal(kit_call_block(a, EXO_CALL_FRAME_ALLOC, &alloc, sizeof(alloc)),
	                 -EXO_ESTALE);
	alloc.authority = frames;
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_FRAME_ALLOC, &alloc, sizeof(alloc)), 0);
	assert_int_equal(kit_call_block(ENV_INIT, EXO_CALL_REVOKE, &root, sizeof(root)), 0);
	assert_int_equal(say(ENV_INIT, &root), 2);
}

static void wild_pointers(void **state)
{
	const uint64_t wild[] = {0,
	                         1,
	                         EXO_USER_END,
	                         0x800000000000,
	                         0xffff800000000000,
	                         UINT64_MAX,
	                         EXO_KERNEL_AREA_BASE - 8,
	                         KIT_DATA_PAGE(KIT_PAGES) - 8};

	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		assert_int_equal(kit_call(ENV_INIT, EXO_CALL_GRANT, wild[i], 0, 0, 0), -EXO_EFAULT);
		assert_int_equal(kit_call(ENV_INIT, EXO_CALL_REVOKE, wild[i], 0, 0, 0),
		                 -EXO_EFAULT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(siphash_vector),
	        cmocka_unit_test_setup_teardown(every_changed_bit_is_a_forgery, setup,
	                                        kit_teardown),
	        cmocka_unit_test_setup_teardown(stolen, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(widened, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(grantee_maps_with_the_key_only, setup,
	                                        kit_teardown),
	        cmocka_unit_test_setup_teardown(authority_is_no_key_to_content, setup,
	                                        kit_teardown),
	        cmocka_unit_test_setup_teardown(revocation_breaks_what_was_granted, setup,
	                                        kit_teardown),
	        cmocka_unit_test_setup_teardown(freed_frames_leave_stale_keys, setup, kit_teardown),
	        cmocka_unit_test_setup_teardown(an_authority_is_revoked_as_a_whole, setup,
	                                        kit_teardown),
	        cmocka_unit_test_setup_teardown(wild_pointers, setup, kit_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
