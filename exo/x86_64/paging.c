/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's page tables; see paging.h. */
#include "paging.h"

#include "heap.h"
#include "kernel.h"
#include "memory.h"
#include <string.h>

enum {
	STACKS = 4, /* per core: the kernel's, double fault, NMI, machine check */
};
#define LARGE_BYTES  (2ull << 20)
#define STACK_STRIDE (128ull << 10) /* of one stack's place in the window */
#define CORE_STRIDE  (STACKS * STACK_STRIDE)
#define DEVICE_BYTES (1ull << 38)

static uint64_t *top;
static uint64_t *trampoline, *trampoline_tables;

static unsigned index_at(uint64_t virtual, unsigned level)
{
	return virtual >> (12 + 9 * level) & (PAGING_ENTRIES - 1);
}

static uint64_t *table_of(uint64_t entry)
{
	return x86_direct(entry & PTE_ADDRESS);
}

static uint64_t *new_table(void)
{
	uint64_t *table = heap_table();

	if (table == NULL)
		machine_panic("no memory for the kernel's page tables");
	return table;
}

/* The entry for `virtual` in the table of `level` (3: top), whose upper levels are made. */
static uint64_t *walk(uint64_t virtual, unsigned level)
{
	uint64_t *table = top;

	for (unsigned l = 3; l > level; l--) {
		uint64_t *entry = &table[index_at(virtual, l)];

		if ((*entry & PTE_PRESENT) == 0)
			*entry = (machine_frame_of(new_table()) << EXO_PAGE_SHIFT) | PTE_PRESENT |
			         PTE_WRITE;
		table = table_of(*entry);
	}
	return &table[index_at(virtual, level)];
}

void paging_map(uint64_t virtual, uint64_t physical, uint64_t size, uint64_t flags)
{
	flags |= PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY;
	flags |= cpu_features.pge ? PTE_GLOBAL : 0;
	while (size > 0) {
		bool large = ((virtual | physical) & (LARGE_BYTES - 1)) == 0 && size >= LARGE_BYTES;
		uint64_t step = large ? LARGE_BYTES : EXO_PAGE_SIZE;
		uint64_t *entry = walk(virtual, large ? 1 : 0);

		do { /* to the end of this table */
			*entry++ = physical | flags | (large ? PTE_LARGE : 0);
			virtual += step;
			physical += step;
			size -= step;
		} while (size >= step && (virtual & (step * PAGING_ENTRIES - 1)) != 0);
	}
}

/* Entry that maps `virtual`, of whatever size; its level in *level. */
static uint64_t *find(uint64_t virtual, unsigned *level)
{
	uint64_t *table = top;

	for (*level = 3;; (*level)--) {
		uint64_t *entry = &table[index_at(virtual, *level)];

		if ((*entry & PTE_PRESENT) == 0)
			return NULL;
		if (*level == 0 || (*entry & PTE_LARGE) != 0)
			return entry;
		table = table_of(*entry);
	}
}

uint64_t *paging_entry(uint64_t virtual)
{
	unsigned level;
	uint64_t *entry = find(virtual, &level);

	return entry != NULL && level == 0 ? entry : NULL;
}

void paging_forget(uint64_t virtual)
{
	__asm__ volatile("invlpg (%0)" ::"r"(virtual) : "memory");
}

uint64_t x86_physical(const void *address)
{
	uint64_t virtual = (uint64_t)address, *entry, mask;
	unsigned level;

	if (virtual >= X86_DIRECT_BASE && virtual < X86_DEVICE_BASE)
		return virtual - X86_DIRECT_BASE;
	if ((virtual >> 63) == 0)
		return UINT64_MAX;
	entry = find(virtual, &level);
	if (entry == NULL)
		return UINT64_MAX;
	mask = (EXO_PAGE_SIZE << (9 * level)) - 1;
	return (*entry & PTE_ADDRESS & ~mask) | (virtual & mask);
}

static void map_image(const char *from, const char *to, uint64_t flags)
{
	uint64_t base = (uint64_t)from & ~(EXO_PAGE_SIZE - 1);
	uint64_t end = ((uint64_t)to + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);

	paging_map(base, kernel_physical((void *)base), end - base, flags);
}

static void map_direct(void)
{
	uint64_t base, size;

	for (unsigned i = 0; memory_direct_range(i, &base, &size); i++)
		paging_map(X86_DIRECT_BASE + base, base, size, PTE_WRITE | PTE_NX);
}

void paging_init(void)
{
	top = new_table();
	map_direct();
	map_image(kernel_start, kernel_text_end, 0);
	map_image(kernel_rodata, kernel_data, PTE_NX);
	map_image(kernel_data, kernel_end, PTE_WRITE | PTE_NX);
	walk(X86_DEVICE_BASE, 2);
	walk(X86_STACK_BASE, 2);
	paging_load();
}

void paging_load(void)
{
	cpu_write_cr3(paging_top_physical());
}

const uint64_t *paging_top(void)
{
	return top;
}

uint64_t paging_top_physical(void)
{
	return machine_frame_of(top) << EXO_PAGE_SHIFT;
}

/* ---- Device memory ---- */

static struct machine_lock device_lock;
static struct {
	uint64_t physical, size, virtual;
} devices[256];
static unsigned n_devices;
static uint64_t device_next = X86_DEVICE_BASE;

static void *map_device_pages(uint64_t physical, uint64_t size)
{
	uint64_t virtual = device_next;

	for (unsigned i = 0; i < n_devices; i++) {
		if (devices[i].physical == physical && devices[i].size == size)
			return (void *)devices[i].virtual;
	}
	if (n_devices == sizeof(devices) / sizeof(devices[0]) ||
	    size > X86_DEVICE_BASE + DEVICE_BYTES - virtual)
		return NULL;
	paging_map(virtual, physical, size, PTE_WRITE | PTE_NX | PTE_UNCACHED);
	devices[n_devices].physical = physical;
	devices[n_devices].size = size;
	devices[n_devices++].virtual = virtual;
	device_next += size;
	return (void *)virtual;
}

void *x86_device_map(uint64_t physical, uint64_t size)
{
	uint64_t base = physical & ~(EXO_PAGE_SIZE - 1), offset = physical - base;
	char *alias;

	if (size == 0 || size > DEVICE_BYTES)
		return NULL;
	size = (size + offset + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
	machine_lock(&device_lock);
	alias = map_device_pages(base, size);
	machine_unlock(&device_lock);
	return alias == NULL ? NULL : alias + offset;
}

/* ---- Stacks ---- */

static uint64_t stack_place(unsigned core, unsigned which)
{
	return X86_STACK_BASE + core * CORE_STRIDE + which * STACK_STRIDE;
}

/* Maps one stack into the middle of its place; returns its top. */
static uint64_t make_stack(unsigned core, unsigned which, uint64_t size)
{
	uint64_t base = stack_place(core, which) + EXO_PAGE_SIZE;
	void *pages = heap_pages(size / EXO_PAGE_SIZE, 1);

	if (pages == NULL)
		machine_panic("no memory for the stacks of core %u", core);
	paging_map(base, x86_physical(pages), size, PTE_WRITE | PTE_NX);
	return base + size;
}

void paging_make_stacks(struct cpu *cpu)
{
	cpu->stack_top = make_stack(cpu->number, 0, CPU_STACK_BYTES);
	for (unsigned i = 1; i < STACKS; i++) {
		uint64_t stack = make_stack(cpu->number, i, CPU_IST_BYTES) - 16;

		*(struct cpu **)stack = cpu; /* trap_fatal looks here */
		cpu->tss.ist[i - 1] = stack;
	}
}

const char *paging_guard(uint64_t address)
{
	static const char *const names[STACKS] = {"kernel", "double fault", "NMI", "machine check"};
	uint64_t offset = address - X86_STACK_BASE;

	if (address < X86_STACK_BASE || offset >= X86_CORES_MAX * CORE_STRIDE ||
	    offset % STACK_STRIDE >= EXO_PAGE_SIZE)
		return NULL;
	return names[offset % CORE_STRIDE / STACK_STRIDE];
}

/* ---- The other cores' way in ---- */

uint64_t paging_make_trampoline(void)
{
	uint64_t *low;

	trampoline = new_table();
	trampoline_tables = heap_pages(2, 1);
	if (trampoline_tables == NULL)
		machine_panic("no memory for starting other cores");
	memset(trampoline_tables, 0, 2 * EXO_PAGE_SIZE);
	low = trampoline_tables + PAGING_ENTRIES;
	memcpy(trampoline, top, PAGING_ENTRIES * sizeof(uint64_t));
	trampoline[0] = x86_physical(trampoline_tables) | PTE_PRESENT | PTE_WRITE;
	trampoline_tables[0] = x86_physical(low) | PTE_PRESENT | PTE_WRITE;
	low[0] = PTE_PRESENT | PTE_WRITE | PTE_LARGE;
	return x86_physical(trampoline);
}

void paging_drop_trampoline(void)
{
	heap_free(trampoline_tables);
	heap_free(trampoline);
}
