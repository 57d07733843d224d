/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of the report; each prints its lines on the console. */
#ifndef PROBE_PROBE_H
#define PROBE_PROBE_H

#include <exo/cap.h>

void probe_cpu(void);
void probe_memory(const struct exo_cap *machine);
/* ACPI's tables, timers, IOMMU. */
void probe_tables(const struct exo_cap *machine);
/* PCI devices; returns how many network controllers have no driver. */
unsigned probe_devices(const struct exo_cap *machine);
/* Links of the ports, as they are now. */
void probe_links(void);

#endif
