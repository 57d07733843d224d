/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where the packet path's small world has no resources to give: what the kernel's services stand
 * on, refusing. Letters are kept.
 */
#include <stdlib.h>

#include "../../core/cap.h"
#include "../../core/ledger.h"
#include "../../core/slots.h"
#include "../../core/space.h"
#include "../../core/transfer.h"
#include "../ext.h"
#include "common.h"

struct test_letter test_letter;

int ledger_frames_alloc(struct env *owner, uint64_t from, uint64_t span, uint64_t *first,
                        uint32_t count, uint64_t align)
{
	return -EXO_ENOMEM;
}

int ledger_frames_free(struct env *owner, uint64_t first, uint32_t count)
{
	return -EXO_EPERM;
}

struct frame *ledger_frame(uint64_t frame)
{
	return NULL;
}

uint64_t ledger_frame_number(const struct frame *frame)
{
	return 0;
}

uint64_t ledger_total(uint64_t *free)
{
	*free = WORLD_FRAMES;
	return WORLD_FRAMES;
}

bool space_usable(uint64_t address, uint64_t pages)
{
	return true;
}

int64_t space_map_single(struct env *env, uint64_t page, struct frame *frame, uint32_t owner)
{
	return -EXO_EPERM;
}

void space_unmap(struct env *env, const struct exo_range *range)
{
}

struct mapping *space_find(struct env *env, uint64_t address)
{
	return NULL;
}

struct frame *space_frame_of(const struct mapping *mapping, uint64_t address)
{
	return NULL;
}

int env_create(struct env *parent, const char name[EXO_NAME_MAX], uint64_t frames_max,
               struct env **env)
{
	return -EXO_ENOMEM;
}

int env_end_fresh(uint32_t parent, uint32_t id)
{
	return -EXO_ENOENT;
}

struct env *env_next(uint32_t id)
{
	return NULL;
}

struct pe *env_pe(const struct env *env, uint32_t core)
{
	return NULL;
}

void pe_post(struct pe *pe, uint32_t events)
{
}

int64_t slots_donate(uint32_t id, bool wake)
{
	return -EXO_ENOENT;
}

int cap_make(struct exo_cap *cap, enum exo_kind kind, unsigned rights, uint32_t holder,
             uint64_t first, uint32_t count)
{
	return -EXO_ENOENT;
}

int transfer_post(struct pe *to, uint32_t from, const uint64_t args[4])
{
	test_letter.n++;
	test_letter.in_section = ext_section_inside(machine_core());
	test_letter.from = from;
	for (unsigned i = 0; i < 4; i++)
		test_letter.args[i] = args[i];
	return 0;
}
