/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for what libexo's rings, and the driver on them, ask of the kernel, where a test plays
 * the kernel itself.
 */
#include <exo/error.h>
#include <libexo/handover.h>
#include <libexo/memory.h>

int exo_pages_alloc(struct exo_pages *pages, uint32_t count)
{
	return -EXO_ENOSYS;
}

int exo_pages_free(struct exo_pages *pages)
{
	return -EXO_ENOSYS;
}

void exo_handover_frame(struct exo_handover *h, const uint8_t *frame, uint32_t size)
{
}

uint64_t exo_handover_run(struct exo_handover *h)
{
	return UINT64_MAX;
}
