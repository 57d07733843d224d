/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Misdeeds: what a hostile or broken environment does. Each is a function of this type; it returns
 * 0 when it was stopped without being ended, 1 when it got away with it. Most never return: the
 * fault ends the environment.
 */
#ifndef TESTS_MISDEED_H
#define TESTS_MISDEED_H

typedef int misdeed(void);

/* Says whether something was refused as it should be. → 0 or 1. */
int misdeed_refused(const char *what, long result);

/* faults.c */
misdeed deed_divide, deed_jump_kernel, deed_jump_null, deed_read_kernel, deed_write_kernel,
        deed_write_info, deed_write_start, deed_write_text, deed_execute_data, deed_execute_stack,
        deed_privileged, deed_port_io, deed_sgdt, deed_interrupt, deed_breakpoint, deed_wild_stack,
        deed_stack_overflow, deed_non_canonical, deed_fault_in_handler, deed_resume_nowhere,
        deed_spin;

/* resources.c */
misdeed deed_exhaust, deed_map_others, deed_forge, deed_send, deed_wild_calls;

#endif
