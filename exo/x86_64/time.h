/* SPDX-License-Identifier: BSD-2-Clause */
/* Clocks: the TSC's frequency, the one-shot timer, the date. */
#ifndef X86_TIME_H
#define X86_TIME_H

#include "cpu.h"

/* Finds the frequencies: from CPUID where it says, else by half a millisecond of the ACPI timer
 * (`pm_timer`, its port; 0: none) or of the 8254. First core. */
void time_init(uint16_t pm_timer);
/* Nanoseconds since 1970 by the real-time clock; 0: none. */
uint64_t time_wall(void);

#endif
