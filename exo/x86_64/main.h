/* SPDX-License-Identifier: BSD-2-Clause */
/* Steps of the start that every core takes. */
#ifndef X86_MAIN_H
#define X86_MAIN_H

#include "../core/boot_info.h"
#include "cpu.h"

/* What boot/ found out. */
const struct boot_info *main_boot_info(void);
/* Loads this core's thread pointer, and tells DPDK about a core that is not the first. */
void main_start_thread(struct cpu *cpu);
/* Leaves for core_secondary on a clean stack. */
void main_enter_secondary(struct cpu *cpu) __attribute__((noreturn));

#endif
