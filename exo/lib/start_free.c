/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What follows exo_start in an environment without a C library: exo_main on a stack of its own.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>

#include "runtime.h"

/* One guard page, then the stack; its top is a symbol for entry.S. */
__asm__(".bss\n"
        ".balign 4096\n"
        "first_guard: .skip 4096 + 64 * 1024\n"
        ".globl exo_first_stack_top\n"
        "exo_first_stack_top:\n"
        ".text\n");
extern char first_guard[];

void exo_runtime_start(void);
void exo_runtime_start(void)
{
	struct exo_range guard = {(uintptr_t)first_guard, 1};

	exo_runtime_init();
	exo_unmap(NULL, &guard, 1);
	exo_exit(exo_main());
}
