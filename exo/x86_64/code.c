/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The window for compiled code, near enough to the kernel's text for direct calls. Pages have this
 * one alias only: writable and not executable until sealed, then the reverse; freed ones start
 * again.
 *
 * Other cores need not be told: one that still holds the writable translation of a sealed page
 * faults when it executes there and finds it stale, and so does one that still holds the executable
 * translation of a freed page and is the next to write there (SDM vol. 3A, 4.10.4.3); otherwise
 * that one has no business there, and reads the new code through it.
 */
#include "start.h"

#include <exo/error.h>
#include <exo/layout.h>

#include "memory.h"
#include "paging.h"

enum {
	PAGES = MEMORY_CODE_BYTES / EXO_PAGE_SIZE,
};

static struct machine_lock lock;
static bool taken[PAGES]; /* guarded by the lock */

void code_init(void)
{
	struct x86_region region = memory_code_region();

	/* By single pages: their rights change one by one. */
	for (uint64_t at = 0; at < region.size; at += EXO_PAGE_SIZE)
		paging_map(X86_CODE_BASE + at, region.physical + at, EXO_PAGE_SIZE,
		           PTE_WRITE | PTE_NX);
}

static size_t pages_of(size_t size)
{
	return (size + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
}

static void protect(uint64_t address, size_t pages, bool executable)
{
	for (size_t i = 0; i < pages; i++, address += EXO_PAGE_SIZE) {
		uint64_t *entry = paging_entry(address);

		if (executable)
			*entry &= ~(PTE_WRITE | PTE_NX);
		else
			*entry |= PTE_WRITE | PTE_NX;
		paging_forget(address);
	}
}

static size_t find_free(size_t pages)
{
	size_t run = 0;

	for (size_t i = 0; i < PAGES; i++) {
		run = taken[i] ? 0 : run + 1;
		if (run == pages)
			return i + 1 - pages;
	}
	return PAGES;
}

void *machine_code_alloc(size_t size)
{
	size_t pages = pages_of(size), first;

	if (size == 0 || pages > PAGES)
		return NULL;
	machine_lock(&lock);
	first = find_free(pages);
	for (size_t i = 0; first < PAGES && i < pages; i++)
		taken[first + i] = true;
	machine_unlock(&lock);
	return first < PAGES ? (void *)(X86_CODE_BASE + first * EXO_PAGE_SIZE) : NULL;
}

static bool is_ours(const void *code, size_t size)
{
	uint64_t offset = (uint64_t)code - X86_CODE_BASE;

	return (uint64_t)code >= X86_CODE_BASE && offset % EXO_PAGE_SIZE == 0 &&
	       offset < MEMORY_CODE_BYTES && size <= MEMORY_CODE_BYTES - offset;
}

int machine_code_seal(void *code, size_t size)
{
	if (!is_ours(code, size))
		return -EXO_EINVAL;
	protect((uint64_t)code, pages_of(size), true);
	return 0;
}

void machine_code_free(void *code, size_t size)
{
	size_t first = ((uint64_t)code - X86_CODE_BASE) / EXO_PAGE_SIZE;

	if (code == NULL)
		return;
	MACHINE_ASSERT(is_ours(code, size));
	protect((uint64_t)code, pages_of(size), false);
	machine_lock(&lock);
	for (size_t i = 0; i < pages_of(size); i++)
		taken[first + i] = false;
	machine_unlock(&lock);
}

bool code_is_stale(uint64_t address, bool fetch)
{
	uint64_t *entry;

	if (address < X86_CODE_BASE || address - X86_CODE_BASE >= MEMORY_CODE_BYTES)
		return false;
	entry = paging_entry(address);
	if (entry == NULL || (fetch ? (*entry & PTE_NX) != 0 : (*entry & PTE_WRITE) == 0))
		return false;
	paging_forget(address);
	return true;
}
