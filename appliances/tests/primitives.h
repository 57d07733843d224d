/* SPDX-License-Identifier: BSD-2-Clause */
/* What ci/bench primitives counts, in an environment and in a Linux guest alike. */
#ifndef TESTS_PRIMITIVES_H
#define TESTS_PRIMITIVES_H

/* A mark that ci/plugin sees; nothing to the CPU. `id`: a constant below 65,536. */
#define MARK(id)                                                                                   \
	__asm__ volatile(".byte 0x0f, 0x1f, 0x80; .long 0x5ace0000 + %c0" : : "i"(id) : "memory")

/* The operations, by number; the begin of one is marked with 2 * number, its end with the next. */
enum primitive {
	PRIMITIVE_NOTHING, /* what the marks themselves cost */
	PRIMITIVE_NULL,
	PRIMITIVE_EXCEPTION,
	PRIMITIVE_FAULT,    /* a page fault that user code resolves by a page */
	PRIMITIVE_PROTECT,  /* a page fault that user code resolves by a right */
	PRIMITIVE_TRANSFER, /* to another address space and back */
	PRIMITIVE_FUTEX,    /* Linux alone: likewise by futex */
	PRIMITIVE_MAP,      /* map, touch, unmap */
	PRIMITIVE_THREAD,   /* create and join */
	PRIMITIVE_ENV,      /* create, run to its end, reap; Sluice: the least that is one */
	PRIMITIVE_PROGRAM,  /* Sluice alone: likewise, with libexo in it */
};

enum { PRIMITIVE_ROUNDS = 32 };

/* One round of measuring `statement`. */
#define MEASURE(number, statement)                                                                 \
	do {                                                                                       \
		MARK(2 * (number));                                                                \
		statement;                                                                         \
		MARK(2 * (number) + 1);                                                            \
	} while (0)

#endif
