/* SPDX-License-Identifier: BSD-2-Clause */
/* From exo_start to the first process's program. */
#include <libexo/call.h>
#include <libexo/start.h>
#include <libexo/upcall.h>

#include "../runtime.h"
#include "family.h"

/* One guard page, then the stack of the start; its top is a symbol for entry.S. */
__asm__(".bss\n"
        ".balign 4096\n"
        ".globl exo_first_guard\n"
        "exo_first_guard: .skip 4096 + 16384\n"
        ".globl exo_first_stack_top\n"
        "exo_first_stack_top:\n"
        ".text\n");

void exo_runtime_start(void);
void exo_runtime_start(void)
{
	struct exo_pe *pe = exo_upcall_pe();

	exo_runtime_init();
	vm_init();
	family_init();
	tree_init();
	fd_init();
	task_init();
	/* As in a handler from here: an event would save its state where the program's is made. */
	pe->masked = 1;
	family_lock();
	linux_extension_begin();
	family_unlock();
	if (exo_upcall_handle(EXO_UPCALL_OWN_CALL, linux_own_call, NULL) < 0 ||
	    exo_upcall_handle(EXO_UPCALL_ADDRESSING, vm_fault, NULL) < 0 ||
	    exo_upcall_handle(EXO_UPCALL_EXCEPTION, signal_exception, NULL) < 0)
		linux_give_up("the personality's upcalls are refused");
	exec_first(&pe->saved);
	exo_runtime_resume(pe);
}
