/* SPDX-License-Identifier: BSD-2-Clause */
/* PCI at start; configuration space itself is in x86.h. */
#ifndef X86_PCI_H
#define X86_PCI_H

/* Finds the way to configuration space (behind acpi_init), then stops the DMA of NICs, disks and
 * USB controllers that firmware left active, on every bus that bridges lead to, before memory is
 * handed out. */
void pci_init(void);

#endif
