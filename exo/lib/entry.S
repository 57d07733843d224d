/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The environment's first instruction, the entry of all upcalls, and the way back from them
 * (exo/pe.h gives the protocol).
 */
#include "offsets.h"

	.text

/* Where the kernel starts a PE: rdi = EXO_START_ADDR. The stack is the image's own, so that nothing
 * depends on what the creator left in rsp. */
	.globl	exo_start
	.type	exo_start, @function
exo_start:
	xorl	%ebp, %ebp
	leaq	exo_first_stack_top(%rip), %rsp
	call	exo_runtime_start
	ud2
	.size	exo_start, . - exo_start

/* A transfer: rax = caller, rdx, r10, r8, r9 = arguments. Replies, or, where nobody waits, goes on
 * with what was interrupted. */
	.globl	exo_remote_entry
	.type	exo_remote_entry, @function
exo_remote_entry:
	movl	%eax, %edi
	movq	%rdx, %rsi
	movq	%r10, %rdx
	movq	%r8, %rcx
	movq	%r9, %r8
	subq	$8, %rsp
	call	*exo_remote_served(%rip)
	movq	%rax, %rdi
	movl	$CALL_REPLY, %eax
	syscall
	leaq	exo_pe_page(%rip), %rdi
	jmp	exo_resume_begin
	.size	exo_remote_entry, . - exo_remote_entry

/* Where no handler took an upcall. */
.Luntaken:
	pushq	%rdi
	call	exo_upcall_untaken
	popq	%rdi
	jmp	exo_resume_begin

/* Every upcall but transfers: rdi = struct exo_pe, rsi = kind, rsp = handler stack top - 8. Calls
 * exo_upcall_handlers[kind]. */
	.globl	exo_upcall_entry
	.type	exo_upcall_entry, @function
exo_upcall_entry:
	shll	$HANDLER_SHIFT, %esi
	leaq	exo_upcall_handlers(%rip), %rax
	addq	%rsi, %rax
	movq	8(%rax), %rsi
	pushq	%rdi
	call	*(%rax)
	popq	%rdi
	testb	%al, %al
	jz	.Luntaken
	/* falls into the resume range */
	.size	exo_upcall_entry, . - exo_upcall_entry

/*
 * rdi = struct exo_pe, saved state complete in it. Restartable at its first instruction until the
 * last jump has been executed: it changes nothing but `masked` and registers. The jump goes through
 * memory, since no register is left; it is cheaper than an iretq, and QEMU 7.2's TCG reads the stack
 * of a ring-3 iretq with supervisor rights, which SMAP forbids.
 */
	.globl	exo_resume_begin, exo_resume_end
	.type	exo_resume_begin, @function
exo_resume_begin:
	movl	$0, PE_MASKED(%rdi)
	movl	PE_WANTED(%rdi), %eax
	testl	%eax, PE_PENDING(%rdi)
	jnz	.Lpending
	movq	PE_FS_BASE(%rdi), %rax
	movq	PE_GS_BASE(%rdi), %rbx
	cmpl	$0, PE_FSGSBASE(%rdi)
	je	.Lno_fsgsbase
	wrfsbase %rax
	wrgsbase %rbx
.Lregisters:
	movq	PE_RAX(%rdi), %rax
	movq	PE_RBX(%rdi), %rbx
	movq	PE_RCX(%rdi), %rcx
	movq	PE_RDX(%rdi), %rdx
	movq	PE_RSI(%rdi), %rsi
	movq	PE_RBP(%rdi), %rbp
	movq	PE_R8(%rdi), %r8
	movq	PE_R9(%rdi), %r9
	movq	PE_R10(%rdi), %r10
	movq	PE_R11(%rdi), %r11
	movq	PE_R12(%rdi), %r12
	movq	PE_R13(%rdi), %r13
	movq	PE_R14(%rdi), %r14
	movq	PE_R15(%rdi), %r15
	leaq	PE_RFLAGS(%rdi), %rsp
	popfq
	movq	PE_RSP(%rdi), %rsp
	movq	PE_RDI(%rdi), %rdi
	jmpq	*exo_pe_page+PE_RIP(%rip)
.Lno_fsgsbase:
	/* Handlers run with both bases zero: nothing to load where the interrupted code did too. */
	orq	%rbx, %rax
	jz	.Lregisters
	movl	$CALL_RESUME, %eax
	syscall
	ud2
.Lpending:
	movl	$CALL_PENDING, %eax
	syscall
	ud2
exo_resume_end:
	.size	exo_resume_begin, . - exo_resume_begin

/* void exo_vector_save(void *area), exo_vector_restore(const void *area): all enabled
 * state, by XSAVE or, where the CPU has not got it, FXSAVE. */
	.globl	exo_vector_save
	.type	exo_vector_save, @function
exo_vector_save:
	movabsq	$INFO_VECTOR_BYTES, %rcx
	cmpl	$LEGACY_BYTES, (%rcx)
	jbe	1f
	movl	$-1, %eax
	movl	$-1, %edx
	xsave64 (%rdi)
	ret
1:	fxsave64 (%rdi)
	ret

	.size	exo_vector_save, . - exo_vector_save

	.globl	exo_vector_restore
	.type	exo_vector_restore, @function
exo_vector_restore:
	movabsq	$INFO_VECTOR_BYTES, %rcx
	cmpl	$LEGACY_BYTES, (%rcx)
	jbe	1f
	movl	$-1, %eax
	movl	$-1, %edx
	xrstor64 (%rdi)
	ret
1:	fxrstor64 (%rdi)
	ret

	.size	exo_vector_restore, . - exo_vector_restore

/* One guard page, then the stack of handlers; exo_runtime_init unmaps the guard. */
	.bss
	.balign	4096
	.globl	exo_handler_guard, exo_handler_stack_top
exo_handler_guard:
	.skip	4096 + HANDLER_STACK_BYTES
exo_handler_stack_top:

/* Says for which version of the ABI the image was built (exo/elf.h: note "Sluice", type 1). */
	.section .note.sluice, "a", @note
	.balign	4
	.long	7, 4, 1
	.asciz	"Sluice"
	.balign	4
	.long	1

	.section .note.GNU-stack, "", @progbits
