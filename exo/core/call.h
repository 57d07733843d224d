/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Dispatch of kernel calls. A handler gets a struct call with the six argument registers. It copies
 * in what they point to, once; checks all of it; then changes state; then copies results out.
 */
#ifndef CORE_CALL_H
#define CORE_CALL_H

#include <stdbool.h>
#include <stdint.h>

struct pe;

/* Handles the call that `pe` trapped with and leaves the result in its registers. Whether the PE
 * goes on running: not after WAIT, YIELD and EXIT. */
bool call_dispatch(struct pe *pe);

/* The name of a call, for people; NULL where there is none. */
const char *call_name(uint64_t number);

#endif
