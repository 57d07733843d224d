/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine with init on it, for tests of the core: the test plays the environments, by calls
 * (kit_call) or by programs that the loop runs (kit_program). Each environment has KIT_PAGES
 * writable pages at KIT_DATA, of which the first holds its PE page and the second is where blocks
 * for calls go by default.
 */
#ifndef CORE_TESTS_KIT_H
#define CORE_TESTS_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <exo/call.h>
#include <exo/layout.h>
#include <exo/start.h>
#include <host/host.h>

#include "../env.h"
#include "net_none.h"
#include "verify.h"

enum {
	KIT_PAGES = 8,
	KIT_CODE = 0x400000,
	KIT_DATA = 0x500000,
	KIT_RESUME = KIT_CODE + 0x100, /* [begin, end) of the resume range */
	KIT_RESUME_END = KIT_CODE + 0x120,
	KIT_ENTRY = KIT_CODE + 0x200, /* + 16 * enum exo_upcall_kind */
	KIT_STACK = KIT_DATA + 3 * 4096,
	KIT_SECTORS = 64,
	KIT_WIDTH = 40,
	KIT_HEIGHT = 30,
};

/* Starts a machine of `frames` and `cores` with init, which does not run by itself. */
void kit_start(uint64_t frames, unsigned cores);
void kit_stop(void);

/* A key of init's start page. */
struct exo_cap kit_cap(enum exo_start_use use);

/* A child of init with its pages, `frames_max` frames more, a PE on `core` (all entries set where
 * `upcalls`), `slots` of the core's vector, started. Its id; *cap (may be NULL): the key to it. */
uint32_t kit_child(const char *name, uint64_t frames_max, unsigned core, unsigned slots,
                   bool upcalls, struct exo_cap *cap);

/* Makes a call as an environment, on its first PE. */
int64_t kit_call(uint32_t id, uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
/* Likewise, with a block that is copied to the environment's second page and back. */
int64_t kit_call_block(uint32_t id, uint64_t number, void *block, size_t size);
/* Copies to and from an environment's memory. */
void kit_put(uint32_t id, uint64_t address, const void *from, size_t size);
void kit_get(uint32_t id, void *to, uint64_t address, size_t size);

/* Allocates for `id` with init's authority (granted once) or as init. */
int64_t kit_frames(uint32_t id, uint32_t count, uint64_t *first, struct exo_cap *cap);
/* Maps `count` frames from `frame` into `id`'s own space, with its key at `cap` (NULL: none). */
int64_t kit_map(uint32_t id, uint64_t address, uint64_t frame, uint32_t count, unsigned rights,
                const struct exo_cap *cap);
/* Gives `to` a narrower key of `from`'s. */
int64_t kit_grant(uint32_t from, const struct exo_cap *cap, uint32_t to, unsigned rights,
                  uint64_t first, uint32_t count, struct exo_cap *out);

/* Who plays ring 3 in slots_turn. */
void kit_program(host_program *program);

struct env *kit_env(uint32_t id);
struct pe *kit_pe(uint32_t id);

/* So many turns of the loop. */
void kit_turns(int n);

/* Fails where the ledger is inconsistent. */
void kit_verify(void);
/* For cmocka: verifies, and stops. */
int kit_teardown(void **state);

#define KIT_DATA_PAGE(n) (KIT_DATA + (uint64_t)(n)*4096)

#endif
