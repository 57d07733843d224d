/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random xdp programs out of the pieces that real ones are made of, most of them nearly right.
 */
#ifndef TEST_GENERATE_H
#define TEST_GENERATE_H

#include <flt/map.h>
#include <flt/program.h>

enum { GENERATE_INSNS_MAX = 256, GENERATE_MAPS = 3 };

/* The maps that programs refer to by number: an array, a hash map, a longest-prefix map. */
extern const struct flt_map_spec generate_maps[GENERATE_MAPS];

/* Writes a program of at most GENERATE_INSNS_MAX instructions, from test_random(); its length. */
uint32_t generate_program(struct flt_insn *insns);

#endif
