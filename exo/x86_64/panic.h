/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's own end; machine_panic is the way in for everybody else. */
#ifndef X86_PANIC_H
#define X86_PANIC_H

#include "cpu.h"

enum {
	PANIC_EXIT_CODE = 2, /* for the emulator's exit device: QEMU's status is 5 */
};

/* As machine_panic, for a trap whose registers are known. */
void panic_at(const struct exo_regs *regs, const char *format, ...)
        __attribute__((noreturn, format(printf, 2, 3)));
/* An NMI: halts this core for good if another one panicked, else returns. */
void panic_stop_if_asked(void);

/* The kernel's function at an address, from the table that the link embeds; NULL: unknown. *offset
 * is how far inside. */
const char *symbols_find(uint64_t address, uint64_t *offset);

#endif
