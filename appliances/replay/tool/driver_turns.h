/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Turns between DPDK's interrupt thread and ours. A driver whose connection ends there (memif, DPDK
 * 22.11: the other end has gone) frees what our calls of it are using: so that thread stands still
 * while we use the driver, and is let go on when we say.
 *
 *   driver_turns_begin → driver_turns_stop → use the driver → driver_turns_pass → use it …
 *   → driver_turns_end
 *
 * One per process, as the thread is. Only the thread that began may call.
 */
#ifndef REPLAY_TOOL_DRIVER_TURNS_H
#define REPLAY_TOOL_DRIVER_TURNS_H

/* 0 or a negative errno. The interrupt thread runs freely as yet. */
int driver_turns_begin(void);

/* Returns when the interrupt thread stands still. */
void driver_turns_stop(void);

/* The interrupt thread, standing, has its turn: whatever was waiting for it is done by the second
 * call of this function at the latest. Returns when it stands again. */
void driver_turns_pass(void);

/* It runs freely from now on. */
void driver_turns_end(void);

#endif
