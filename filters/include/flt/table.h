/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The demultiplexer's decision structure: who gets this frame?
 *
 * A table holds entries: a flow, perhaps a program that narrows it, a priority and an age. For each
 * frame of a burst, flt_table_classify() finds the first entry, in the total order, whose flow
 * holds the frame and whose program (where it has one) accepts it:
 *
 *     priority, higher first;
 *     then the constrained bits of the flow for this frame, more first;
 *     then age, older (smaller) first;
 *     then the order of insertion.
 *
 * Entries with FLT_TAP take no part in that; each of them that matches is reported besides.
 *
 * Programs are asked in the total order, and only until one accepts (taps' programs: each once).
 *
 * Readers (classify, match_all) run on any number of cores at the same time as one writer (insert,
 * remove). They see each entry whole or not at all. A classification that overlaps an insert or a
 * remove may give the answer of before or of after. Writers are serialised by the caller. Memory
 * that readers may still hold goes through the platform's retire().
 */
#ifndef FLT_TABLE_H
#define FLT_TABLE_H

#include <stdint.h>

#include "error.h"
#include "flowset.h"
#include "program.h"

enum {
	FLT_TABLE_BURST_MAX = 64, /* frames of one classify call */
};

/* Flags of an entry. */
enum {
	FLT_TAP = 1u << 0, /* gets copies, never decides */
};

struct flt_table; /* begins with its generation: flt/digest.h */
struct flt_entry;

/* What is inserted. */
struct flt_entry_spec {
	void *owner;          /* given back in verdicts; not NULL */
	struct flt_flow flow; /* copied; must be valid */
	const struct flt_program
	        *program;  /* NULL: the flow decides alone. Borrowed until release */
	uint32_t accept;   /* without a program: bytes wanted; 0 means all */
	uint32_t priority; /* higher first */
	uint64_t age;      /* smaller is older and goes first */
	uint32_t flags;    /* FLT_TAP */
	/* Called, by a reader, when the program declined a frame that the flow holds: to count it;
	 * may be NULL. */
	void (*declined)(void *owner);
	/* Called after removal once no reader can return owner or run program any more, through the
	 * platform's retire(); may be NULL. */
	void (*release)(void *owner);
};

/* Makes an empty table. */
int flt_table_create(struct flt_table **table, struct flt_error *error);
/* Has readers ask `table` where `before` has no owner, so that its changes change what both say
 * (flt/digest.h): once, before there are entries; writers of both exclude each other then. */
void flt_table_follow(struct flt_table *table, struct flt_table *before);

/* Removes all entries (their release is called) and frees the table. No reader may be inside. */
void flt_table_destroy(struct flt_table *table);

/* Adds an entry; *entry is the handle for removing it. On failure nothing has changed. */
int flt_table_insert(struct flt_table *table, const struct flt_entry_spec *spec,
                     struct flt_entry **entry, struct flt_error *error);

/* Removes an entry; the handle is dead afterwards. Never fails. */
void flt_table_remove(struct flt_table *table, struct flt_entry *entry);

/* What was decided for a frame. */
struct flt_verdict {
	void *owner;     /* the winner; NULL: nobody wants it */
	uint32_t accept; /* bytes the winner wants, UINT32_MAX: all */
	uint32_t fixed;  /* 1: no program was asked; it follows from header fields (flt/digest.h) */
};

/* Told of each tap that matches frame number `index` of the burst; accept as in the verdict. */
struct flt_tap_sink {
	void (*matched)(void *arg, uint32_t index, void *owner, uint32_t accept);
	void *arg;
};

/*
 * Classifies n frames, at most FLT_TABLE_BURST_MAX; verdicts has n elements. taps may be NULL: taps
 * are then not evaluated. Never fails, never blocks, needs at most 16 KiB of stack; the caller is
 * in an RCU read section from here until it has finished with the owners.
 */
void flt_table_classify(const struct flt_table *table, const struct flt_frame *frames, uint32_t n,
                        struct flt_verdict *verdicts, const struct flt_tap_sink *taps);

/*
 * Every entry that matches the frame, taps included, in the total order, each with its constrained
 * bits for this frame: for tools and tests, not fast. visit returns 0 to go on.
 */
void flt_table_match_all(const struct flt_table *table, const struct flt_frame *frame,
                         int (*visit)(void *arg, void *owner, uint32_t bits, uint32_t accept),
                         void *arg);

/* The state of a table. */
struct flt_table_info {
	uint32_t entries;
	uint32_t conjunctions;
	uint32_t shapes;     /* distinct ones: what a lookup costs */
	size_t memory;       /* bytes of platform memory held, without programs */
	uint32_t code_bytes; /* native code of the shapes */
};
void flt_table_info(const struct flt_table *table, struct flt_table_info *info);

#endif
