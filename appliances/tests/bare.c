/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The least that is an environment: the ABI note (exo/elf.h), and code that ends it. No library OS,
 * no stack, one page.
 */
#include <libexo/call.h>

__attribute__((section(".note.sluice"), used, aligned(4))) static const struct {
	uint32_t name_size, size, type;
	char name[8];
	uint32_t version;
} note = {sizeof("Sluice"), sizeof(uint32_t), 1, "Sluice", EXO_ABI_VERSION};

void exo_start(void);

__attribute__((naked, noreturn)) void exo_start(void)
{
	__asm__ volatile("movl %0, %%eax\n\t"
	                 "xorl %%edi, %%edi\n\t"
	                 "syscall\n\t"
	                 "ud2"
	                 :
	                 : "i"(EXO_CALL_EXIT));
}
