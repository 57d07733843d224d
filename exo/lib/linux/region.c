/* SPDX-License-Identifier: BSD-2-Clause */
/* The array of regions. */
#include <libexo/lib.h>

#include "region.h"

enum { REGIONS_MAX = 512 };

#define HEAP_ROOM (1ull << 30) /* kept free behind the heap, for it to grow */

struct region region_all[REGIONS_MAX];
unsigned region_n;
uint64_t region_image_begin, region_image_end, region_heap_end;

unsigned region_at(uint64_t address)
{
	unsigned low = 0, high = region_n;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (region_all[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct region *region_find(uint64_t address)
{
	unsigned i = region_at(address);

	return i < region_n && region_all[i].begin <= address ? &region_all[i] : NULL;
}

bool region_is_free(uint64_t begin, uint64_t end)
{
	unsigned i = region_at(begin);

	if (begin < region_image_end && end > region_image_begin)
		return false;
	return i == region_n || region_all[i].begin >= end;
}

bool region_insert(unsigned i, struct region region)
{
	if (region_n == REGIONS_MAX)
		return false;
	memmove(&region_all[i + 1], &region_all[i], (region_n - i) * sizeof(region));
	region_all[i] = region;
	region_n++;
	return true;
}

void region_remove(unsigned i)
{
	region_n--;
	memmove(&region_all[i], &region_all[i + 1], (region_n - i) * sizeof(region_all[0]));
}

/* Makes `address` a border between region_all where it lies inside one. */
bool region_split(uint64_t address)
{
	unsigned i = region_at(address);
	struct region upper;

	if (i == region_n || region_all[i].begin >= address)
		return true;
	upper = region_all[i];
	upper.begin = address;
	if (upper.source != 0) {
		uint64_t skipped = address - region_all[i].begin;

		upper.source += skipped;
		upper.source_bytes -= skipped < upper.source_bytes ? skipped : upper.source_bytes;
	}
	if (!region_insert(i + 1, upper))
		return false;
	region_all[i].end = address;
	return true;
}

bool region_add(uint64_t begin, uint64_t end, unsigned prot)
{
	unsigned i = region_at(begin);

	if (i > 0 && region_all[i - 1].end == begin && region_all[i - 1].prot == prot &&
	    region_all[i - 1].source == 0) {
		region_all[i - 1].end = end;
		return true;
	}
	if (i < region_n && region_all[i].begin == end && region_all[i].prot == prot &&
	    region_all[i].source == 0) {
		region_all[i].begin = begin;
		return true;
	}
	return region_insert(i, (struct region){.begin = begin, .end = end, .prot = prot});
}

uint64_t region_place(uint64_t size, uint64_t end)
{
	unsigned i = region_at(end - 1);

	if (i < region_n && region_all[i].begin < end)
		end = region_all[i].begin;
	for (;;) {
		uint64_t below = i == 0 ? region_heap_end + HEAP_ROOM : region_all[i - 1].end;

		if (end > below && end - below >= size)
			return end - size;
		if (i == 0)
			return 0;
		end = region_all[--i].begin;
	}
}
