/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How unit tests in the world (world.h) begin and end. Apart from it, for fuzzers and benchmarks
 * live in the world too, and know no cmocka.
 */
#ifndef WORLD_TEST_H
#define WORLD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "world.h"

/* The set-up of a group. */
static inline int world_group(void **state)
{
	world_start();
	return 0;
}

/* Takes away what has left by a port. */
static inline void world_drain(unsigned port)
{
	static uint8_t bytes[65536];

	while (world_sent(port, bytes, sizeof(bytes)))
		;
}

/* Ends the environments from `first` to `last`: all that they had comes back. */
static inline void world_leave(uint32_t first, uint32_t last)
{
	for (uint32_t id = first; id <= last; id++) {
		net_env_end(world_env(id));
		world_frames_free(id);
		assert_int_equal(world_env(id)->account->rings, 0);
		assert_int_equal(world_env(id)->account->bindings, 0);
		assert_int_equal(world_env(id)->account->flows, 0);
		world_env_reset(id);
	}
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
}

#endif
