/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the filter engine needs from where it runs.
 *
 * The engine is a pure library: the same sources run inside the kernel and in Linux programs. What
 * differs comes in through one structure of functions, handed over once by flt_init() before any
 * other call. The structure is copied. Host programs use flt_host_init() (flt/host.h).
 *
 * Contexts: alloc, free, code_*, and everything that loads programs or changes tables run in the
 * caller's control context, one writer per table or object at a time. clock_ns, prandom, cpu and
 * trace are called by running programs on any core and must not block.
 */
#ifndef FLT_PLATFORM_H
#define FLT_PLATFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	FLT_CPUS_MAX = 256, /* cores; per-core arrays have `cpus` slots */
};

struct flt_platform {
	/* Memory, at least 16-byte aligned, not cleared; NULL when there is none. */
	void *(*alloc)(size_t size);
	void (*free)(void *memory);
	/* Bytes that there are yet, roughly: programs are verified with half of them at most. NULL:
	 * many. */
	size_t (*memory_left)(void);

	/*
	 * Memory for machine code, page-aligned: first writable and not executable, then, once
	 * sealed, executable and not writable. All three NULL: no JIT, programs are interpreted.
	 * Sizes are those asked for. code_seal returns 0 or a negative value.
	 */
	void *(*code_alloc)(size_t size);
	int (*code_seal)(void *code, size_t size);
	void (*code_free)(void *code, size_t size);

	/*
	 * Calls release(memory) once every reader that may still hold the pointer has passed a
	 * quiescent state (RCU). May run it at once where there are no concurrent readers.
	 */
	void (*retire)(void *memory, void (*release)(void *memory));

	uint64_t (*clock_ns)(void); /* monotonic nanoseconds */
	uint32_t (*prandom)(void);  /* pseudo-random numbers, not for secrets */
	uint32_t (*cpu)(void);      /* the running core's number, below cpus */
	uint32_t cpus;              /* number of cores, at most FLT_CPUS_MAX */

	/* One line of text from a running program (trace_printk), without a newline; may be NULL.
	 */
	void (*trace)(const char *text, size_t length);

	/* A random secret that keys the hash tables against chosen collisions. */
	uint64_t hash_seed;
};

/* Takes a copy of the platform. Call it once, before anything else. Returns 0 or FLT_E_INVALID
 * where a function that must be there is missing. */
int flt_init(const struct flt_platform *platform);

#endif
