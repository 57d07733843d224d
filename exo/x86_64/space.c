/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address spaces of environments: page tables in bounded memory, a cache of what the core entered.
 *
 * The upper half of each top-level table is a copy of the kernel's. Below, the entry that names a
 * table also counts its used entries (bits 52-61, ignored by the CPU), so that a table that became
 * empty is given back: dropping mappings makes room for others. The last table of pages to become
 * empty stays, until another does or memory is short: a page that comes and goes costs no table. A
 * CPU may still walk a table that was given back by its paging-structure caches (SDM vol.
 * 3A, 4.10.3); it stays on the space's retired list until the next flush.
 *
 * Who sees what when: a core publishes the space in cpu->space before it loads CR3, and a flushing
 * core clears entries before it reads cpu->space of the others. Either it sees the space there and
 * asks for a flush, or the other core loads CR3 after the entries were cleared.
 *
 * With PCIDs each core keeps the translations of the last few spaces; a space's generation, which
 * every flush raises, tells whether they are still true.
 */
#include "space.h"

#include <exo/cap.h>
#include <exo/error.h>
#include <exo/layout.h>

#include "apic.h"
#include "heap.h"
#include "memory.h"
#include "paging.h"
#include "start.h"
#include <string.h>

enum {
	COUNT_SHIFT = 52,
	COUNT_MASK = 0x3ff,
	TABLES_SHARE = 16, /* one space may take one part in … of the kernel's heap */
	TABLES_LEAST = 64,
	TABLE_SPAN = PAGING_ENTRIES * EXO_PAGE_SIZE,
	INVLPG_MOST = 32, /* pages to flush one by one before all goes at once */
};
_Static_assert(X86_CORES_MAX <= 64, "flush_others keeps a bit per core");
#define COUNT_ONE    (1ull << COUNT_SHIFT)
#define CR3_NO_FLUSH (1ull << 63)

static uint64_t last_id;
static uint32_t tables_most;

static unsigned index_at(uint64_t address, unsigned level)
{
	return address >> (12 + 9 * level) & (PAGING_ENTRIES - 1);
}

static uint64_t *table_of(uint64_t entry)
{
	return x86_direct(entry & PTE_ADDRESS);
}

static unsigned used(uint64_t entry)
{
	return entry >> COUNT_SHIFT & COUNT_MASK;
}

int machine_space_create(struct machine_space **result)
{
	struct machine_space *space = machine_alloc(sizeof(*space));
	uint64_t *top = heap_table();

	if (space == NULL || top == NULL) {
		machine_free(space);
		heap_free(top);
		return -EXO_ENOMEM;
	}
	if (tables_most == 0) {
		uint64_t share = memory_heap_region().size / EXO_PAGE_SIZE / TABLES_SHARE;

		tables_most = share < TABLES_LEAST ? TABLES_LEAST : (uint32_t)share;
	}
	memcpy(top + PAGING_UPPER, paging_top() + PAGING_UPPER,
	       (PAGING_ENTRIES - PAGING_UPPER) * sizeof(*top));
	space->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
	space->top = top;
	space->top_physical = x86_physical(top);
	space->tables = 1;
	space->last.span = UINT64_MAX;
	*result = space;
	return 0;
}

/* A table with `n` used entries, and those below it. */
static void free_below(uint64_t *table, unsigned level, unsigned n)
{
	for (unsigned i = 0; level > 0 && n > 0; i++) {
		uint64_t entry = table[i];

		if (entry == 0)
			continue;
		n--;
		if ((entry & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT)
			free_below(table_of(entry), level - 1, used(entry));
	}
	heap_free(table);
}

static void free_retired(struct machine_space *space, uint64_t *retired)
{
	uint32_t n = 0;

	while (retired != NULL) {
		uint64_t *next = (uint64_t *)retired[0];

		heap_free(retired);
		retired = next;
		n++;
	}
	space->tables -= n;
}

static uint64_t *new_table(struct machine_space *space)
{
	uint64_t *table = space->tables < tables_most ? heap_table() : NULL;

	if (table != NULL)
		space->tables++;
	return table;
}

/* Finds the entries on the way to `address`: path[3] in the top-level table … path[0] the page's,
 * or path[1] a large page's. Returns the lowest level that it found. */
static unsigned walk(struct machine_space *space, uint64_t address, uint64_t *path[4])
{
	uint64_t *table = space->top;
	unsigned level;

	for (level = 3;; level--) {
		path[level] = &table[index_at(address, level)];
		if (level == 0 || (*path[level] & (PTE_PRESENT | PTE_LARGE)) != PTE_PRESENT)
			return level;
		table = table_of(*path[level]);
	}
}

/* Gives back the tables on the path that have no used entry, from `level` up. */
static void prune(struct machine_space *space, uint64_t *path[4], unsigned level)
{
	space->last.span = UINT64_MAX;
	for (; level <= 3 && used(*path[level]) == 0; level++) {
		uint64_t *table = table_of(*path[level]);

		*path[level] = 0;
		if (level < 3)
			*path[level + 1] -= COUNT_ONE;
		table[0] = (uint64_t)space->retired;
		space->retired = table;
	}
}

static void prune_empty(struct machine_space *space)
{
	uint64_t *path[4];

	if (space->empty != 0 && walk(space, space->empty, path) == 0 && used(*path[1]) == 0)
		prune(space, path, 1);
	space->empty = 0;
}

/* The table of pages around `address` became empty. */
static void keep_empty(struct machine_space *space, uint64_t address)
{
	if (space->empty / TABLE_SPAN != address / TABLE_SPAN)
		prune_empty(space);
	space->empty = address;
}

/* Makes the tables between path[level] and path[to]. */
static int extend(struct machine_space *space, uint64_t address, uint64_t *path[4], unsigned level,
                  unsigned to)
{
	for (; level > to; level--) {
		uint64_t *table = new_table(space);

		if (table == NULL) {
			if (level < 3)
				prune(space, path, level + 1);
			return -EXO_ENOMEM;
		}
		*path[level] = x86_physical(table) | PTE_PRESENT | PTE_WRITE | PTE_USER;
		if (level < 3)
			*path[level + 1] += COUNT_ONE;
		path[level - 1] = &table[index_at(address, level - 1)];
	}
	return 0;
}

#define READABLE (PTE_PRESENT | PTE_USER | PTE_ACCESSED)
#define WRITABLE (READABLE | PTE_WRITE | PTE_DIRTY)
static const uint64_t bits_of[] = {
        [EXO_RIGHT_READ] = READABLE | PTE_NX,
        [EXO_RIGHT_READ | EXO_RIGHT_WRITE] = WRITABLE | PTE_NX,
        [EXO_RIGHT_READ | EXO_RIGHT_EXEC] = READABLE,
};

static uint64_t page_entry(uint64_t frame, unsigned rights)
{
	return frame << EXO_PAGE_SHIFT | bits_of[rights % MACHINE_SPACE_LARGE];
}

/* PTE_LARGE is PAT's bit in a page's own entry, which is never set. */
static bool is_page(uint64_t entry, unsigned level)
{
	return (entry & PTE_PRESENT) != 0 && (level == 0 || (entry & PTE_LARGE) != 0);
}

static uint64_t frame_of(uint64_t entry, unsigned level, uint64_t address)
{
	uint64_t frame = (entry & PTE_ADDRESS) >> EXO_PAGE_SHIFT;

	return level == 0 ? frame : frame + (address >> EXO_PAGE_SHIFT) % PAGING_ENTRIES;
}

static bool find_table(struct machine_space *space, uint64_t address)
{
	uint64_t *at = &space->top[index_at(address, 3)];

	for (unsigned level = 2; level > 0; level--) {
		if ((*at & PTE_PRESENT) == 0)
			return false;
		at = &table_of(*at)[index_at(address, level)];
	}
	if ((*at & (PTE_PRESENT | PTE_LARGE)) != PTE_PRESENT)
		return false;
	space->last.span = address / TABLE_SPAN;
	space->last.table = table_of(*at);
	space->last.up = at;
	return true;
}

/* The usual case in few instructions: the entry of a 4 KiB page whose table is there, and in *up
 * the one that names the table; NULL: another case. */
static inline uint64_t *quick_walk(struct machine_space *space, uint64_t address, uint64_t **up)
{
	if (address / TABLE_SPAN != space->last.span && !find_table(space, address))
		return NULL;
	*up = space->last.up;
	return &space->last.table[index_at(address, 0)];
}

static uint64_t set_entry(uint64_t *at, uint64_t *up, uint64_t entry)
{
	uint64_t old = *at;

	*at = entry;
	if ((old & PTE_PRESENT) != 0)
		return (old & PTE_ADDRESS) >> EXO_PAGE_SHIFT;
	*up += COUNT_ONE;
	return MACHINE_SPACE_NONE;
}

static void flush_range(struct machine_space *space, uint64_t address, uint64_t pages);

static int map_slowly(struct machine_space *space, uint64_t address, uint64_t entry, unsigned to,
                      uint64_t *old)
{
	uint64_t *path[4];
	unsigned level = walk(space, address, path);

	MACHINE_ASSERT(address < EXO_USER_END);
	if (level < to) {
		/* The table whose place a large page takes: it is empty. */
		MACHINE_ASSERT(used(*path[1]) == 0);
		prune(space, path, 1);
		level = walk(space, address, path);
	}
	if (level == 1 && to == 0 && is_page(*path[1], 1))
		return -EXO_EBUSY;
	if (level > to && extend(space, address, path, level, to) != 0) {
		if (space->empty == 0)
			return -EXO_ENOMEM;
		prune_empty(space);
		flush_range(space, address, 0);
		return map_slowly(space, address, entry, to, old);
	}
	*old = set_entry(path[to], path[to + 1], entry);
	return 0;
}

int machine_space_map(struct machine_space *space, uint64_t address, uint64_t frame,
                      unsigned rights, uint64_t *old)
{
	uint64_t entry = page_entry(frame, rights), none, *up, *at;

	if (old == NULL)
		old = &none;
	if ((rights & MACHINE_SPACE_LARGE) != 0)
		return map_slowly(space, address, entry | PTE_LARGE, 1, old);
	at = quick_walk(space, address, &up);
	if (at == NULL)
		return map_slowly(space, address, entry, 0, old);
	*old = set_entry(at, up, entry);
	return 0;
}

static int unmap_large(struct machine_space *space, uint64_t address, uint64_t *frame)
{
	uint64_t *path[4];

	if (walk(space, address, path) != 1 || !is_page(*path[1], 1))
		return -EXO_ENOENT;
	*frame = frame_of(*path[1], 1, address);
	*path[1] = 0;
	*path[2] -= COUNT_ONE;
	prune(space, path, 2);
	return MACHINE_SPACE_LARGE;
}

int machine_space_unmap(struct machine_space *space, uint64_t address, uint64_t *frame)
{
	uint64_t *up, *at;

	if (address >= EXO_USER_END)
		return -EXO_ENOENT;
	at = quick_walk(space, address, &up);
	if (at == NULL)
		return unmap_large(space, address, frame);
	if ((*at & PTE_PRESENT) == 0)
		return -EXO_ENOENT;
	*frame = (*at & PTE_ADDRESS) >> EXO_PAGE_SHIFT;
	*at = 0;
	*up -= COUNT_ONE;
	if (used(*up) == 0 && space->empty != address)
		keep_empty(space, address);
	return 0;
}

int machine_space_query(struct machine_space *space, uint64_t address, uint64_t *frame,
                        unsigned *rights)
{
	uint64_t *path[4], entry;
	unsigned level;

	if (address >= EXO_USER_END)
		return -EXO_ENOENT;
	level = walk(space, address, path);
	entry = *path[level];
	if (!is_page(entry, level))
		return -EXO_ENOENT;
	*frame = frame_of(entry, level, address);
	*rights = EXO_RIGHT_READ | ((entry & PTE_WRITE) != 0 ? EXO_RIGHT_WRITE : 0) |
	          ((entry & PTE_NX) == 0 ? EXO_RIGHT_EXEC : 0);
	return level == 0 ? 0 : MACHINE_SPACE_LARGE;
}

/* ---- Loading ---- */

/* CR3 with a PCID of this core's few, and whether its translations are still true. */
static uint64_t tagged(struct cpu *cpu, struct machine_space *space)
{
	uint64_t generation = space->generation;
	unsigned i;

	for (i = 0; i < CPU_PCIDS; i++) {
		if (cpu->pcid[i].space != space->id)
			continue;
		if (cpu->pcid[i].generation == generation)
			return space->top_physical | (i + 1) | CR3_NO_FLUSH;
		break;
	}
	if (i == CPU_PCIDS) {
		i = cpu->next_pcid;
		cpu->next_pcid = (i + 1) % CPU_PCIDS;
	}
	cpu->pcid[i].space = space->id;
	cpu->pcid[i].generation = generation;
	return space->top_physical | (i + 1);
}

void space_load_tagged(struct cpu *cpu, struct machine_space *space)
{
	/* The generation is read after the space is published, or a flush in between were lost. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	cpu_write_cr3(tagged(cpu, space));
}

/* Forgets what this core cached of the loaded space, or lets go of a dying one. */
static void flush_here(struct cpu *cpu)
{
	struct machine_space *space = cpu->space;

	if (space == NULL)
		return;
	if (space->dying) {
		paging_load();
		cpu->space = NULL;
		return;
	}
	cpu_write_cr3(cpu_read_cr3()); /* bit 63 reads as 0: flushes this PCID */
}

void space_serve_flush(void)
{
	struct cpu *cpu = cpu_this();
	uint32_t wanted = __atomic_load_n(&cpu->flush_wanted, __ATOMIC_ACQUIRE);

	if (wanted == cpu->flush_done)
		return;
	flush_here(cpu);
	__atomic_store_n(&cpu->flush_done, wanted, __ATOMIC_RELEASE);
}

static void wait_flushed(struct cpu *cpu, uint32_t ticket)
{
	while ((int32_t)(__atomic_load_n(&cpu->flush_done, __ATOMIC_ACQUIRE) - ticket) < 0) {
		space_serve_flush();
		cpu_pause();
	}
}

/* Has every other core that holds `space` loaded flush it, and waits for them all. */
static void flush_others(struct machine_space *space)
{
	unsigned self = machine_core(), n = machine_cores();
	uint32_t tickets[X86_CORES_MAX];
	uint64_t asked = 0;

	if (n == 1)
		return;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < n; i++) {
		struct cpu *cpu = &x86_cpus[i];

		if (i == self || cpu->space != space)
			continue;
		asked |= 1ull << i;
		tickets[i] = __atomic_add_fetch(&cpu->flush_wanted, 1, __ATOMIC_SEQ_CST);
		machine_nudge(i);
	}
	for (; asked != 0; asked &= asked - 1) {
		unsigned i = (unsigned)__builtin_ctzll(asked);

		wait_flushed(&x86_cpus[i], tickets[i]);
	}
}

static void flush_range(struct machine_space *space, uint64_t address, uint64_t pages)
{
	struct cpu *cpu = cpu_this();
	uint64_t *retired = space->retired;

	space->retired = NULL;
	__atomic_fetch_add(&space->generation, 1, __ATOMIC_SEQ_CST);
	if (cpu->space == space && pages <= INVLPG_MOST) {
		for (uint64_t i = 0; i < pages; i++)
			paging_forget(address + i * EXO_PAGE_SIZE);
	}
	if (cpu->space == space && (pages > INVLPG_MOST || retired != NULL))
		flush_here(cpu);
	flush_others(space);
	free_retired(space, retired);
}

void machine_space_flush(struct machine_space *space, uint64_t address, uint64_t pages)
{
	/* The usual case of a fault handler, in few instructions: nobody else can have it. */
	struct cpu *cpu = cpu_this();

	if (pages != 1 || space->retired != NULL || smp_cores != 1 || cpu->space != space) {
		flush_range(space, address, pages);
		return;
	}
	space->generation++;
	__asm__ volatile("invlpg (%0)" : : "r"(address) : "memory");
}

void machine_space_destroy(struct machine_space *space)
{
	space->dying = true;
	if (cpu_this()->space == space)
		flush_here(cpu_this());
	flush_others(space);
	free_retired(space, space->retired);
	for (unsigned i = 0; i < PAGING_UPPER; i++)
		if ((space->top[i] & PTE_PRESENT) != 0)
			free_below(table_of(space->top[i]), 2, used(space->top[i]));
	heap_free(space->top);
	machine_free(space);
}
