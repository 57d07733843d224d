/* SPDX-License-Identifier: BSD-2-Clause */
/* The local APIC (SDM vol. 3A, chapter 11), through memory or, where the CPU has x2APIC, by MSRs.
 */
#ifndef X86_APIC_H
#define X86_APIC_H

#include "cpu.h"

/* Vectors from 32 on. The old interrupt controllers are masked, but may still raise spurious ones
 * at 32 … 47. */
enum {
	VECTOR_DEVICES = 48,
	VECTOR_NUDGE = 239,
	VECTOR_TIMER = 240, /* of higher priority class than all above: x86_take_timer */
	VECTOR_ERROR = 254,
	VECTOR_SPURIOUS = 255,
};

/* Masks the 8259s and finds the local APIC; first core, once. */
void apic_init(void);
/* Enables this core's local APIC, its timer masked. */
void apic_enable(void);
uint32_t apic_id(void);
void apic_end_of_interrupt(void);
/* Sends `command` (SDM 11.6.1, low half) to the core with this APIC id. */
void apic_send(uint32_t to, uint32_t command);
/* Sends an NMI to all cores but this one. */
void apic_stop_others(void);

/* Starts the count-down timer at its highest, silent; and how far it has come since.
 * apic_timer_count(0) ends it. */
void apic_timer_measure(void);
uint32_t apic_timer_elapsed(void);
/* Interrupt after `ticks` of the count-down timer; 0 stops it. */
void apic_timer_count(uint32_t ticks);
/* Puts the timer into TSC-deadline mode; then interrupts at TSC `deadline`, 0 stops it. */
void apic_timer_deadline(uint64_t deadline);

#endif
