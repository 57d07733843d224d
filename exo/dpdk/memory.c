/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EAL memory on the bare machine. DPDK's heap is one contiguous region of RAM that the machine set
 * aside, seen through the direct map; EAL gets it as one list of 2 MiB segments in which the I/O
 * address is the physical one. Nothing is mapped or unmapped later (EAL's legacy mode).
 *
 * The region is not cleared at boot: that would cost more than all the rest of it. Segments are
 * marked dirty, and each allocation is cleared when it is made (__wrap_malloc_heap_alloc), since
 * drivers were only ever tried on memory that begins as zeroes. The exception is what a pool of
 * mbufs fills itself with, and the frames that they point to: the library writes every head, and
 * nobody reads a buffer's bytes before they are written or cleared (exo/core/exchange.c).
 */
#include <errno.h>
#include <string.h>

#include <rte_eal_paging.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_memory.h>
#include <rte_mempool.h>

#include "../core/machine.h"
#include "../x86_64/x86.h"
#include "eal_internal_cfg.h"
#include "eal_memalloc.h"
#include "eal_memcfg.h"
#include "eal_private.h"
#include "internal.h"
#include "malloc_elem.h"

enum { SEGMENT_SIZE = 2 << 20, PAGE_SIZE = 4096 };

/* ---- The heap ---- */

int rte_eal_memseg_init(void)
{
	return 0; /* lists are made by rte_eal_hugepage_init, when their length is known */
}

int eal_memalloc_init(void)
{
	return 0;
}

int rte_eal_hugepage_init(void)
{
	struct rte_memseg_list *list = &rte_eal_get_configuration()->mem_config->memsegs[0];
	struct x86_region region = x86_dma_region();
	int n = (int)(region.size / SEGMENT_SIZE);

	if (n == 0 || eal_memseg_list_init(list, SEGMENT_SIZE, n, 0, 0, true) != 0)
		return -1;
	list->base_va = x86_direct(region.physical);
	list->len = (size_t)n * SEGMENT_SIZE;
	eal_memseg_list_populate(list, list->base_va, n);
	for (int i = 0; i < n; i++) {
		struct rte_memseg *segment = rte_fbarray_get(&list->memseg_arr, (unsigned)i);

		segment->iova = region.physical + (uint64_t)i * SEGMENT_SIZE;
		segment->flags |= RTE_MEMSEG_FLAG_DIRTY;
	}
	return 0;
}

int rte_eal_hugepage_attach(void)
{
	return -1; /* there are no secondary processes */
}

void *__real_malloc_heap_alloc(const char *type, size_t size, int socket, unsigned flags,
                               size_t align, size_t bound, bool contig);
void *__wrap_malloc_heap_alloc(const char *type, size_t size, int socket, unsigned flags,
                               size_t align, size_t bound, bool contig);

int __real_rte_mempool_populate_default(struct rte_mempool *pool);
int __wrap_rte_mempool_populate_default(struct rte_mempool *pool);

static bool filling_pool; /* pools are made by the first core alone, before there are others */

int __wrap_rte_mempool_populate_default(struct rte_mempool *pool)
{
	int result;

	filling_pool = true;
	result = __real_rte_mempool_populate_default(pool);
	filling_pool = false;
	return result;
}

void *dpdk_frames(size_t n)
{
	void *frames;

	filling_pool = true;
	frames = rte_malloc(NULL, n * PAGE_SIZE, PAGE_SIZE);
	filling_pool = false;
	return frames;
}

void *__wrap_malloc_heap_alloc(const char *type, size_t size, int socket, unsigned flags,
                               size_t align, size_t bound, bool contig)
{
	void *block = __real_malloc_heap_alloc(type, size, socket, flags, align, bound, contig);

	if (block != NULL && !filling_pool && malloc_elem_from_data(block)->dirty)
		memset(block, 0, size);
	return block;
}

/* ---- The heap neither grows nor shrinks ---- */

int eal_memalloc_alloc_seg_bulk(struct rte_memseg **segments, int n, size_t page_size, int socket,
                                bool exact)
{
	return -1;
}

int eal_memalloc_free_seg(struct rte_memseg *segment)
{
	return -1;
}

int eal_memalloc_free_seg_bulk(struct rte_memseg **segments, int n)
{
	return -1;
}

int eal_memalloc_get_seg_fd(int list, int segment)
{
	return -ENOTSUP;
}

int eal_memalloc_get_seg_fd_offset(int list, int segment, size_t *offset)
{
	return -ENOTSUP;
}

int eal_memalloc_cleanup(void)
{
	return 0;
}

/* ---- Addresses ---- */

phys_addr_t rte_mem_virt2phy(const void *address)
{
	uint64_t physical = x86_physical(address);

	return physical == UINT64_MAX ? RTE_BAD_PHYS_ADDR : physical;
}

rte_iova_t rte_mem_virt2iova(const void *address)
{
	return rte_mem_virt2phy(address);
}

int rte_eal_using_phys_addrs(void)
{
	return 1;
}

/* ---- Pages that EAL asks for beside the heap (its tables): from the kernel's heap ---- */

uint64_t eal_get_baseaddr(void)
{
	return 0; /* any address will do */
}

void *eal_mem_reserve(void *address, size_t size, int flags)
{
	void *pages = x86_alloc_raw(size, PAGE_SIZE);

	if (pages == NULL)
		rte_errno = ENOMEM;
	return pages;
}

void eal_mem_free(void *address, size_t size)
{
	machine_free(address);
}

int eal_mem_set_dump(void *address, size_t size, bool dump)
{
	return 0;
}

/* EAL maps anonymous memory over what it has reserved: that is there already. */
void *rte_mem_map(void *address, size_t size, int protection, int flags, int fd, uint64_t offset)
{
	if ((flags & RTE_MAP_FORCE_ADDRESS) != 0 && (flags & RTE_MAP_ANONYMOUS) != 0)
		return address;
	rte_errno = ENOTSUP;
	return NULL;
}

int rte_mem_unmap(void *address, size_t size)
{
	eal_mem_free(address, size);
	return 0;
}

size_t rte_mem_page_size(void)
{
	return PAGE_SIZE;
}

int rte_mem_lock(const void *address, size_t size)
{
	return 0; /* nothing here is ever paged out */
}
