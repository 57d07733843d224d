/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in for what libexo's rings ask of the kernel, where a test plays the kernel itself.
 */
#include <exo/error.h>
#include <libexo/memory.h>

int exo_pages_alloc(struct exo_pages *pages, uint32_t count)
{
	return -EXO_ENOSYS;
}

int exo_pages_free(struct exo_pages *pages)
{
	return -EXO_ENOSYS;
}
