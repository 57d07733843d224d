/* SPDX-License-Identifier: BSD-2-Clause */
/* Division of physical memory; see memory.h. Runs once, on the first core, before there is a heap.
 */
#include "memory.h"

#include "../core/machine.h"
#include "kernel.h"

enum {
	RANGES_MAX = BOOT_RANGES_MAX + 16,
	LOW_END = 1 << 20, /* BIOS areas and the other cores' first page */
	LARGE = 2 << 20,
	HEAP_LEAST = 4 << 20,
	HEAP_SHARE = 32, /* one part in … of all RAM besides */
	/* Verifying a program of some thousand instructions takes 4 MiB for a moment: where there
	 * is RAM for it, there is heap for it. */
	HEAP_USUAL = 12 << 20,
	HEAP_USUAL_SHARE = 8, /* up to there: one part in … of what is left beyond … */
	HEAP_USUAL_BEYOND = 32 << 20,
	DMA_LEAST = 16 << 20,
	DMA_MOST = 256 << 20,
	DMA_SHARE = 6,
};
#define HEAP_MOST (1ull << 30)

struct span {
	uint64_t base, end;
};

struct spans {
	unsigned n;
	struct span span[RANGES_MAX];
};

uint64_t x86_image_physical = 2 << 20; /* not in .bss, which is cleared after it is written */

static struct spans available; /* RAM that nobody has taken */
static struct spans direct;    /* RAM and firmware tables, whole */
static struct x86_region heap, dma, code;

static void insert_at(struct spans *spans, unsigned i, struct span span)
{
	if (spans->n == RANGES_MAX)
		machine_panic("memory map: more than %d ranges", RANGES_MAX);
	for (unsigned k = spans->n; k > i; k--)
		spans->span[k] = spans->span[k - 1];
	spans->span[i] = span;
	spans->n++;
}

static void remove_at(struct spans *spans, unsigned i)
{
	spans->n--;
	for (; i < spans->n; i++)
		spans->span[i] = spans->span[i + 1];
}

/* Adds [base, end), joined with what it touches; keeps the list ascending and apart. */
static void add(struct spans *spans, uint64_t base, uint64_t end)
{
	unsigned i = 0;

	if (base >= end)
		return;
	while (i < spans->n && spans->span[i].end < base)
		i++;
	while (i < spans->n && spans->span[i].base <= end) {
		if (spans->span[i].base < base)
			base = spans->span[i].base;
		if (spans->span[i].end > end)
			end = spans->span[i].end;
		remove_at(spans, i);
	}
	insert_at(spans, i, (struct span){base, end});
}

static void subtract(struct spans *spans, uint64_t base, uint64_t end)
{
	for (unsigned i = 0; i < spans->n; i++) {
		struct span old = spans->span[i];

		if (old.end <= base || end <= old.base)
			continue;
		remove_at(spans, i);
		if (end < old.end)
			insert_at(spans, i, (struct span){end, old.end});
		if (old.base < base)
			insert_at(spans, i, (struct span){old.base, base});
	}
}

static uint64_t page_up(uint64_t address)
{
	return (address + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
}

static uint64_t page_down(uint64_t address)
{
	return address & ~(EXO_PAGE_SIZE - 1);
}

/* End of a firmware range; one that wraps ends where numbers do. */
static uint64_t range_end(const struct boot_range *range)
{
	uint64_t most = (1ull << 52) - EXO_PAGE_SIZE;

	return range->base > most || range->size > most - range->base ? most
	                                                              : range->base + range->size;
}

static bool is_direct(uint32_t type)
{
	return type == BOOT_RAM || type == BOOT_ACPI || type == BOOT_ACPI_NVS;
}

static void read_map(const struct boot_info *boot)
{
	for (unsigned i = 0; i < boot->n_ranges; i++) {
		const struct boot_range *range = &boot->ranges[i];

		if (range->type == BOOT_RAM)
			add(&available, page_up(range->base), page_down(range_end(range)));
		if (is_direct(range->type))
			add(&direct, page_down(range->base), page_up(range_end(range)));
	}
	for (unsigned i = 0; i < boot->n_ranges; i++) {
		const struct boot_range *range = &boot->ranges[i];

		if (range->type != BOOT_RAM)
			subtract(&available, page_down(range->base), page_up(range_end(range)));
	}
	add(&direct, 0, LOW_END);
	subtract(&available, 0, LOW_END);
}

/* Takes the lowest `size` bytes that lie wholly below `limit`. size 0 in the answer: none. */
static struct x86_region carve(uint64_t size, uint64_t align, uint64_t limit)
{
	for (unsigned i = 0; i < available.n; i++) {
		uint64_t base = (available.span[i].base + align - 1) & ~(align - 1);
		uint64_t end = available.span[i].end;

		if (base >= end || end - base < size || base + size > limit)
			continue;
		subtract(&available, base, base + size);
		return (struct x86_region){base, size};
	}
	return (struct x86_region){0, 0};
}

static uint64_t total(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < available.n; i++)
		sum += available.span[i].end - available.span[i].base;
	return sum;
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

/* Memory is rarely in one piece: settles for less where the wanted size has no room. */
static struct x86_region carve_some(uint64_t wanted, uint64_t least, uint64_t limit,
                                    const char *what)
{
	struct x86_region region;

	for (;; wanted = wanted / 2 > least ? wanted / 2 & ~(uint64_t)(LARGE - 1) : least) {
		region = carve(wanted, LARGE, limit);
		if (region.size != 0)
			return region;
		if (wanted <= least)
			machine_panic("not enough memory: no %llu KiB in one piece for %s: give "
			              "the machine more, or a smaller payload",
			              (unsigned long long)least >> 10, what);
	}
}

/* Whether all of the payload is RAM, as the firmware's map has it, and begins a page. */
static bool payload_is_sound(const struct boot_info *boot)
{
	uint64_t base = boot->payload, size = boot->payload_size;

	for (unsigned i = 0; i < available.n; i++) {
		const struct span *span = &available.span[i];

		if (base >= span->base && base < span->end)
			return base % EXO_PAGE_SIZE == 0 && size <= span->end - base;
	}
	return size == 0;
}

/* `left`: of all RAM, beside the image and the payload. */
static uint64_t heap_size(uint64_t all, uint64_t left)
{
	uint64_t beyond = left > HEAP_USUAL_BEYOND ? left - HEAP_USUAL_BEYOND : 0;
	uint64_t usual = at_most(HEAP_LEAST + beyond / HEAP_USUAL_SHARE, HEAP_USUAL);
	uint64_t share = at_most(HEAP_LEAST + all / HEAP_SHARE, HEAP_MOST);

	return (usual > share ? usual : share) & ~(uint64_t)(LARGE - 1);
}

void memory_init(const struct boot_info *boot)
{
	uint64_t all, wanted, four_gib = 4ull << 30;

	read_map(boot);
	all = total();
	if (!payload_is_sound(boot))
		machine_panic("the loader put the payload (%llu bytes at %llx) where there is no "
		              "RAM, or not on a page: is it larger than memory?",
		              (unsigned long long)boot->payload_size,
		              (unsigned long long)boot->payload);
	subtract(&available, kernel_physical(kernel_start), kernel_physical(kernel_end));
	if (boot->payload_size != 0)
		subtract(&available, page_down(boot->payload),
		         page_up(boot->payload + boot->payload_size));
	code = carve_some(MEMORY_CODE_BYTES, MEMORY_CODE_BYTES, four_gib, "compiled code");
	heap = carve_some(heap_size(all, total()), HEAP_LEAST, four_gib, "the kernel's heap");
	wanted = at_most(all / DMA_SHARE, DMA_MOST) & ~(uint64_t)(LARGE - 1);
	if (wanted < DMA_LEAST)
		wanted = DMA_LEAST;
	dma = carve_some(wanted, DMA_LEAST, UINT64_MAX, "network buffers");
	/* The image has one alias only, and so has compiled code. */
	subtract(&direct, kernel_physical(kernel_start), kernel_physical(kernel_end));
	subtract(&direct, code.physical, code.physical + code.size);
}

struct x86_region memory_heap_region(void)
{
	return heap;
}

struct x86_region memory_code_region(void)
{
	return code;
}

struct x86_region x86_dma_region(void)
{
	return dma;
}

void machine_receive_frames(struct machine_range *range)
{
	range->first = dma.physical >> EXO_PAGE_SHIFT;
	range->count = dma.size >> EXO_PAGE_SHIFT;
}

bool memory_direct_range(unsigned i, uint64_t *base, uint64_t *size)
{
	if (i >= direct.n)
		return false;
	*base = direct.span[i].base;
	*size = direct.span[i].end - direct.span[i].base;
	return true;
}

bool memory_is_direct(uint64_t physical, uint64_t size)
{
	for (unsigned i = 0; i < direct.n; i++) {
		if (physical >= direct.span[i].base && physical < direct.span[i].end)
			return size <= direct.span[i].end - physical;
	}
	return false;
}

bool machine_memory(unsigned i, struct machine_range *range)
{
	if (i >= available.n)
		return false;
	range->first = available.span[i].base >> EXO_PAGE_SHIFT;
	range->count = (available.span[i].end - available.span[i].base) >> EXO_PAGE_SHIFT;
	return true;
}

void *machine_frame(uint64_t frame)
{
	return x86_direct(frame << EXO_PAGE_SHIFT);
}

uint64_t machine_frame_of(const void *address)
{
	return ((uint64_t)address - X86_DIRECT_BASE) >> EXO_PAGE_SHIFT;
}
