/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extents: ranges of disk sectors with an owner, and the requests that move them (exo/disk.h).
 *
 * What is no extent is free. An extent whose owner has ended stays, nobody's, until its last
 * request is done. Functions are called with the core lock held, but for extent_poll, which takes
 * none but its own; that one guards requests, and is the last to be taken.
 */
#ifndef CORE_EXTENT_H
#define CORE_EXTENT_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/call.h>

struct env;
struct call;

void extent_init(void);
/* As ledger_epoch and ledger_epoch_end, for a range inside one extent. */
int extent_epoch(uint64_t first, uint32_t count, uint32_t *epoch);
int extent_epoch_end(uint64_t first, uint32_t count);
/* The next line of the listing, from sector *cursor on. */
bool extent_list(uint64_t *cursor, struct exo_ledger_entry *entry);
/* Takes back what an ended environment has; its requests go on without it. */
void extent_env_end(struct env *env);
/* Takes the extent with a sector from its owner. */
void extent_end(struct env *owner, uint64_t sector);
/* Settles requests that the devices have finished. Cheap where none is under way. */
void extent_poll(void);
/* Writes a frame that `env` still owns to an extent of its own: for autosave. The frame is pinned
 * until it is written. 0, -EXO_EPERM (frame or sectors are not its own), or as machine_disk_start.
 */
int extent_save(struct env *env, uint64_t sector, uint64_t frame);

int64_t extent_call_alloc(struct call *call);
int64_t extent_call_free(struct call *call);
int64_t extent_call_disk(struct call *call);

#endif
