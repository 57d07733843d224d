/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts that main.c brings up, each in a file of its name. */
#ifndef X86_START_H
#define X86_START_H

#include "../core/boot_info.h"
#include "cpu.h"

/* main.c: what boot/ found out, and steps of the start that every core takes. */

const struct boot_info *main_boot_info(void);
/* Loads this core's thread pointer, and tells DPDK about a core that is not the first. */
void main_start_thread(struct cpu *cpu);
/* Leaves for core_secondary on a clean stack. */
void main_enter_secondary(struct cpu *cpu) __attribute__((noreturn));

/* segments.c: segments, task state, interrupt descriptors (SDM vol. 3A, 3.4, 6.14 and 8.7). */

/* Makes `cpu` this core's: GS base. Nothing that asks for the core works before. */
void segments_name_core(struct cpu *cpu);
/* Builds the interrupt descriptors, once. */
void segments_init(void);
/* Loads this core's GDT, IDT and TSS; its stacks must be there. */
void segments_load(void);

/* code.c: memory for compiled code; machine_code_alloc, _seal and _free are its front. */

/* Maps the window, writable. */
void code_init(void);
/* Whether a fault on executing (`fetch`) or writing to `address` was only an old translation of
 * this core: the page is executable or writable now. */
bool code_is_stale(uint64_t address, bool fetch);

/* random.c: secrets: capabilities' key, canaries, environments' seeds. */

/* Draws the seed: from RDSEED or RDRAND where the CPU has them, and from the jitter of reading a
 * slow device against the TSC in any case. */
void random_init(void);

/* tls.c: thread-local storage of PMD archives, local-exec model (System V ABI, variant II). */

/* Makes the copy for `cpu` and sets its thread pointer. Panics without memory. */
void tls_make(struct cpu *cpu);

/* time.c: the TSC's frequency, the one-shot timer, the date. */

/* Finds the frequencies: from CPUID where it says, else by half a millisecond of the ACPI timer
 * (`pm_timer`, its port; 0: none) or of the 8254. First core. */
void time_init(uint16_t pm_timer);
/* Nanoseconds since 1970 by the real-time clock; 0: none. */
uint64_t time_wall(void);

/* smp.c: the other cores (SDM vol. 3A, 9.4.4: start-up by INIT and SIPI). */

/* A core that the firmware's tables name; by dev/acpi.c. The calling core is already core 0. */
void smp_add(uint32_t apic_id);
/* Fixes machine_cores, so that DPDK knows its lcores before it starts. */
void smp_count(void);
/* Starts every core that was named; those that do not answer are reported and left out. They wait
 * in the kernel until machine_release_cores. */
void smp_start(void);

/* What machine_cores says, for the shortest paths. */
extern unsigned smp_cores;

#endif
