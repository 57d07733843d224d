/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extraction: from a program to the flow that it accepts.
 *
 * Follows every path of a classic BPF program from its entry to its returns and writes what each
 * accepting path demanded as one conjunction. Where that can be said exactly, the flow can stand
 * for the program. Otherwise the flow is a superset (it never misses a frame that the program would
 * accept) and the program must still be asked. What can't be said at all is the one empty
 * conjunction, which holds for every frame.
 */
#ifndef FLT_EXTRACT_H
#define FLT_EXTRACT_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "flow.h"
#include "program.h"

struct flt_extraction {
	uint32_t n;      /* conjunctions written; 0: the program accepts nothing */
	bool exact;      /* the program accepts a frame if and only if the flow does */
	uint32_t accept; /* what the program returns where it accepts, if exact (bytes wanted) */
};

/*
 * Extracts from a classic program. out has room for FLT_FLOW_CONJUNCTIONS_MAX conjunctions.
 * Never fails on a loaded program; programs that are not classic give the empty conjunction.
 * Time is bounded (a few thousand path steps).
 */
int flt_extract(const struct flt_program *program, struct flt_conjunction *out,
                struct flt_extraction *extraction, struct flt_error *error);

#endif
