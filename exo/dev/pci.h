/* SPDX-License-Identifier: BSD-2-Clause */
/* Devices on PCI, as far as the drivers of this folder need it (PCI 3.0, chapter 6). */
#ifndef DEV_PCI_H
#define DEV_PCI_H

#include <stdint.h>

struct dev_pci {
	uint8_t bus, device, function;
};

enum {
	DEV_PCI_BARS = 6,
	DEV_PCI_CAPABILITY_VENDOR = 0x09,
	DEV_PCI_CAPABILITY_MSIX = 0x11,
};

uint32_t dev_pci_read(const struct dev_pci *f, unsigned offset, unsigned size);
void dev_pci_write(const struct dev_pci *f, unsigned offset, unsigned size, uint32_t value);
/* Lets it answer in memory and ports, do DMA, and not raise its old interrupt line. */
void dev_pci_enable(const struct dev_pci *f);
/* Physical address of a memory BAR and its size; 0: it is none, or was not placed. */
uint64_t dev_pci_bar(const struct dev_pci *f, unsigned bar, uint64_t *size);
/* The capability with `id` behind offset `after` (0: the first), or 0. Lists that run in circles
 * end. */
unsigned dev_pci_capability(const struct dev_pci *f, unsigned id, unsigned after);
/* Has the device's first MSI-X vector call `handler` on core 0, and all others too. 0, or -1 where
 * the device has none or there is no vector left: it must be polled. */
int dev_pci_msix(const struct dev_pci *f, void (*handler)(void *), void *argument);

#endif
