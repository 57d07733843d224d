/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's services for extensions, after SPIN's core services (Bershad et al., SOSP 1995,
 * section 4). A core domain (EXO_EXT_CORE) exports them: extensions import them by name and are
 * linked by EXO_EXT_RESOLVE (filters/programs/service.h declares them for bytecode); environments
 * call them by EXO_EXT_INVOKE with the domain's reference. All take numbers and give one: 0 or
 * more, or -enum exo_error.
 *
 * They act for the domain's maker: what they allocate is the maker's in the ledger and counts
 * against its limits, and they reach no further than its own calls would. What was allocated on
 * behalf of an extension comes back when that extension ends.
 *
 *     exo_phys_allocate(count, align)       first of `count` frames, at most
 *                                           EXO_SERVICE_FRAMES_MAX, the first a multiple of
 *                                           `align`; zeroed
 *     exo_phys_deallocate(first, count)     frames that this extension allocated in one piece, or
 *                                           part of it
 *     exo_phys_nominate(frame)              in handlers of EXO_EXT_RECLAIM: take that one instead
 *
 *     exo_virt_allocate(context, pages, wanted)  address of a range of virtual addresses: a name,
 *                                           nothing is mapped. At `wanted`, or where that is 0
 *                                           wherever none of the context's ranges is
 *     exo_virt_deallocate(context, address) gives a range up; what is mapped there stays
 *
 *     exo_context_create(frames_max)        a new address space: an environment that does not run
 *                                           yet (EXO_EXT_CONTEXT gives the key to it)
 *     exo_context_destroy(context)          of one that never ran (-EXO_EBUSY)
 *     exo_mapping_add(context, address, frame, count, rights)  at most EXO_SERVICE_PAGES_MAX pages,
 *                                           with EXO_RIGHT_READ, WRITE, EXEC; frames of the maker's
 *                                           or the context's
 *     exo_mapping_remove(context, address, count)
 *     exo_mapping_examine(context, address) frame << 12 | rights; -EXO_ENOENT: nothing
 *
 *     exo_strand_block(env, core)           the PE has no time from the end of its slot on …
 *     exo_strand_unblock(env, core)         … until this
 *     exo_strand_checkpoint(env, core)      asks the PE to save its state and to leave the
 *                                           processor: EXO_EVENT_SLOT_END
 *     exo_strand_resume(env)                the PE on this core gets what is left of the slot: in
 *                                           a handler of EXO_EXT_SLOT_BEGIN at once, else when the
 *                                           slot is left. -EXO_EAGAIN: it can't run
 *
 * A context, and a strand's environment, is 0 or the id of the maker, or a child of the maker's.
 *
 * Services work where no lock is held: in invocations, and in handlers of faults, exceptions, begin
 * and end of slots, and EXO_EXT_KEEP. Elsewhere (packets, timers, the rest) all but
 * exo_phys_nominate give -EXO_EAGAIN.
 */
#ifndef EXO_SERVICE_H
#define EXO_SERVICE_H

enum {
	EXO_SERVICE_FRAMES_MAX = 4,  /* of one allocation */
	EXO_SERVICE_PAGES_MAX = 16,  /* of one mapping */
	EXO_SERVICE_RUNS_MAX = 1024, /* allocations that an extension keeps at a time */
	EXO_SERVICE_CONTEXTS_MAX = 16,
	EXO_SERVICE_RANGES_MAX = 64, /* of virtual addresses, of one context */
	EXO_SERVICE_RANGE_PAGES_MAX = 1 << 20,
};

/* Where ranges lie that were wanted nowhere. */
#define EXO_SERVICE_VIRT_FIRST 0x0000600000000000ull
#define EXO_SERVICE_VIRT_END   0x0000700000000000ull

#endif
