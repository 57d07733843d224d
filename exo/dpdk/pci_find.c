/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding the machine's network controllers (PCI 3.0, 6.1 and 3.2.2): from bus 0 down through the
 * bridges that firmware has numbered. A whole scan of 256 buses costs a hundred times as much and
 * is asked for by pci.scan=all, where root buses are not all reachable that way.
 *
 * Each controller found loses its bus-master bit at once, where the machine has not done that
 * before: firmware may have left it receiving.
 */
#include <string.h>

#include "../x86_64/x86.h"
#include "internal.h"
#include "pci.h"

static struct pci_function found[PCI_FUNCTIONS_MAX];
static unsigned n_found;
static uint64_t visited[256 / 64]; /* a bit per bus: bridges may be misnumbered into circles */

uint32_t dpdk_pci_read(const struct pci_function *f, unsigned offset, unsigned size)
{
	return x86_pci_read(f->bus, f->device, f->function, offset, size);
}

void dpdk_pci_write(const struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
	x86_pci_write(f->bus, f->device, f->function, offset, size, value);
}

static void take(const struct pci_function *f)
{
	uint32_t command = dpdk_pci_read(f, PCI_COMMAND, 2);

	if ((command & PCI_COMMAND_MASTER) != 0)
		dpdk_pci_write(f, PCI_COMMAND, 2, command & ~(uint32_t)PCI_COMMAND_MASTER);
	if (n_found == PCI_FUNCTIONS_MAX) {
		x86_print("dpdk: more than %d network controllers; %x:%x.%x is left out\n",
		          PCI_FUNCTIONS_MAX, f->bus, f->device, f->function);
		return;
	}
	found[n_found++] = *f;
}

/* Buses still to look at; a bridge's bus is put here instead of recursing into it. */
static uint8_t queue[256];
static unsigned n_queued;

static void enqueue(unsigned bus)
{
	if ((visited[bus / 64] & 1ull << bus % 64) != 0)
		return;
	visited[bus / 64] |= 1ull << bus % 64;
	queue[n_queued++] = (uint8_t)bus;
}

static void look_at(const struct pci_function *f)
{
	uint32_t class = dpdk_pci_read(f, PCI_CLASS, 4) >> 16; /* class and subclass */
	uint32_t header = dpdk_pci_read(f, PCI_HEADER_TYPE, 1) & PCI_HEADER_TYPE_MASK;

	if (class == PCI_CLASS_BRIDGE && header == PCI_HEADER_BRIDGE) {
		uint32_t secondary = dpdk_pci_read(f, PCI_SECONDARY_BUS, 1);

		if (secondary != 0)
			enqueue(secondary);
	} else if (class >> 8 == PCI_CLASS_NETWORK && header == PCI_HEADER_DEVICE) {
		take(f);
	}
}

static void look_at_device(unsigned bus, unsigned device)
{
	struct pci_function f = {(uint8_t)bus, (uint8_t)device, 0};
	unsigned functions = 1;

	if (dpdk_pci_read(&f, PCI_VENDOR, 2) == PCI_VENDOR_NONE)
		return;
	if ((dpdk_pci_read(&f, PCI_HEADER_TYPE, 1) & PCI_HEADER_MULTI) != 0)
		functions = 8;
	for (unsigned i = 0; i < functions; i++) {
		f.function = (uint8_t)i;
		if (i == 0 || dpdk_pci_read(&f, PCI_VENDOR, 2) != PCI_VENDOR_NONE)
			look_at(&f);
	}
}

static bool wants_all(const char *command_line)
{
	char value[8];

	return dpdk_option(&command_line, "pci.scan", value, sizeof(value)) &&
	       strcmp(value, "all") == 0;
}

void dpdk_pci_find(const char *command_line)
{
	unsigned roots = wants_all(command_line) ? 256 : 1;

	for (unsigned bus = 0; bus < roots; bus++)
		enqueue(bus);
	for (unsigned i = 0; i < n_queued; i++)
		for (unsigned device = 0; device < 32; device++)
			look_at_device(queue[i], device);
}

unsigned dpdk_pci_count(void)
{
	return n_found;
}

const struct pci_function *dpdk_pci_function(unsigned i)
{
	return &found[i];
}
