/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a thread that sends at deadlines asks of Linux: real-time priority, so that nothing else of
 * the computer takes its core when a frame is due, and a processor that does not sleep deeply.
 *
 * A thread of that priority that never rests is stopped by the kernel for 50 ms of each second
 * where others starve behind it. So it rests by itself, a little more than that, in gaps that are
 * long enough.
 */
#ifndef REPLAY_TOOL_PUNCTUAL_H
#define REPLAY_TOOL_PUNCTUAL_H

#include <stdbool.h>
#include <stdint.h>

/* For the calling thread of a program with so many that have work meanwhile. Where the computer has
 * one core, or we fewer than that, or are not allowed to, nothing is changed. Returns, for people,
 * what is so now. */
const char *punctual_begin(unsigned threads);
void punctual_end(void);

/* Nothing is to be done before until_ns of CLOCK_MONOTONIC, of which now_ns is the time: rests
 * where that is wanted, and is back in time. */
void punctual_rest(uint64_t now_ns, uint64_t until_ns);

#endif
