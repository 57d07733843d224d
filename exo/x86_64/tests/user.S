/* SPDX-License-Identifier: BSD-2-Clause */
/* Ring-3 pieces for ring3.c: copied to a page of their own, entered at their labels. */
	.section .rodata
	.globl user_code, user_code_end
	.macro piece name
	.globl \name
	.balign 16
	\name:
	.endm

user_code:
piece user_call /* all registers hold what the test put there */
	syscall
	ud2
piece user_leaf /* number in rax, arguments; then the answer in rbx, by another call */
	movq %rsp, %r12
	movq %rdi, %r13
	movq %rsi, %r14
	movq %r8, %r15
	syscall
	cmpq %rsp, %r12
	jne 1f
	cmpq %rdi, %r13
	jne 1f
	cmpq %rsi, %r14
	jne 1f
	cmpq %r8, %r15
	jne 1f
	movq %rax, %rbx
	xorl %eax, %eax
	syscall
1:	ud2
piece user_leaf_cost /* TSC before and after one leaf call, less that of the reading: rbp, rbx */
	movq %rax, %r12
	xorl %edi, %edi
	rdtsc
	movl %eax, %ebp
	rdtsc
	subl %ebp, %eax
	movl %eax, %ebp
	rdtsc
	addl %eax, %ebp
	movq %r12, %rax
	syscall
	rdtsc
	movl %eax, %ebx
	xorl %eax, %eax
	syscall
piece user_divide
	xorl %ecx, %ecx
	divl %ecx
piece user_undefined
	ud2
piece user_breakpoint
	int3
piece user_software_interrupt
	int $0x80
piece user_cli
	cli
piece user_halt
	hlt
piece user_port
	inb $0x70, %al
piece user_read_cr0
	movq %cr0, %rax
piece user_wrmsr
	wrmsr
piece user_swapgs
	swapgs
piece user_sgdt
	sgdt -16(%rsp)
	ud2
piece user_read_kernel
	movq $0xffffffff80200000, %rax
	movq (%rax), %rax
piece user_jump_kernel
	movq $0xffffffff80200000, %rax
	jmp *%rax
piece user_jump_nowhere
	movabsq $0x8000000000000000, %rax
	jmp *%rax
piece user_write /* to %rdi */
	movq %rax, (%rdi)
	ud2
piece user_jump /* to %rdi */
	jmp *%rdi
piece user_spin
	incq %rax
	jmp user_spin
piece user_step
	nop
	nop
piece user_vectors /* fill from the general registers, give the border a chance, read back */
	movq %rdi, %xmm0
	movq %rdi, %xmm15
	pushq %rdi
	fildq (%rsp)
	syscall
	movq %xmm0, %rbx
	movq %xmm15, %rcx
	fistpq (%rsp)
	popq %rdx
	movq %rbx, %rsi
	movq %rcx, %r8
	syscall
piece user_vectors_clean /* what a new PE finds */
	movq %xmm0, %rsi
	movq %xmm15, %r8
	syscall
piece user_bases /* through FSGSBASE where it is */
	wrfsbase %rdi
	wrgsbase %rsi
	syscall
	rdfsbase %rax
	rdgsbase %rbx
	syscall
piece user_read_bases
	movq %fs:0, %rbx
	movq %gs:8, %rbp
	syscall
user_code_end:
	.section .note.GNU-stack, "", @progbits
