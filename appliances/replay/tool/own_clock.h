/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which clock times are of. Two processes share CLOCK_MONOTONIC where they run in the same boot of
 * the same computer and in the same time namespace; only then a time of the one means anything to
 * the other.
 */
#ifndef REPLAY_TOOL_OWN_CLOCK_H
#define REPLAY_TOOL_OWN_CLOCK_H

#include <stdint.h>

/* A number of this process's clock, the same for all that share it and rarely for others; 0 where
 * none can be made. */
uint16_t own_clock(void);

/* A number of a run by this clock, for signatures: its lower half is own_clock(). */
uint32_t own_clock_run(void);

#endif
