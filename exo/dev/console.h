/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's inside; to write, use x86_print or machine_console_write. */
#ifndef DEV_CONSOLE_H
#define DEV_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Moves on what waits for the serial line; true: some still waits. Costs nothing where none does.
 */
bool x86_console_drain(void);

/* From now on the console is written without its lock, and to the end: the holder may be the one
 * that died. */
void x86_console_break(void);
/* Copies what was shown from byte *from since the start on, at most `size`; moves *from to where
 * that begins where older text is gone. Returns how much. */
size_t console_history(uint64_t *from, char *text, size_t size);

#endif
