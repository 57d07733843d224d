/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rectangles of the screen (exo/screen.h). A rectangle made from another one's key lies inside it
 * and ends with it; two that were made from an authority never overlap. Core lock held, but for
 * framebuffer_call_blit, which takes it while it looks at keys; a lock of its own keeps rectangles
 * from ending in the middle of a copy.
 */
#ifndef CORE_FRAMEBUFFER_H
#define CORE_FRAMEBUFFER_H

#include <stdbool.h>
#include <stdint.h>

#include <exo/call.h>

struct env;
struct call;

void framebuffer_init(void);
/* As ledger_epoch and ledger_epoch_end, for one rectangle. */
int framebuffer_epoch(uint64_t id, uint32_t count, uint32_t *epoch);
int framebuffer_epoch_end(uint64_t id);
bool framebuffer_list(uint64_t *cursor, struct exo_ledger_entry *entry);
/* Ends a rectangle and those made from it. */
void framebuffer_end(uint32_t id);
/* Ends the rectangles of an environment that has ended. */
void framebuffer_env_end(const struct env *env);

int64_t framebuffer_call_create(struct call *call);
int64_t framebuffer_call_free(struct call *call);
int64_t framebuffer_call_blit(struct call *call);

#endif
