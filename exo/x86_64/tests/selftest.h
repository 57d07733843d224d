/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An image that tests the bare machine from inside: core_main runs what `selftest=NAME` on the
 * command line names. A forbidden act must end in its panic, which selftest.py looks for; anything
 * else calls check() and leaves with code 0, or 1 where a check failed.
 */
#ifndef SELFTEST_H
#define SELFTEST_H

#include "../cpu.h"

struct selftest {
	const char *name;
	void (*run)(void);
};

/* Ended by a NULL name. */
extern const struct selftest acts[], rings[], many[];

/* Prints what failed, and remembers it. */
void check(bool good, const char *what);
/* As check, with both numbers. */
void check_equal(uint64_t got, uint64_t expected, const char *what);
/* A free frame, never given back. */
uint64_t take_frame(void);

#endif
