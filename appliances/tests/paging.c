/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an environment makes of frames and addressing upcalls, all of it its own code: demand
 * paging, copy-on-write, page replacement by its own policy, 2 MiB pages, and more pages than the
 * kernel keeps bindings for (they are dropped, fault, and are offered again). With the argument
 * "measure" it says what the primitives cost, in ticks of the TSC (under -icount shift=0:
 * instructions).
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

#define WINDOW 0x10000000ull
#define COPY   0x20000000ull
#define SPARSE 0x100000000ull
#define LARGE  0x40000000ull

enum {
	PAGES = 64,  /* of the window */
	FRAMES = 16, /* that stand behind them */
	SPARSE_PAGES = 1500,
	MEASURED = 1000,
	LARGE_PAGES = 512,
	RW = EXO_RIGHT_READ | EXO_RIGHT_WRITE,
	WRITE_FAULT = 1 << 1,
};

typedef bool fault_handler(uint64_t page, bool write);

static fault_handler *on_fault;
static unsigned faults;
static int failures;

static void expect(bool truth, const char *what)
{
	if (truth)
		return;
	exo_printf("%s: wrong\n", what);
	failures++;
}

static bool map(uint64_t page, uint64_t frame, unsigned rights)
{
	return exo_map_page(page, frame, rights) == 0;
}

static void unmap(uint64_t page, uint64_t count)
{
	struct exo_range range = {page, count};

	exo_unmap(NULL, &range, 1);
}

static bool page_fault(struct exo_pe *pe, void *arg)
{
	faults++;
	return on_fault != NULL && on_fault(pe->upcall.address & ~(EXO_PAGE_SIZE - 1),
	                                    (pe->upcall.error & WRITE_FAULT) != 0);
}

static volatile uint64_t *word(uint64_t base, uint64_t page)
{
	return (volatile uint64_t *)(base + page * EXO_PAGE_SIZE);
}

/* ---- Demand paging with a replacement policy of its own ---- */

/* Few frames behind many pages: which page loses its frame is decided here, second chance by write
 * (a page that was only read goes first), and what it held goes to a store of its own. */
static struct exo_pages pool, store;
static uint64_t page_of[FRAMES]; /* 0: free */
static bool written[FRAMES], stored[PAGES];
static unsigned hand, written_back;

static uint8_t *stored_page(uint64_t page)
{
	return (uint8_t *)store.address + (page - WINDOW);
}

static unsigned choose_victim(void)
{
	for (;;) {
		unsigned i = hand;

		hand = (hand + 1) % FRAMES;
		if (page_of[i] == 0 || !written[i])
			return i;
		/* Written: it is kept once more, and saved while it waits. */
		memcpy(stored_page(page_of[i]), (const void *)page_of[i], EXO_PAGE_SIZE);
		stored[(page_of[i] - WINDOW) / EXO_PAGE_SIZE] = true;
		written[i] = false;
		written_back++;
		map(page_of[i], pool.frame + i, EXO_RIGHT_READ);
	}
}

static bool bring(uint64_t page, bool write)
{
	unsigned i;

	if (page < WINDOW || page >= WINDOW + PAGES * EXO_PAGE_SIZE)
		return false;
	for (i = 0; i < FRAMES; i++)
		if (page_of[i] == page) {
			written[i] = true; /* present, so it was a write to a clean one */
			return map(page, pool.frame + i, RW);
		}
	i = choose_victim();
	if (page_of[i] != 0)
		unmap(page_of[i], 1);
	page_of[i] = page;
	written[i] = write;
	if (!map(page, pool.frame + i, RW))
		return false;
	if (stored[(page - WINDOW) / EXO_PAGE_SIZE])
		memcpy((void *)page, stored_page(page), EXO_PAGE_SIZE);
	else
		memset((void *)page, 0, EXO_PAGE_SIZE);
	return write || map(page, pool.frame + i, EXO_RIGHT_READ);
}

static void try_replacement(void)
{
	on_fault = bring;
	faults = 0;
	for (uint64_t round = 1; round <= 3; round++) {
		for (uint64_t i = 0; i < PAGES; i++) {
			uint64_t before = *word(WINDOW, i);

			expect(before == (round - 1) * (i + 1), "a page that was taken away");
			*word(WINDOW, i) = round * (i + 1);
		}
	}
	expect(faults >= 3 * PAGES && written_back >= 2 * PAGES, "replacement happened");
	unmap(WINDOW, PAGES);
	exo_printf("replacement: %u faults, %u pages written back\n", faults, written_back);
}

/* ---- Copy-on-write ---- */

static bool copy(uint64_t page, bool write)
{
	static unsigned used;
	uint64_t i = (page - COPY) / EXO_PAGE_SIZE;

	if (page < COPY || i >= FRAMES || !write)
		return false;
	/* The new frame shows beside the old page, then in its place. */
	if (!map(WINDOW, store.frame + used, RW))
		return false;
	memcpy((void *)WINDOW, (const void *)page, EXO_PAGE_SIZE);
	return map(page, store.frame + used++, RW);
}

static void try_copy_on_write(void)
{
	on_fault = copy;
	for (uint64_t i = 0; i < FRAMES; i++) {
		((uint64_t *)pool.address)[i * 512] = i;
		map(COPY + i * EXO_PAGE_SIZE, pool.frame + i, EXO_RIGHT_READ);
	}
	faults = 0;
	for (uint64_t i = 0; i < FRAMES; i += 2)
		*word(COPY, i) += 100;
	for (uint64_t i = 0; i < FRAMES; i++) {
		expect(*word(COPY, i) == (i % 2 == 0 ? i + 100 : i), "the copy");
		expect(((uint64_t *)pool.address)[i * 512] == i, "the original");
		expect(exo_frame_uses(pool.frame + i) == (i % 2 == 0 ? 1 : 2), "who shows it");
	}
	expect(faults == FRAMES / 2, "one fault for each page that was written");
	unmap(COPY, FRAMES);
	unmap(WINDOW, 1);
}

/* ---- More than the software TLB holds ---- */

static bool offer_again(uint64_t page, bool write)
{
	if (page < SPARSE || (page - SPARSE) % (1ull << 30) != 0)
		return false;
	return map(page, pool.frame + (page >> 30) % FRAMES, RW);
}

static uint64_t sparse(unsigned i)
{
	return SPARSE + ((uint64_t)i << 30);
}

static void try_drops(void)
{
	uint64_t before = exo_account()->mappings_dropped;

	on_fault = offer_again;
	faults = 0;
	for (unsigned i = 0; i < SPARSE_PAGES; i++)
		*(volatile uint64_t *)sparse(i) = 1;
	for (unsigned i = 0; i < SPARSE_PAGES; i++)
		expect(*(volatile uint64_t *)sparse(i) == 1, "a dropped page comes back");
	expect(faults > SPARSE_PAGES, "dropped pages fault");
	expect(exo_account()->mappings_dropped > before, "the account says so");
	exo_printf("software TLB: %u pages far apart, %u faults, %llu dropped, %llu kept\n",
	           (unsigned)SPARSE_PAGES, faults,
	           (unsigned long long)(exo_account()->mappings_dropped - before),
	           (unsigned long long)exo_account()->mappings);
	unmap(SPARSE, (uint64_t)SPARSE_PAGES << 18);
}

/* ---- 2 MiB ---- */

static void try_large(void)
{
	struct exo_frame_alloc block = {
	        .count = LARGE_PAGES, .first = EXO_FRAME_ANY, .align = LARGE_PAGES};
	struct exo_mapping mapping = {
	        .address = LARGE, .count = LARGE_PAGES, .rights = RW, .flags = EXO_MAP_LARGE};
	uint64_t before = exo_account()->mappings;

	on_fault = NULL;
	block.authority = *exo_start_cap(EXO_USE_FRAMES);
	if (exo_frame_alloc(&block) < 0) {
		expect(false, "512 frames together");
		return;
	}
	mapping.frame = block.first;
	expect(exo_map(NULL, &mapping, 1) == 1, "a 2 MiB page");
	expect(exo_account()->mappings == before + 1, "it is one binding");
	for (uint64_t i = 0; i < LARGE_PAGES; i++)
		*word(LARGE, i) = i;
	/* The same frames, page by page elsewhere, hold what was written. */
	mapping.address = COPY;
	mapping.flags = 0;
	expect(exo_map(NULL, &mapping, 1) == 1, "4 KiB pages of the same frames");
	for (uint64_t i = 0; i < LARGE_PAGES; i++)
		expect(*word(COPY, i) == i, "content of a 2 MiB page");
	unmap(COPY, LARGE_PAGES);
	unmap(LARGE, LARGE_PAGES);
	expect(exo_frame_free(&block.out) == 0, "its frames go back");
	expect(exo_account()->mappings == before, "nothing is left");
}

/* ---- Cost ---- */

static bool bring_first(uint64_t page, bool write)
{
	return map(page, pool.frame, RW);
}

static void measure(void)
{
	uint64_t begin, frame = pool.frame;

	map(WINDOW + EXO_PAGE_SIZE, frame, RW); /* its table stays */
	begin = exo_tsc();
	for (unsigned i = 0; i < MEASURED; i++) {
		exo_map_page(WINDOW, frame, RW);
		*word(WINDOW, 0) = i;
		exo_unmap_page(WINDOW);
	}
	exo_printf("map, touch, unmap: %llu ticks\n",
	           (unsigned long long)((exo_tsc() - begin) / MEASURED));
	on_fault = bring_first;
	begin = exo_tsc();
	for (uint64_t i = 2; i < MEASURED / 4; i++)
		*word(WINDOW, i) = i;
	exo_printf("page fault, handled: %llu ticks\n",
	           (unsigned long long)((exo_tsc() - begin) / (MEASURED / 4 - 2)));
	unmap(WINDOW, MEASURED);
}

int exo_main(void)
{
	if (exo_pages_alloc(&pool, FRAMES) < 0 || exo_pages_alloc(&store, PAGES) < 0) {
		exo_printf("no frames\n");
		return 1;
	}
	expect(exo_upcall_handle(EXO_UPCALL_ADDRESSING, page_fault, NULL) == 0, "addressing entry");
	if (exo_start_arg(1) != NULL && strcmp(exo_start_arg(1), "measure") == 0)
		measure();
	try_replacement();
	try_copy_on_write();
	try_drops();
	try_large();
	exo_printf("paging: %s\n", failures == 0 ? "all is well" : "not all is well");
	return failures != 0;
}
