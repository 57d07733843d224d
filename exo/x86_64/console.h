/* SPDX-License-Identifier: BSD-2-Clause */
/* The console's inside, for panic only; everybody else uses x86_print or machine_console_write. */
#ifndef X86_CONSOLE_H
#define X86_CONSOLE_H

/* From now on the console is written without its lock: the holder may be the one that died. */
void x86_console_break(void);

#endif
