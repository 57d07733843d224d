/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ledger: who owns which unit of what, in which epoch, and what stands on it.
 *
 * Page frames have an entry each, in an array over the span of physical memory that environments
 * may own (plus the payload). An entry is in one of these states:
 *
 *     absent     a hole, or the firmware's
 *     free       in the free list and in the free map that everybody can read
 *     owned      an environment's: mapped by it and, with keys, by others; pinned while a device
 *                or a ring uses it
 *     kernel     the kernel's own: ledger, information pages, accounts
 *     draining   its owner has ended but a device still uses it; free once the last pin goes
 *     retired    its epochs are used up; never given out again
 *
 * An owner's frames, the free frames and the draining frames are linked in lists through their
 * entries, so that an environment's end costs what it owned. Each mapping of an owned frame is a
 * node that hangs on its frame and on its environment (space.h), so that both ends find it.
 *
 * Epochs: a frame's epoch rises whenever it is given to an owner and whenever its owner revokes;
 * frames that are allocated together share the new one. Keys name the epoch, and die with it.
 *
 * Locks: everything here is called with the core lock held, except pinning, which is lock-free, and
 * a frame's mappings, which have the frame's own lock. Who takes a frame from its owner, or ends
 * its epoch, writes that first and looks for mappings afterwards, under that lock; who maps looks
 * at it under the same lock (space.c): one of the two sees the other. A frame that leaves its owner
 * is nobody's first; then net_quiesce waits for polls under way; only then can it be given to
 * another. So whoever finds the owner right inside a poll may use the frame until that poll ends.
 */
#ifndef CORE_LEDGER_H
#define CORE_LEDGER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exo/call.h>

struct env;
struct mapping;
struct call;

enum frame_state {
	FRAME_ABSENT = 0,
	FRAME_FREE,
	FRAME_OWNED,
	FRAME_KERNEL,
	FRAME_DRAINING,
	FRAME_RETIRED,
	FRAME_LEAVING, /* owned, while its owner gives it back: can't be pinned any more */
};

struct frame {
	/* Read by anyone who pins; written under the core lock. */
	uint32_t owner; /* environment id; of a draining frame, the ended one's */
	uint32_t pins;  /* atomic */
	uint8_t state;  /* enum frame_state; atomic */
	uint8_t lock;   /* a bit lock, of last rank: over the mappings */
	uint16_t n_mappings;
	uint32_t epoch;      /* written under the core lock */
	uint32_t prev, next; /* neighbours in its list, as indices of the array: core lock */
	struct mapping *mappings;
};

/* Owner and epoch are read by who maps and who pins while the core lock's holder writes them. */
static inline uint32_t frame_read(const uint32_t *field)
{
	return __atomic_load_n(field, __ATOMIC_RELAXED);
}

static inline void frame_write(uint32_t *field, uint32_t value)
{
	__atomic_store_n(field, value, __ATOMIC_RELAXED);
}

_Static_assert(sizeof(struct frame) == 32, "an entry is half a cache line");

/* A list of frames: indices into the array; FRAME_NONE ends it. */
struct frame_list {
	uint32_t head;
	uint32_t reserved;
	uint64_t n;
};
#define FRAME_NONE UINT32_MAX

enum {
	FRAME_ALLOC_MAX = 4096,    /* frames of one allocation: bounds the time to zero them */
	FRAME_MAPPINGS_MAX = 4096, /* mappings of one frame: bounds the time to find one */
};

/* Builds the ledger over machine_memory and the payload. Panics where there is no memory for it. */
void ledger_init(void);

/* The entry of a frame, or NULL where the ledger knows none. */
struct frame *ledger_frame(uint64_t frame);
/* The number of an entry's frame. */
uint64_t ledger_frame_number(const struct frame *frame);
/* Whether it is the payload's, which is never free. */
bool ledger_frame_fixed(const struct frame *frame);

/* ---- Allocation ---- */

/*
 * Takes `count` contiguous free frames inside [from, from + span) for `owner`: at `*first`, or,
 * where that is EXO_FRAME_ANY, anywhere with the first one a multiple of `align` (a power of two).
 * Zeroes them, charges the owner's account. 0 and *first; -EXO_ENOMEM (none free, or the owner's
 * limit), -EXO_EBUSY (a named frame is not free), -EXO_ENOENT (it does not exist), -EXO_E2BIG.
 */
int ledger_frames_alloc(struct env *owner, uint64_t from, uint64_t span, uint64_t *first,
                        uint32_t count, uint64_t align);
/* Gives back frames that `owner` owns. All or nothing: -EXO_EPERM (not its own, or the payload),
 * -EXO_EBUSY (pinned, or mapped by another environment). Mappings of its own go with them. */
int ledger_frames_free(struct env *owner, uint64_t first, uint32_t count);
/* Takes a frame from its owner by force and puts it aside (its mappings are broken, and nobody pins
 * it any more); and, for all that were put aside: free, or draining while they are pinned. */
void ledger_frame_part(struct env *owner, struct frame *frame, struct frame_list *parted);
void ledger_frames_settle(struct frame_list *parted);
/* An environment's frames, the latest first; NULL ends them. */
struct frame *ledger_frames_of(const struct env *env);
struct frame *ledger_frame_after(const struct frame *frame);
/* Gives back all that `owner` owns, breaking every mapping; what is pinned drains. */
void ledger_frames_reclaim(struct env *owner);
/* Frees draining frames whose last pin is gone. Called now and then by every core's loop. */
void ledger_drain(void);
/* Whether any frame drains; needs no lock. */
bool ledger_draining(void);

/* Takes one zeroed frame (or contiguous frames) for the kernel itself. 0 or -EXO_ENOMEM. */
int ledger_kernel_frames(uint32_t count, uint64_t *first);
void ledger_kernel_free(uint64_t first, uint32_t count);

/* ---- Pins: lock-free; what the packet path does before a device or a copy touches a frame ---- */

/* Whether `env` (an id) owns a frame: holds until the end of the poll in which it was asked. */
bool ledger_frame_owned(uint32_t env, uint64_t frame);
/* Pins a frame that `env` (an id) owns, so that it can't change hands. 0 or -EXO_EPERM. */
int ledger_frame_pin(uint32_t env, uint64_t frame);
/* Drops a pin. Any core, also after the owner's end. */
void ledger_frame_unpin(uint64_t frame);
/* Likewise for a range: all or nothing. */
int ledger_frames_pin(uint32_t env, uint64_t first, uint64_t count);
void ledger_frames_unpin(uint64_t first, uint64_t count);

/*
 * Swaps frames inside a poll: `out`, which `env` owns and nobody pins, for `in`, which is the
 * kernel's. Where env maps `out` it maps `in` from then on, with the same rights; no core has a
 * translation to `out` any more. All or, where one can't be or a lock is taken, none: false.
 */
struct frame_swap {
	uint64_t out, in;
};
bool ledger_frames_swap(struct env *env, const struct frame_swap *swaps, unsigned n);

/* Makes the payload's frames init's: readable, grantable, never free. */
void ledger_payload_give(struct env *init);
/* Frames that environments can own, and how many are free now. */
uint64_t ledger_total(uint64_t *free);
/* The free map that everybody may read: its frames, and what its bits stand for. */
void ledger_free_map(uint64_t *map_frame, uint64_t *map_frames, uint64_t *first, uint64_t *end);

/* ---- Epochs of all kinds ---- */

/* Kinds whose units the packet path keeps. */
static inline bool ledger_by_net(uint32_t kind)
{
	return kind == EXO_KIND_FLOW || kind == EXO_KIND_BINDING || kind == EXO_KIND_RING;
}

/* Who owns a unit of any kind; 0: nobody. Of the packet path's kinds: core lock not held. */
uint32_t ledger_owner(enum exo_kind kind, uint64_t unit);
/* The common epoch of units [first, first + count), as keys without ALLOC name it. 0; -EXO_ENOENT
 * where a unit does not exist (a frame: is nobody's), -EXO_ESTALE where their epochs differ. */
int ledger_epoch(enum exo_kind kind, uint64_t first, uint32_t count, uint32_t *epoch);
/* The epoch of authorities over a kind. */
uint32_t ledger_authority_epoch(enum exo_kind kind);
/* The units of a kind that exist on this machine, for the first authorities. */
void ledger_units(enum exo_kind kind, uint64_t *first, uint64_t *count);
/* Begins a new epoch for the units of `cap` (already checked): keys are dead, and what was bound
 * with them is broken. 0 or as ledger_epoch. */
int ledger_epoch_end(const struct exo_cap *cap);

/* ---- Listing ---- */

enum { LEDGER_LIST_MAX = 256 }; /* entries of one call */
int64_t ledger_call_list(struct call *call);

#endif
