/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What programs count for: no less than what they may do.
 */
#include "common.h"

#include <string.h>

#include "helper.h"
#include "insns.h"
#include "verify.h"

enum { CASE_INSNS = 10 };

#define MAP(d, n) INSN(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP, 0, n), INSN(0, 0, 0, 0, 0)
#define VARIABLES(d, n)                                                                            \
	INSN(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_MAP_VALUE, 0, n), INSN(0, 0, 0, 0, 0)

static uint32_t cost_of(const struct flt_insn program[CASE_INSNS], struct flt_map *const *maps,
                        uint32_t n_maps)
{
	struct flt_insn copy[CASE_INSNS];
	struct flt_verified verified;
	struct flt_error error;
	uint32_t n = CASE_INSNS;
	memcpy(copy, program, sizeof(copy));
	while (!copy[n - 1].code)
		n--;
	struct flt_verify_input input = {.insns = copy,
	                                 .n_insns = n,
	                                 .kind = FLT_KIND_XDP,
	                                 .may_write = true,
	                                 .maps = maps,
	                                 .n_maps = n_maps};
	if (flt_verify(&input, &verified, &error))
		fail_msg("instruction %d: %s", error.instruction, error.reason);
	flt_free(verified.notes);
	return verified.cost;
}

/* Variables in an arena are longer than packets. */
static void helpers_count_for_the_bytes_that_they_move(void **state)
{
	enum { FRAMES = 32, BYTES = FRAMES * FLT_MAP_FRAME };
	static uint8_t memory[BYTES] __attribute__((aligned(16)));
	static const struct flt_insn programs[][CASE_INSNS] = {
	        {MAP(1, 0), MOV_K(2, 0), VARIABLES(3, 0), MOV_K(4, BYTES),
	         CALL(FLT_HELP_ARENA_WRITE), MOV_K(0, 0), EXIT},
	        {MAP(1, 0), MOV_K(2, 0), VARIABLES(3, 0), MOV_K(4, BYTES),
	         CALL(FLT_HELP_ARENA_READ), MOV_K(0, 0), EXIT},
	        {MOV_K(2, 0), VARIABLES(3, 0), MOV_K(4, BYTES), CALL(189), MOV_K(0, 0), EXIT},
	        {MAP(1, 1), VARIABLES(2, 0), MOV_K(3, BYTES), MOV_K(4, 0), CALL(130), MOV_K(0, 0),
	         EXIT},
	};
	const struct flt_map_spec specs[] = {
	        {.type = FLT_MAP_ARENA, .max_entries = FRAMES, .name = "arena"},
	        {.type = FLT_MAP_RINGBUF, .max_entries = 2 * BYTES, .name = "ring"}};
	struct flt_map *own[2];
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(flt_map_create(&specs[i], &own[i], NULL), 0);
	for (uint32_t i = 0; i < FRAMES; i++)
		assert_int_equal(flt_map_arena_give(own[0], i, memory + (size_t)i * FLT_MAP_FRAME),
		                 0);
	for (size_t i = 0; i < FLT_ARRAY_SIZE(programs); i++) {
		assert_in_range(cost_of(programs[i], own, 2), BYTES / 8, BYTES);
	}
	flt_map_destroy(own[0]);
	flt_map_destroy(own[1]);
}

/* A lookup of the longest prefix tries all of them. */
static void lookups_count_for_each_length(void **state)
{
	static const struct flt_insn program[CASE_INSNS] = {STORE_K(BPF_DW, 10, -8, 0),
	                                                    MOV_X(2, 10),
	                                                    ALU64_K(BPF_ADD, 2, -8),
	                                                    MAP(1, 0),
	                                                    CALL(1),
	                                                    MOV_K(0, 0),
	                                                    EXIT};
	const struct flt_map_spec spec = {.type = FLT_MAP_LPM_TRIE,
	                                  .key_size = 8,
	                                  .value_size = 8,
	                                  .max_entries = 64,
	                                  .name = "lpm"};
	struct flt_map *map;
	assert_int_equal(flt_map_create(&spec, &map, NULL), 0);
	assert_in_range(cost_of(program, &map, 1), 33 * 100, 33 * 150);
	flt_map_destroy(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(helpers_count_for_the_bytes_that_they_move),
	        cmocka_unit_test(lookups_count_for_each_length),
	};
	flt_host_init(true);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
