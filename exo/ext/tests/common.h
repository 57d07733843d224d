/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of extensions share: the packet path's small world, objects that were built, and the
 * calls as an environment makes them.
 */
#ifndef EXT_TEST_COMMON_H
#define EXT_TEST_COMMON_H

#include <exo/ext.h>

#include "../../core/tests/world.h"

extern char test_reason[160]; /* of the last refusal */

/* The last letter that a module got, and how many there were. */
extern struct test_letter {
	unsigned n;
	bool in_section; /* the module's maker could not have ended meanwhile */
	uint32_t from;
	uint64_t args[4];
} test_letter;

/* The bytes of filters/programs/NAME.o, or of filters/tests/NAME.o (link-…); fails the test where
 * it was not built. */
const void *test_object(const char *name, uint32_t *size);

/* One operation of EXO_CALL_EXT. */
int64_t test_ext(uint32_t env, enum exo_ext_op op, void *block);

/* An extension of a shipped object. → its reference, or a negative error. */
int test_create(uint32_t env, const char *object);
int test_create_bytes(uint32_t env, const void *bytes, uint32_t size, uint64_t arena_first,
                      uint32_t arena_count);
/* A packet handler. → its id, or a negative error. */
int64_t test_handle(uint32_t env, int ref, const char *function, const struct exo_cap *binding,
                    const struct exo_cap *space, uint32_t budget);
/* A handler's line, or none (false). */
bool test_line(uint32_t env, uint64_t id, struct exo_ext_line *line);
int64_t test_map(uint32_t env, int ref, enum exo_ext_map_op op, const char *map, const void *key,
                 uint32_t key_size, void *value, uint32_t value_size);

/* Ends an environment as the kernel does, and holds it to have left nothing. */
void test_end(uint32_t env);

#endif
