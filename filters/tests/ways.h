/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random programs of what verifiers get wrong: ways that part and meet with something else in
 * registers and stack, numbers that become offsets, forms that the JIT makes one of.
 */
#ifndef TEST_WAYS_H
#define TEST_WAYS_H

#include <flt/map.h>
#include <flt/program.h>

enum {
	WAYS_INSNS_MAX = 320,
	WAYS_PACKET = 64,           /* bytes of the packet that they ask for */
	WAYS_ARENA = FLT_MAP_FRAME, /* of map 0's variables */
	WAYS_VALUE = 64,            /* of map 1's, an array's */
	WAYS_EXITS_MAX = 64,
	WAYS_CALLS_MAX = 4,
};

/* An xdp program. r6 and r0 to r5: numbers, r7: the arena, r8: the array's value, r9: the packet.
 */
struct ways_program {
	struct flt_insn insns[WAYS_INSNS_MAX];
	uint32_t n;
	uint32_t exits[WAYS_EXITS_MAX], n_exits; /* jumps to the end */
	uint32_t calls[WAYS_CALLS_MAX], n_calls; /* of the local function */
};

/* Makes one from test_random(). */
void ways_generate(struct ways_program *p);

#endif
