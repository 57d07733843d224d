/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Intel's IOMMU ("VT-d": Intel Virtualization Technology for Directed I/O, revision 3.3), in its
 * legacy mode: a root table with an entry per bus, a context table of a bus with an entry per
 * function, and page tables of a domain as deep as the CPU's.
 *
 *     no entry       the function reaches nothing; what it tries is counted and said
 *     pass-through   functions that a driver of the kernel's directs: all memory (x86_dma_trust),
 *                    and those that firmware goes on using (RMRR)
 *     a domain       a function that is an environment's: the pages that were entered; a NIC with
 *                    a queue to spare: all memory, by large pages, and what was entered
 *
 * Units share the tables. Tables only grow; entries are written whole, and flushed from the cache,
 * since a unit need not look there. Interrupts are not remapped: a function's own driver is the
 * kernel's, so that no environment chooses addresses, and what a domain's function writes to the
 * interrupt range (0xfeexxxxx) is what the kernel put into its MSI-X table.
 */
#include "start.h"

#include <exo/error.h>
#include <string.h>

#include "../x86_64/cpu.h"
#include "../x86_64/x86.h"
#include "acpi.h"

enum {
	PAGE = 4096,
	UNITS_MAX = 16,
	DOMAINS_MAX = 64,
	REPORTED = 8, /* faults that get a line each; later ones when their number doubles */

	DMAR_STRUCTURES = 48, /* ACPI: DMAR (VT-d 8.1), offsets inside the table */
	DMAR_UNIT = 0,
	DMAR_RESERVED = 1,
	UNIT_SCOPES = 16,
	RESERVED_SCOPES = 24,
	UNIT_ALL = 1, /* flag: every function that no other unit names */
	SCOPE_ENDPOINT = 1,
	CLASS_DISPLAY = 3,

	CAP = 0x08, /* registers (VT-d 11.4) */
	ECAP = 0x10,
	COMMAND = 0x18,
	STATUS = 0x1c,
	ROOT = 0x20,
	CONTEXT_COMMAND = 0x28,
	FAULT_STATUS = 0x34,
	FAULT_CONTROL = 0x38,
	FAULT_DATA = 0x3c,
	FAULT_ADDRESS = 0x40,
	FAULT_ADDRESS_HIGH = 0x44,
	PROTECTED = 0x64,
	FAULT_STATUS_CLEAR = 0x73,

	CAP_WRITE_BUFFER = 1 << 4,
	CAP_PROTECTED = 3 << 5,
	LARGE_SHIFT = 21, /* of large pages, whose entries say so by */
	LARGE_ENTRY = 1 << 7,
	ECAP_PASS = 1 << 6,
	COMMAND_WRITE_BUFFER = 1 << 27,
	COMMAND_ROOT = 1 << 30,

	CONTEXT_PRESENT = 1,
	CONTEXT_PASS = 2 << 2,
	DOMAIN_PASS = 1, /* 0 is the hardware's in caching mode */
};

#define CAP_LARGE         (1ull << 34)
#define COMMAND_TRANSLATE 0x80000000u
#define CONTEXT_ALL       (1ull << 63 | 1ull << 61)
/* Invalidate and drain reads and writes, all of it or one domain (VT-d 11.4.8.1). */
#define IOTLB_ALL    (1ull << 63 | 1ull << 60 | 3ull << 48)
#define IOTLB_DOMAIN (1ull << 63 | 2ull << 60 | 3ull << 48)
#define ADDRESS      0x000ffffffffff000ull

struct unit {
	volatile uint8_t *registers;
	uint64_t cap, ecap;
};

struct x86_domain {
	uint64_t *top;
	uint16_t id;
};

static struct unit units[UNITS_MAX];
static unsigned n_units;
static unsigned levels; /* of page tables; 0: there is no IOMMU */
static uint64_t *root;
static uint64_t *contexts[256];
static struct x86_domain domains[DOMAINS_MAX];
static unsigned n_domains;
static struct machine_lock lock; /* tables while they grow, and registers */
static uint64_t faults;
static bool active; /* the units look at the tables */

/* ---- Registers ---- */

static uint32_t get32(const struct unit *unit, unsigned offset)
{
	return *(volatile uint32_t *)(unit->registers + offset);
}

static void put32(const struct unit *unit, unsigned offset, uint32_t value)
{
	*(volatile uint32_t *)(unit->registers + offset) = value;
}

static uint64_t get64(const struct unit *unit, unsigned offset)
{
	return *(volatile uint64_t *)(unit->registers + offset);
}

static void put64(const struct unit *unit, unsigned offset, uint64_t value)
{
	*(volatile uint64_t *)(unit->registers + offset) = value;
}

/* Waits a second at most for register & mask to be `value`. */
static bool comes(const struct unit *unit, unsigned offset, uint64_t mask, uint64_t value)
{
	const uint64_t begin = x86_tsc();

	while (((mask >> 32 ? get64(unit, offset) : get32(unit, offset)) & mask) != value) {
		if (x86_tsc() - begin > x86_tsc_hz())
			return false;
		cpu_pause();
	}
	return true;
}

/* What is on stays on; the bits that act once are not repeated (VT-d 11.4.4). */
static bool command(const struct unit *unit, uint32_t set, uint32_t clear)
{
	uint32_t on = get32(unit, STATUS) & 0x96ffffff;

	put32(unit, COMMAND, (on & ~clear) | set);
	return comes(unit, STATUS, set | clear, set);
}

static void invalidate(const struct unit *unit, uint64_t context, uint64_t iotlb)
{
	unsigned at = (unsigned)(unit->ecap >> 8 & 0x3ff) * 16 + 8;
	bool done = true;

	if ((unit->cap & CAP_WRITE_BUFFER) != 0) {
		put32(unit, COMMAND, (get32(unit, STATUS) & 0x96ffffff) | COMMAND_WRITE_BUFFER);
		done = comes(unit, STATUS, COMMAND_WRITE_BUFFER, 0);
	}
	if (context != 0) {
		put64(unit, CONTEXT_COMMAND, context);
		done = done && comes(unit, CONTEXT_COMMAND, 1ull << 63, 0);
	}
	put64(unit, at, iotlb);
	if (!done || !comes(unit, at, 1ull << 63, 0))
		machine_panic("iommu: it does not forget what it was told to");
}

static void invalidate_all(uint64_t context, uint64_t iotlb)
{
	for (unsigned i = 0; i < n_units; i++)
		invalidate(&units[i], context, iotlb);
}

/* ---- Tables ---- */

static void put_entry(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELAXED);
	__asm__ volatile("clflush %0; sfence" : "+m"(*entry));
}

static uint64_t *make_table(void)
{
	uint64_t *table = x86_alloc_raw(PAGE, PAGE);

	if (table == NULL)
		return NULL;
	for (unsigned i = 0; i < PAGE / sizeof(*table); i++)
		put_entry(&table[i], 0);
	return table;
}

/* The table that *entry leads to, made where there is none yet. */
static uint64_t *follow(uint64_t *entry, uint64_t flags)
{
	uint64_t *table;

	if ((*entry & ADDRESS) != 0)
		return x86_direct(*entry & ADDRESS);
	table = make_table();
	if (table != NULL)
		put_entry(entry, x86_physical(table) | flags);
	return table;
}

/* The entry of a page (level 1), or of a large one (2). */
static uint64_t *page_entry(const struct x86_domain *domain, uint64_t at, unsigned last)
{
	uint64_t *table = domain->top;

	for (unsigned level = levels; level > last && table != NULL; level--)
		table = follow(&table[at >> (3 + 9 * level) & 511], 3);
	return table == NULL ? NULL : &table[at >> (3 + 9 * last) & 511];
}

/* Writes a function's entry, unless it has one. The second half first: the first says "present". */
static bool enter(unsigned bus, unsigned device, unsigned function, uint64_t low, unsigned domain)
{
	uint64_t *entry;
	bool done = false;

	machine_lock(&lock);
	if (contexts[bus & 255] == NULL)
		contexts[bus & 255] = follow(&root[(size_t)(bus & 255) * 2], CONTEXT_PRESENT);
	if (contexts[bus & 255] != NULL) {
		entry = &contexts[bus & 255][(size_t)((device & 31) << 3 | (function & 7)) * 2];
		done = entry[0] == 0;
		if (done) {
			put_entry(&entry[1], (uint64_t)domain << 8 | (levels - 2));
			put_entry(&entry[0], low | CONTEXT_PRESENT);
			if (active)
				invalidate_all(CONTEXT_ALL, IOTLB_ALL);
		}
	}
	machine_unlock(&lock);
	return done;
}

void x86_dma_trust(unsigned bus, unsigned device, unsigned function)
{
	if (levels == 0)
		return;
	(void)enter(bus, device, function, CONTEXT_PASS, DOMAIN_PASS);
	/* What lies behind a bridge to conventional PCI goes by this name. */
	if (bus != 0)
		(void)enter(bus, 0, 0, CONTEXT_PASS, DOMAIN_PASS);
}

struct x86_domain *x86_domain_make(unsigned bus, unsigned device, unsigned function)
{
	struct x86_domain *domain = &domains[n_domains];

	if (levels == 0 || n_domains == DOMAINS_MAX)
		return NULL;
	domain->id = (uint16_t)(DOMAIN_PASS + 1 + n_domains);
	domain->top = make_table();
	if (domain->top == NULL ||
	    !enter(bus, device, function, x86_physical(domain->top), domain->id))
		return NULL;
	n_domains++;
	return domain;
}

struct x86_domain *x86_domain_all(unsigned bus, unsigned device, unsigned function, uint64_t end)
{
	struct x86_domain *domain;
	uint64_t *entry = NULL;

	for (unsigned i = 0; i < n_units; i++)
		if ((units[i].cap & CAP_LARGE) == 0)
			return NULL;
	domain = x86_domain_make(bus, device, function);
	if (domain == NULL)
		return NULL;
	machine_lock(&lock);
	for (uint64_t at = 0; at < end; at += 1ull << LARGE_SHIFT) {
		entry = page_entry(domain, at, 2);
		if (entry == NULL)
			machine_panic("iommu: no memory for the tables of a NIC");
		put_entry(entry, at | LARGE_ENTRY | X86_DOMAIN_READ | X86_DOMAIN_WRITE);
	}
	machine_unlock(&lock);
	x86_domain_flush(domain);
	return domain;
}

uint64_t x86_domain_window(void)
{
	return 1ull << (12 + 9 * levels - 1);
}

bool x86_domain_map(struct x86_domain *domain, uint64_t at, uint64_t physical, unsigned rights)
{
	uint64_t *entry;

	machine_lock(&lock);
	entry = page_entry(domain, at, 1);
	if (entry != NULL)
		put_entry(entry, rights == 0 ? 0 : (physical & ADDRESS) | rights);
	machine_unlock(&lock);
	return entry != NULL;
}

void x86_domain_flush(const struct x86_domain *domain)
{
	machine_lock(&lock);
	invalidate_all(0, IOTLB_DOMAIN | (uint64_t)domain->id << 32);
	machine_unlock(&lock);
}

/* ---- Faults ---- */

static void tell(uint64_t address, uint64_t what)
{
	uint64_t n = __atomic_add_fetch(&faults, 1, __ATOMIC_RELAXED);

	if (n > REPORTED && (n & (n - 1)) != 0)
		return;
	x86_print("iommu: %02x:%02x.%x was kept from %s %lx (reason %u); %lu so far\n",
	          (unsigned)(what >> 8 & 255), (unsigned)(what >> 3 & 31), (unsigned)(what & 7),
	          (what >> 62 & 1) != 0 ? "reading" : "writing", address >> 12 << 12,
	          (unsigned)(what >> 32 & 255), n);
}

static void take_faults(const struct unit *unit)
{
	unsigned n = (unsigned)(unit->cap >> 40 & 255) + 1;

	for (unsigned i = 0; i < n; i++) {
		unsigned at = (unsigned)(unit->cap >> 24 & 0x3ff) * 16 + 16 * i;
		uint64_t what = get64(unit, at + 8);

		if (what >> 63 == 0)
			continue;
		tell(get64(unit, at), what);
		put32(unit, at + 12, 1u << 31);
	}
	put32(unit, FAULT_STATUS, FAULT_STATUS_CLEAR);
}

static void faulted(void *unused)
{
	for (unsigned i = 0; i < n_units; i++)
		take_faults(&units[i]);
}

uint64_t machine_dma_faults(void)
{
	return __atomic_load_n(&faults, __ATOMIC_RELAXED);
}

/* ---- Start ---- */

static uint64_t read_le(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	memcpy(&value, at, bytes);
	return value;
}

/* Visits each endpoint that a structure's scopes name (VT-d 8.3.1), by way of the bridges' buses.
 * → whether any visit said true. */
static bool each_endpoint(const uint8_t *scope, const uint8_t *end,
                          bool (*visit)(unsigned bus, unsigned device, unsigned function))
{
	bool any = false;

	for (; end - scope >= 8 && scope[1] >= 8 && end - scope >= scope[1]; scope += scope[1]) {
		unsigned bus = scope[5], hops = scope[1] / 2u - 3;

		for (unsigned i = 0; i + 1 < hops; i++)
			bus = x86_pci_read(bus, scope[6 + 2 * i], scope[7 + 2 * i], 0x19, 1);
		if (scope[0] == SCOPE_ENDPOINT)
			any |= visit(bus, scope[4 + 2 * hops], scope[5 + 2 * hops]);
	}
	return any;
}

static bool is_display(unsigned bus, unsigned device, unsigned function)
{
	return x86_pci_read(bus, device, function, 0x0b, 1) == CLASS_DISPLAY;
}

static bool trust(unsigned bus, unsigned device, unsigned function)
{
	x86_dma_trust(bus, device, function);
	return true;
}

/* A unit that serves the display alone is left as it is: the display reads its picture through it.
 */
static void add_unit(const uint8_t *structure, const uint8_t *end)
{
	struct unit *unit = &units[n_units];

	if (read_le(structure + 6, 2) != 0 || n_units == UNITS_MAX ||
	    ((structure[4] & UNIT_ALL) == 0 &&
	     each_endpoint(structure + UNIT_SCOPES, end, is_display)))
		return;
	unit->registers = x86_device_map(read_le(structure + 8, 8), PAGE);
	if (unit->registers == NULL)
		return;
	unit->cap = get64(unit, CAP);
	unit->ecap = get64(unit, ECAP);
	n_units++;
}

static void read_dmar(const uint8_t *table, unsigned type,
                      void (*take)(const uint8_t *structure, const uint8_t *end))
{
	const uint8_t *end = table + read_le(table + 4, 4);

	for (const uint8_t *at = table + DMAR_STRUCTURES; end - at >= UNIT_SCOPES;) {
		uint64_t length = read_le(at + 2, 2);

		if (length < UNIT_SCOPES || length > (uint64_t)(end - at))
			return;
		if (read_le(at, 2) == type)
			take(at, at + length);
		at += length;
	}
}

static void keep_reserved(const uint8_t *structure, const uint8_t *end)
{
	if (end - structure > RESERVED_SCOPES)
		(void)each_endpoint(structure + RESERVED_SCOPES, end, trust);
}

/* The deepest page tables that all units walk, for addresses that all take; 0: they differ, or
 * can't pass functions through. */
static unsigned choose_levels(void)
{
	unsigned depths = 6, width = 64;

	for (unsigned i = 0; i < n_units; i++) {
		unsigned takes = (unsigned)(units[i].cap >> 16 & 63) + 1;

		depths &= (unsigned)(units[i].cap >> 8);
		width = takes < width ? takes : width;
		if ((units[i].ecap & ECAP_PASS) == 0)
			return 0;
	}
	if ((depths & 4) != 0 && width >= 48)
		return 4;
	return (depths & 2) != 0 && width >= 39 ? 3 : 0;
}

static bool switch_on(const struct unit *unit, const struct x86_msi *msi)
{
	/* Firmware may have left translation, interrupts remapped, or memory protected. */
	put32(unit, COMMAND, 0);
	if (!comes(unit, STATUS, COMMAND_TRANSLATE, 0))
		return false;
	put64(unit, ROOT, x86_physical(root));
	if (!command(unit, COMMAND_ROOT, 0))
		return false;
	invalidate(unit, CONTEXT_ALL, IOTLB_ALL);
	take_faults(unit);
	put32(unit, FAULT_DATA, msi->data);
	put32(unit, FAULT_ADDRESS, (uint32_t)msi->address);
	put32(unit, FAULT_ADDRESS_HIGH, (uint32_t)(msi->address >> 32));
	put32(unit, FAULT_CONTROL, 0);
	if (!command(unit, COMMAND_TRANSLATE, 0))
		return false;
	if ((unit->cap & CAP_PROTECTED) != 0)
		put32(unit, PROTECTED, 0);
	return true;
}

void vtd_init(void)
{
	const uint8_t *table = acpi_find("DMAR");
	struct x86_msi msi;

	if (table == NULL)
		return;
	read_dmar(table, DMAR_UNIT, add_unit);
	levels = n_units == 0 ? 0 : choose_levels();
	root = levels == 0 ? NULL : make_table();
	if (root == NULL || x86_interrupt_alloc(0, faulted, NULL, &msi) < 0) {
		x86_print("iommu: not used: %s\n",
		          n_units == 0 ? "ACPI names none for this machine's devices"
		                       : "it passes no device through, or walks no page tables of "
		                         "ours");
		levels = n_units = 0;
		return;
	}
	read_dmar(table, DMAR_RESERVED, keep_reserved);
	for (unsigned i = 0; i < n_units; i++)
		if (!switch_on(&units[i], &msi))
			machine_panic("iommu: unit %u can't be switched on", i);
	active = true;
	x86_print("iommu: VT-d, %u %s, tables of %u levels: devices reach what they are given\n",
	          n_units, n_units == 1 ? "unit" : "units", levels);
}
