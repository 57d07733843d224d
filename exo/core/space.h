/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces: bindings of an environment's pages to frames. Each page that an environment maps
 * is a node that hangs on its frame and on the environment, so that the end of either finds it; the
 * machine's page tables and these nodes together are a software TLB in bounded memory: where the
 * bound is reached the oldest that are not guaranteed go, and come back as addressing upcalls. The
 * kernel's own read-only pages (information, account) have no node: they go with the space.
 *
 * Locks: a space's lock (struct env: its page tables, its list of mappings and its spare nodes)
 * comes behind the core lock, a frame's (its list of mappings) behind that. Calls for the caller's
 * own space with its own frames, or by keys, take no other. With the core lock nobody's environment
 * goes away, and no frame is taken from its owner. What a function wants held, it says.
 */
#ifndef CORE_SPACE_H
#define CORE_SPACE_H

#include <stdbool.h>

#include <exo/call.h>

#include "machine.h"

struct env;
struct frame;
struct call;

enum {
	SPACE_LARGE_PAGES = 512,
	SPACE_MAP_RIGHTS = EXO_RIGHT_READ | EXO_RIGHT_WRITE | EXO_RIGHT_EXEC,
	SPACE_CALL_PAGES_MAX = 4096,  /* pages of one EXO_CALL_MAP: bounds its time */
	SPACE_CALL_RANGES_MAX = 256,  /* ranges of one EXO_CALL_UNMAP, */
	SPACE_CALL_LOOKS_MAX = 65536, /* and pages looked at behind which it begins no more */
};

/* One page mapped to one frame, or 2 MiB to 512, of which this names and hangs on the first. */
struct mapping {
	struct mapping *next_of_frame, **link_of_frame;
	struct mapping *next_of_env, **link_of_env;
	struct env *env;
	struct frame *frame;
	uint64_t address;
	uint16_t rights, flags; /* as in struct exo_mapping */
};

/* Begins with no nodes. */
void space_init(void);
/* The address space of a new environment, with the information pages and its account in it. 0 or
 * -EXO_ENOMEM. */
int space_create(struct env *env);
/* Removes all mappings and the space itself. It runs on no core. */
void space_destroy(struct env *env);

/* Whether pages [address, address + pages * 4096) may be mapped by calls. */
bool space_usable(uint64_t address, uint64_t pages);
/* Whether an address may be run at, or used as a stack or a base: below EXO_USER_END. */
bool space_is_user(uint64_t address);

/* By what somebody may map a frame: while `owner` owns it, or, where that is 0, in `epoch`. */
struct space_authority {
	uint32_t owner, epoch;
};

/*
 * Maps one page, replacing what was there; all but the authority is checked already. 0, -EXO_EPERM
 * (the authority holds no more) or -EXO_ENOMEM. Space's lock.
 */
int space_map_page(struct env *env, uint64_t address, struct frame *frame,
                   const struct space_authority *by, unsigned rights, unsigned flags);
/* Removes what is mapped in a range, and flushes. Space's lock. */
void space_unmap(struct env *env, const struct exo_range *range);
/* Removes one mapping and makes it unusable on every core. Space's lock. */
void space_break(struct mapping *mapping);
/* What the calls mapped at a page (perhaps as part of a 2 MiB page), or NULL. Space's lock. */
struct mapping *space_find(struct env *env, uint64_t address);
struct frame *space_frame_of(const struct mapping *mapping, uint64_t address);
/* The frame that is mapped at a page with all of `rights`, or NULL. No lock. */
struct frame *space_frame_at(struct env *env, uint64_t address, unsigned rights);
/* Mappings of a frame, large ones that cover it included, in environments other than `except`. Core
 * lock. */
uint32_t space_frame_uses(struct frame *frame, const struct env *except);
/* Where an environment mapped it last: fills in address and rights. false: nowhere. */
bool space_frame_use(struct frame *frame, const struct env *env, struct exo_candidate *c);
/* Breaks all mappings of a frame but those of environment `except`. Core lock. */
void space_break_frame(struct frame *frame, uint32_t except);

/* Whether a frame is mapped nowhere, or in one place, by `env`, as a page of its own; and that
 * page, if there is one, shows another frame from now on, on every core. Space's lock of `env`,
 * core lock. */
bool space_may_move(const struct env *env, struct frame *frame);
void space_move(struct env *env, struct frame *from, struct frame *to);

/* One page of the caller's own space: machine.h's leaf calls, and where those decline. */
int64_t space_leaf_map(struct machine_pe *pe, uint64_t page, uint64_t number, uint64_t c);
int64_t space_leaf_unmap(struct machine_pe *pe, uint64_t address, uint64_t b, uint64_t c);
int64_t space_map_single(struct env *env, uint64_t page, struct frame *frame, uint32_t owner);
int64_t space_unmap_single(struct env *env, uint64_t address);
int64_t space_call_map_page(struct call *call);
int64_t space_call_unmap_page(struct call *call);

int64_t space_call_map(struct call *call);
int64_t space_call_unmap(struct call *call);

#endif
