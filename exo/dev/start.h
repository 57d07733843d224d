/* SPDX-License-Identifier: BSD-2-Clause */
/* What the machine's start brings up here, besides what has a header of its own (acpi.h). */
#ifndef DEV_START_H
#define DEV_START_H

/* pci_space.c: PCI at start; configuration space itself is in x86_64/x86.h. */

/* Finds the way to configuration space (behind acpi_init), then stops the DMA of NICs, disks and
 * USB controllers that firmware left active, on every bus that bridges lead to, before memory is
 * handed out. */
void pci_init(void);

/* vtd.c: the IOMMU: what of memory each PCI function reaches. What drivers ask of it is in
 * x86_64/x86.h. */

/* Finds the units that ACPI names and switches them on: from then on a function reaches nothing
 * before x86_dma_trust or x86_domain_make. Without a unit that can be used, which is said, every
 * function reaches everything. */
void vtd_init(void);

#endif
