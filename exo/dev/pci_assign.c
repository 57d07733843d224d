/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See pci_assign.h. Firmware of micro-VMs (qboot) leaves BARs at 0, and some servers' leaves out
 * what lies behind a slot that was empty. PCI 3.0, 6.2.5.1: what is writable in a BAR tells its
 * size.
 *
 * New addresses go above the highest one in use, or below the lowest: no map of holes is kept.
 */
#include "pci_assign.h"

#include "../x86_64/x86.h"

enum {
	REG_COMMAND = 0x04,
	REG_CLASS = 0x0b,
	REG_HEADER = 0x0e,
	REG_BAR0 = 0x10,
	REG_MEMORY = 0x20, /* of a bridge: base, limit in MiB, 16 bits each */
	COMMAND_DECODE = 3,
	BARS = 6,
	BAR_IO = 1,
	BAR_TYPE = 6,
	BAR_64BIT = 4,
	BAR_FLAGS = 15,
	CLASS_STORAGE = 1,
	CLASS_NETWORK = 2,
	PAGE = 4096,
};

struct place {
	unsigned bus, device, function;
};

static uint64_t window, window_end;
static uint64_t lowest, highest; /* what is in use of the window */

static uint32_t get(const struct place *p, unsigned reg, unsigned size)
{
	return x86_pci_read(p->bus, p->device, p->function, reg, size);
}

static void put(const struct place *p, unsigned reg, uint32_t value)
{
	x86_pci_write(p->bus, p->device, p->function, reg, 4, value);
}

static uint32_t probe(const struct place *p, unsigned reg)
{
	uint32_t old = get(p, reg, 4), mask;

	put(p, reg, UINT32_MAX);
	mask = get(p, reg, 4);
	put(p, reg, old);
	return mask;
}

/* Bytes that a memory BAR decodes, 0: none, or more than 32 bits can say; *wide: it takes two
 * registers. */
static uint64_t bar_size(const struct place *p, unsigned reg, bool *wide)
{
	uint32_t low = probe(p, reg);

	*wide = (low & (BAR_IO | BAR_TYPE)) == BAR_64BIT && reg < REG_BAR0 + 4 * (BARS - 1);
	if ((low & BAR_IO) != 0 || (low & ~(uint32_t)BAR_FLAGS) == 0)
		return 0;
	return -(low & ~(uint32_t)BAR_FLAGS);
}

static uint64_t bar_base(const struct place *p, unsigned reg, bool wide)
{
	uint64_t base = get(p, reg, 4) & ~(uint32_t)BAR_FLAGS;

	return wide ? base | (uint64_t)get(p, reg + 4, 4) << 32 : base;
}

static void note_used(uint64_t base, uint64_t end)
{
	if (base < window || end > window_end || base >= end)
		return;
	if (base < lowest)
		lowest = base;
	if (end > highest)
		highest = end;
}

static uint64_t choose(uint64_t size)
{
	uint64_t step = size < PAGE ? PAGE : size; /* drivers map whole pages */
	uint64_t above = (highest + step - 1) & ~(step - 1), below = lowest & ~(step - 1);

	if (above <= window_end && step <= window_end - above)
		return above;
	return below >= window && below - window >= step ? below - step : 0;
}

static void assign(const struct place *p, unsigned reg, uint64_t size, bool wide)
{
	uint64_t base = p->bus == 0 ? choose(size) : 0;

	if (base == 0) {
		x86_print("pci: %02x:%02x.%x has %llu KiB without an address and there is no room: "
		          "let the firmware's set-up assign PCI resources\n",
		          p->bus, p->device, p->function, (unsigned long long)size >> 10);
		return;
	}
	put(p, reg, (uint32_t)base);
	if (wide)
		put(p, reg + 4, 0);
	note_used(base, base + (size < PAGE ? PAGE : size));
	x86_print("pci: %02x:%02x.%x: %llu KiB at %llx, where firmware gave no address\n", p->bus,
	          p->device, p->function, (unsigned long long)size >> 10, (unsigned long long)base);
}

/* Visits each memory BAR of a device with its decoding off. */
static void each_bar(const struct place *p,
                     void (*visit)(const struct place *, unsigned reg, uint64_t size, bool wide))
{
	uint32_t command = get(p, REG_COMMAND, 2);

	x86_pci_write(p->bus, p->device, p->function, REG_COMMAND, 2,
	              command & ~(uint32_t)COMMAND_DECODE);
	for (unsigned reg = REG_BAR0; reg < REG_BAR0 + 4 * BARS; reg += 4) {
		bool wide;
		uint64_t size = bar_size(p, reg, &wide);

		if (size != 0)
			visit(p, reg, size, wide);
		reg += wide ? 4 : 0;
	}
	x86_pci_write(p->bus, p->device, p->function, REG_COMMAND, 2, command);
}

static void note_bar(const struct place *p, unsigned reg, uint64_t size, bool wide)
{
	uint64_t base = bar_base(p, reg, wide);

	note_used(base, base + size);
}

static void note(unsigned bus, unsigned device, unsigned function)
{
	struct place p = {bus, device, function};
	uint32_t memory;

	if ((get(&p, REG_HEADER, 1) & 0x7f) == 0) {
		each_bar(&p, note_bar);
		return;
	}
	memory = get(&p, REG_MEMORY, 4);
	note_used((uint64_t)(memory & 0xfff0) << 16,
	          ((uint64_t)(memory >> 16 & 0xfff0) << 16) + (1 << 20));
}

static void assign_bar(const struct place *p, unsigned reg, uint64_t size, bool wide)
{
	if (bar_base(p, reg, wide) == 0)
		assign(p, reg, size, wide);
}

static bool is_ours(const struct place *p)
{
	uint32_t class = get(p, REG_CLASS, 1);

	return (get(p, REG_HEADER, 1) & 0x7f) == 0 &&
	       (class == CLASS_NETWORK || class == CLASS_STORAGE);
}

/* Whether firmware has left out a device: one none of whose memory has an address. */
static bool any_missing;

static void look(unsigned bus, unsigned device, unsigned function)
{
	struct place p = {bus, device, function};
	uint32_t any = 0;

	for (unsigned reg = REG_BAR0; is_ours(&p) && reg < REG_BAR0 + 4 * BARS; reg += 4)
		any |= (get(&p, reg, 4) & BAR_IO) != 0 ? 0 : get(&p, reg, 4) & ~(uint32_t)BAR_FLAGS;
	any_missing = any_missing || (is_ours(&p) && any == 0);
}

static void give(unsigned bus, unsigned device, unsigned function)
{
	struct place p = {bus, device, function};

	if (is_ours(&p))
		each_bar(&p, assign_bar);
}

uint64_t dev_pci_room(uint64_t size)
{
	static bool known;
	uint64_t base;

	if (window == window_end)
		return 0;
	if (!known && !any_missing) {
		lowest = window_end;
		highest = window;
		x86_pci_walk(note);
	}
	known = true;
	base = choose(size);
	if (base != 0)
		note_used(base, base + size);
	return base;
}

void dev_pci_assign(void)
{
	uint64_t size;

	window = x86_pci_window(&size);
	window_end = window + size;
	if (size == 0)
		return;
	x86_pci_walk(look);
	if (!any_missing)
		return;
	lowest = window_end;
	highest = window;
	x86_pci_walk(note);
	x86_pci_walk(give);
}
