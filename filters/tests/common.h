/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the filter tests share: captures, expressions, a small random generator.
 */
#ifndef TEST_COMMON_H
#define TEST_COMMON_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <flt/expression.h>
#include <flt/flowset.h>
#include <flt/host.h>
#include <flt/program.h>

/* All frames of all captures at hand (SLUICE_TRACES, or ../shared/pcaps beside the tree), those
 * with an Ethernet header. n is 0 where there are none: the test then says so and skips. */
struct test_frames {
	struct flt_frame *frames;
	uint32_t n;
};
const struct test_frames *test_captures(void);

/* Varied expressions in libpcap's language; NULL behind the last. */
extern const char *const test_expressions[];

/* libpcap's own verdict on a frame. */
uint32_t test_libpcap(const struct flt_expression *expression, const struct flt_frame *frame);

/* Deterministic random numbers. */
uint32_t test_random(void);
void test_random_seed(uint64_t seed);

#endif
