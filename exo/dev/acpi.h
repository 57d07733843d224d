/* SPDX-License-Identifier: BSD-2-Clause */
/* The few ACPI tables that the kernel reads: MADT (cores), FADT (power, timer), MCFG (PCI's
 * configuration space), DSDT (only \_S5). */
#ifndef DEV_ACPI_H
#define DEV_ACPI_H

#include <stdint.h>

/* Reads them from the root pointer `rsdp` (0: searched in the BIOS areas): names the cores to smp,
 * tells dev/power how to turn off. Without ACPI there is one core. */
void acpi_init(uint64_t rsdp);
/* The i-th table: its address, 0: no more; its signature and size. */
uint64_t acpi_table(unsigned i, char name[5], uint64_t *size);
/* The table with this signature, which says itself how long it is; NULL: there is none. */
const uint8_t *acpi_find(const char *name);
/* Port of the ACPI timer; 0: none. */
uint16_t acpi_pm_timer(void);
/* Where the configuration space of PCI segment 0 lies in memory, from bus 0 on; 0: nowhere. */
uint64_t acpi_ecam(void);

#endif
