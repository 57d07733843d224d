/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the verifier says of random programs (ways.h), held against what they do: one that it takes
 * touches nothing but its packet, its stack and its maps' values whatever these contain, costs no
 * more than it says, and does the same as machine code.
 *
 * test_filters_sound [SEED [COUNT]] looks for longer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common.h"
#include "interp.h"
#include "verify.h"
#include "ways.h"

enum { RUNS = 6 };

/* What a program can reach, and what must stay as it is around it. */
static struct {
	uint8_t packet[WAYS_PACKET];
	uint8_t arena[WAYS_ARENA] __attribute__((aligned(16)));
} memory;
static struct flt_map *maps[2];
static uint32_t n_tried, n_taken, n_native;
static size_t left; /* memory for the verifier, twice */

static uint32_t below(uint32_t n)
{
	return test_random() % n;
}

static uint8_t pick_byte(uint32_t kind)
{
	return (uint8_t)(kind == 0 ? test_random() : kind == 1 ? below(4) : kind == 2 ? 0 : 0xff);
}

/* The same for the same seed. */
static void fill(uint64_t seed, struct flt_xdp_buff *buff)
{
	uint8_t *value = flt_map_array_base(maps[1]);
	test_random_seed(seed);
	for (uint32_t i = 0; i < WAYS_PACKET; i++)
		memory.packet[i] = pick_byte(below(4));
	for (uint32_t i = 0; i < WAYS_VALUE; i++)
		value[i] = pick_byte(below(4));
	for (uint32_t i = 0; i < WAYS_ARENA; i++)
		memory.arena[i] = pick_byte(i / 8 % 4);
	*buff = (struct flt_xdp_buff){.data = memory.packet,
	                              .data_end = memory.packet + WAYS_PACKET,
	                              .hard_start = memory.packet,
	                              .hard_end = memory.packet + WAYS_PACKET};
}

struct outcome {
	uint64_t result;
	uint8_t packet[WAYS_PACKET], arena[WAYS_ARENA], value[WAYS_VALUE];
};

static void keep(struct outcome *o, uint64_t result)
{
	o->result = result;
	memcpy(o->packet, memory.packet, WAYS_PACKET);
	memcpy(o->arena, memory.arena, WAYS_ARENA);
	memcpy(o->value, flt_map_array_base(maps[1]), WAYS_VALUE);
}

static void print_program(const struct ways_program *p)
{
	for (uint32_t i = 0; i < p->n; i++)
		printf("  %3u: %02x r%u r%u %d %d\n", i, (uint32_t)p->insns[i].code,
		       insn_dst(&p->insns[i]), insn_src(&p->insns[i]), p->insns[i].offset,
		       p->insns[i].imm);
	fflush(stdout);
}

/* As the interpreter means it, and nowhere else. */
static enum flt_fault interpret(const struct flt_insn *insns, uint32_t n, uint32_t cost,
                                uint64_t seed, struct outcome *o)
{
	struct flt_xdp_buff buff;
	const struct flt_region regions[] = {
	        {(uint64_t)(uintptr_t)memory.packet, WAYS_PACKET, true},
	        {(uint64_t)(uintptr_t)memory.arena, WAYS_ARENA, true},
	        {(uint64_t)(uintptr_t)flt_map_array_base(maps[1]), WAYS_VALUE, true},
	        {(uint64_t)(uintptr_t)&buff, sizeof(buff), false},
	};
	struct flt_interp interp = {.insns = insns,
	                            .n_insns = n,
	                            .checked = true,
	                            .regions = regions,
	                            .n_regions = 4,
	                            .budget = cost};
	fill(seed, &buff);
	keep(o, flt_interp_run(&interp, (uint64_t)(uintptr_t)&buff, 0));
	return interp.fault;
}

static void run_native(flt_native *code, uint64_t seed, struct outcome *o)
{
	struct flt_xdp_buff buff;
	fill(seed, &buff);
	keep(o, code(&buff, 0));
}

static void complain(const char *what, uint64_t seed, const struct ways_program *p)
{
	print_program(p);
	fail_msg("seed %lu: %s", (unsigned long)seed, what);
}

static void run(const struct ways_program *p, const struct flt_insn *insns, flt_native *code,
                uint32_t cost, uint64_t seed)
{
	static struct outcome meant, done;
	for (uint64_t i = 0; i < RUNS; i++) {
		if (interpret(insns, p->n, cost, RUNS * seed + i, &meant))
			complain("a program that was taken does what it must not", seed, p);
		if (!code)
			continue;
		run_native(code, RUNS * seed + i, &done);
		if (memcmp(&meant, &done, sizeof(done)) != 0)
			complain("machine code differs", seed, p);
	}
}

static size_t memory_left(void)
{
	return left;
}

static void try(uint64_t seed)
{
	static struct ways_program p;
	struct flt_insn insns[WAYS_INSNS_MAX];
	struct flt_verified verified;
	struct flt_error error;
	void *code = NULL;
	size_t size;
	test_random_seed(seed);
	ways_generate(&p);
	left = below(4) ? SIZE_MAX : 2ul * (8192 + below(1 << 16));
	memcpy(insns, p.insns, p.n * sizeof(*insns));
	struct flt_verify_input input = {.insns = insns,
	                                 .n_insns = p.n,
	                                 .kind = FLT_KIND_XDP,
	                                 .may_write = true,
	                                 .maps = maps,
	                                 .n_maps = 2};
	n_tried++;
	if (flt_verify(&input, &verified, &error))
		return;
	struct flt_jit_input jit = {
	        .insns = insns, .n_insns = p.n, .kind = FLT_KIND_XDP, .notes = verified.notes};
	n_taken++;
	if (!flt_jit_compile(&jit, &code, &size))
		n_native++;
	run(&p, insns, (flt_native *)code, verified.cost, seed);
	if (code)
		flt_platform.code_free(code, size);
	flt_free(verified.notes);
}

static uint64_t first_seed = 1, n_seeds = 20000;

static void programs_keep_what_was_proven(void **state)
{
	for (uint64_t i = 0; i < n_seeds; i++)
		try(first_seed + i);
	print_message("%u programs, %u taken\n", n_tried, n_taken);
	assert_true(n_taken > n_tried / 20);
	assert_int_equal(n_native, n_taken);
}

static void make_maps(void)
{
	const struct flt_map_spec arena = {
	        .type = FLT_MAP_ARENA, .max_entries = 1, .name = "arena"};
	const struct flt_map_spec array = {.type = FLT_MAP_ARRAY,
	                                   .key_size = 4,
	                                   .value_size = WAYS_VALUE,
	                                   .max_entries = 1,
	                                   .name = "array"};
	if (flt_map_create(&arena, &maps[0], NULL) || flt_map_create(&array, &maps[1], NULL) ||
	    flt_map_arena_give(maps[0], 0, memory.arena))
		abort();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(programs_keep_what_was_proven)};
	struct flt_platform platform;
	if (argc > 1)
		first_seed = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		n_seeds = strtoull(argv[2], NULL, 0);
	flt_host_platform(&platform, true);
	platform.memory_left = memory_left;
	if (flt_init(&platform))
		return 1;
	make_maps();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
