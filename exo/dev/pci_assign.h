/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses for the memory of PCI devices that firmware gave none. */
#ifndef DEV_PCI_ASSIGN_H
#define DEV_PCI_ASSIGN_H

#include <stdint.h>

/* Gives memory BARs of NICs and disks on the root bus that have no address one in the window that
 * ACPI names (x86_pci_window), beside what is there already, and says so. Run before any driver.
 * What lies behind a bridge, and what does not fit, stays as it is: its driver will complain. */
void dev_pci_assign(void);

/* An address for `size` bytes (a power of two) of a device on the root bus in the same window; 0:
 * there is no room. Before any driver runs. */
uint64_t dev_pci_room(uint64_t size);

#endif
