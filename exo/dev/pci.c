/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices on PCI: PCI 3.0, 6.1 (header), 6.2.5 (BARs), 6.7 (capabilities), 6.8.2 (MSI-X). */
#include "pci.h"

#include <stddef.h>

#include "../x86_64/x86.h"

enum {
	COMMAND = 0x04,
	COMMAND_IO = 1 << 0,
	COMMAND_MEMORY = 1 << 1,
	COMMAND_MASTER = 1 << 2,
	COMMAND_NO_INTX = 1 << 10,
	STATUS = 0x06,
	STATUS_CAPABILITIES = 1 << 4,
	BAR0 = 0x10,
	BAR_IO = 1 << 0,
	BAR_TYPE = 3 << 1,
	BAR_64 = 2 << 1,
	CAPABILITIES = 0x34,
	CAPABILITIES_MAX = 48, /* as many as fit into 256 bytes */
	MSIX_CONTROL = 2,
	MSIX_TABLE = 4,
	MSIX_SIZE = 0x7ff,
	MSIX_ENABLED = 1 << 15,
};

uint32_t dev_pci_read(const struct dev_pci *f, unsigned offset, unsigned size)
{
	return x86_pci_read(f->bus, f->device, f->function, offset, size);
}

void dev_pci_write(const struct dev_pci *f, unsigned offset, unsigned size, uint32_t value)
{
	x86_pci_write(f->bus, f->device, f->function, offset, size, value);
}

void dev_pci_enable(const struct dev_pci *f)
{
	x86_dma_trust(f->bus, f->device, f->function);
	dev_pci_write(f, COMMAND, 2,
	              dev_pci_read(f, COMMAND, 2) | COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER |
	                      COMMAND_NO_INTX);
}

/* Writes ones to learn which bits are fixed, and puts the old value back. */
static uint32_t mask_of(const struct dev_pci *f, unsigned at)
{
	uint32_t old = dev_pci_read(f, at, 4), mask;

	dev_pci_write(f, at, 4, UINT32_MAX);
	mask = dev_pci_read(f, at, 4);
	dev_pci_write(f, at, 4, old);
	return mask;
}

uint64_t dev_pci_bar(const struct dev_pci *f, unsigned bar, uint64_t *size)
{
	unsigned at = BAR0 + bar * 4;
	uint32_t low = bar < DEV_PCI_BARS ? dev_pci_read(f, at, 4) : BAR_IO;
	uint32_t command;
	uint64_t mask, address;

	if ((low & BAR_IO) != 0)
		return 0;
	command = dev_pci_read(f, COMMAND, 2);
	dev_pci_write(f, COMMAND, 2, command & ~(uint32_t)(COMMAND_IO | COMMAND_MEMORY));
	mask = mask_of(f, at) & ~15u;
	address = low & ~15u;
	if ((low & BAR_TYPE) == BAR_64 && bar < DEV_PCI_BARS - 1) {
		mask |= (uint64_t)mask_of(f, at + 4) << 32;
		address |= (uint64_t)dev_pci_read(f, at + 4, 4) << 32;
	} else {
		mask |= UINT64_MAX << 32;
	}
	dev_pci_write(f, COMMAND, 2, command);
	*size = ~mask + 1;
	return mask == 0 ? 0 : address;
}

unsigned dev_pci_capability(const struct dev_pci *f, unsigned id, unsigned after)
{
	unsigned at = after != 0 ? dev_pci_read(f, after + 1, 1) : dev_pci_read(f, CAPABILITIES, 1);

	if ((dev_pci_read(f, STATUS, 2) & STATUS_CAPABILITIES) == 0)
		return 0;
	for (int i = 0; (at &= ~3u) != 0 && i < CAPABILITIES_MAX; i++) {
		if (dev_pci_read(f, at, 1) == id)
			return at;
		at = dev_pci_read(f, at + 1, 1);
	}
	return 0;
}

/* Where the vectors' table is mapped, or NULL. */
static volatile uint32_t *msix_table(const struct dev_pci *f, unsigned capability, unsigned n)
{
	uint32_t where = dev_pci_read(f, capability + MSIX_TABLE, 4), offset = where & ~7u;
	uint64_t size, address = dev_pci_bar(f, where & 7, &size);

	if (address == 0 || offset > size || size - offset < (uint64_t)n * 16)
		return NULL;
	return x86_device_map(address + offset, (uint64_t)n * 16);
}

int dev_pci_msix(const struct dev_pci *f, void (*handler)(void *), void *argument)
{
	unsigned capability = dev_pci_capability(f, DEV_PCI_CAPABILITY_MSIX, 0), n;
	volatile uint32_t *table;
	struct x86_msi msi;

	if (capability == 0)
		return -1;
	n = (dev_pci_read(f, capability + MSIX_CONTROL, 2) & MSIX_SIZE) + 1;
	table = msix_table(f, capability, n);
	if (table == NULL || x86_interrupt_alloc(0, handler, argument, &msi) < 0)
		return -1;
	for (; n > 0; n--, table += 4) {
		table[0] = (uint32_t)msi.address;
		table[1] = (uint32_t)(msi.address >> 32);
		table[2] = msi.data;
		table[3] = 0;
	}
	dev_pci_write(f, capability + MSIX_CONTROL, 2, MSIX_ENABLED);
	return 0;
}
