/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where other cores start: real mode, at the page that the SIPI named (smp.c copies this code to
 * 0x8000). Straight to long mode on the trampoline's page tables, then to the upper half, to the
 * stack and the function that smp.c left in the last words.
 */
#define AT(label) (0x8000 + (label) - x86_ap_code)

	.section .rodata
	.globl x86_ap_code, x86_ap_code_end, x86_ap_words
	.balign 16
	.code16
x86_ap_code:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	movl $0x20, %eax /* CR4.PAE */
	movl %eax, %cr4
	movl AT(x86_ap_words), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx
	rdmsr
	orl $0x900, %eax /* LME, NXE: the tables have NX bits */
	wrmsr
	movl %cr0, %eax
	orl $0x80010001, %eax /* PG, WP, PE */
	andl $~0x60000006, %eax /* CD, NW as INIT leaves them; EM, MP */
	movl %eax, %cr0
	lgdtl AT(gdt_pointer)
	ljmpl $8, $AT(1f)

	.code64
1:	movl $AT(x86_ap_words), %esi
	movq 8(%rsi), %rsp
	movq 24(%rsi), %rdi
	movq 16(%rsi), %rax
	xorl %ebp, %ebp
	movl %ebp, %ss
	movl %ebp, %ds
	movl %ebp, %es
	movl %ebp, %fs
	movl %ebp, %gs
	call *%rax
	ud2

	.balign 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff
gdt_pointer:
	.word 15
	.long AT(gdt)
	.balign 8
x86_ap_words: /* CR3, stack, function, its argument */
	.quad 0, 0, 0, 0
x86_ap_code_end:

	.section .note.GNU-stack, "", @progbits
