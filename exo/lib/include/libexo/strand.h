/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strands and schedulers, after SPIN (Bershad et al., SOSP 1995, section 4.2): what runs, and who
 * decides what runs next, are apart.
 *
 * A strand is something that can run. Its package (libexo/thread.h, or the Linux personality) keeps
 * its state: it checkpoints it when the strand stops, and resumes it. A scheduler only hears which
 * strands can run (unblock) and no longer can (block), and says which is next. A library OS may
 * put any scheduler of its own in the place of those that are here.
 */
#ifndef LIBEXO_STRAND_H
#define LIBEXO_STRAND_H

#include <stdint.h>

enum {
	EXO_PRIORITIES = 64, /* 0 is the least urgent */
};

struct exo_strand {
	struct exo_strand *next; /* the scheduler's */
	uint8_t priority;
};

struct exo_scheduler {
	/* The strand can run. It is in no queue. */
	void (*unblock)(struct exo_scheduler *scheduler, struct exo_strand *strand);
	/* The strand, which `next` gave, can't run any more. May be NULL: nothing to note. */
	void (*block)(struct exo_scheduler *scheduler, struct exo_strand *strand);
	/* Takes out the strand to run next. NULL: there is none. */
	struct exo_strand *(*next)(struct exo_scheduler *scheduler);
};

/* First come, first served. */
struct exo_fifo {
	struct exo_scheduler scheduler;
	struct exo_strand *head, **tail;
};
struct exo_scheduler *exo_fifo_init(struct exo_fifo *fifo);

/* The most urgent first; among equals, first come, first served. */
struct exo_priority {
	struct exo_scheduler scheduler;
	uint64_t some; /* bit p: somebody waits at priority p */
	struct exo_fifo level[EXO_PRIORITIES];
};
struct exo_scheduler *exo_priority_init(struct exo_priority *priority);

#endif
