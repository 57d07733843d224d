/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Helpers: the functions that programs may call by number (Linux's numbers).
 */
#ifndef FLT_HELPER_H
#define FLT_HELPER_H

#include "internal.h"

/* Numbers of our own helpers: far from Linux's. */
enum {
	FLT_HELP_ARENA_WRITE = 0x7801,
	FLT_HELP_ARENA_READ,
	FLT_HELP_ARENA_STORE,
	FLT_HELP_ARENA_LOAD,
	FLT_HELP_SUM,
	FLT_HELP_SWAP,
	FLT_HELP_ARENA_TAIL,
};

/* Called with r1 to r5; the result goes to r0. */
typedef uint64_t flt_helper_fn(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5);

/* What a helper wants in a register, as the verifier checks it. */
enum flt_arg {
	FLT_ARG_NONE,        /* not looked at */
	FLT_ARG_ANY,         /* any number */
	FLT_ARG_CONTEXT,     /* r1 of the program */
	FLT_ARG_MAP,         /* a map */
	FLT_ARG_KEY,         /* readable memory of the map's key size */
	FLT_ARG_VALUE,       /* readable memory of the map's value size */
	FLT_ARG_MEMORY,      /* readable memory, the next argument says how much */
	FLT_ARG_MEMORY_OR_0, /* the same, or the number 0 where the size is 0 */
	FLT_ARG_WRITABLE,    /* memory that is filled, the next argument says how much */
	FLT_ARG_SIZE,        /* 1 … */
	FLT_ARG_SIZE_OR_0,   /* 0 … */
};

enum flt_result {
	FLT_RESULT_NUMBER,
	FLT_RESULT_VALUE_OR_NULL, /* a value of the map in r1, or 0 */
};

/* Properties of a helper. */
enum {
	FLT_HELPER_XDP = 1 << 0,    /* needs the xdp context */
	FLT_HELPER_WRITES = 1 << 1, /* changes the packet: handlers only */
	FLT_HELPER_CHANGES_MAP = 1 << 3,
	FLT_HELPER_VARIADIC = 1 << 4, /* further arguments are numbers where they are used */
	FLT_HELPER_MOVES = 1 << 2,    /* moves the packet's ends: all packet pointers die */
};

struct flt_helper {
	uint32_t number;
	const char *name;
	flt_helper_fn *call;
	uint8_t args[5]; /* enum flt_arg */
	uint8_t result;  /* enum flt_result */
	uint8_t flags;
	uint64_t map_types; /* bits of 1 << enum flt_map_type it takes; 0: no map */
	uint16_t cost;      /* its instructions, all cores' quarrels apart */
	uint8_t size;       /* 1 + the argument that says how many bytes it moves; 0: a few */
};

/* helper_message.c: parts of a message to and from an arena, sums, swaps. */
flt_helper_fn flt_help_arena_write, flt_help_arena_read, flt_help_arena_store, flt_help_arena_load,
        flt_help_arena_tail, flt_help_sum, flt_help_swap;

/* What redirect() was last called with on the running core. */
struct flt_redirect {
	uint32_t ifindex;
	uint64_t flags;
};
const struct flt_redirect *flt_helper_redirect(void);

/* The helper of that number, or NULL. */
const struct flt_helper *flt_helper_find(uint32_t number);
/* The i-th helper of all, or NULL beyond the last. */
const struct flt_helper *flt_helper_at(uint32_t i);
/* It takes and gives only numbers, whatever they are: any program may call it. */
bool flt_helper_is_plain(const struct flt_helper *helper);

#endif
