/* SPDX-License-Identifier: BSD-2-Clause */
/* The other cores: SDM vol. 3A, 9.4.4 (start-up by INIT and SIPI). */
#ifndef X86_SMP_H
#define X86_SMP_H

#include "cpu.h"

/* A core that the firmware's tables name; called by acpi.c. The calling core is already core 0. */
void smp_add(uint32_t apic_id);
/* Fixes machine_cores, so that DPDK knows its lcores before it starts. */
void smp_count(void);
/* Starts every core that was named; those that do not answer are reported and left out. They wait
 * in the kernel until machine_release_cores. */
void smp_start(void);

/* What machine_cores says, for the shortest paths. */
extern unsigned smp_cores;

#endif
