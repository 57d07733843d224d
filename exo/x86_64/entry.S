/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Into ring 3 and back.
 *
 * x86_enter runs a PE and returns, like a function, when it traps. The PE's registers are loaded
 * from and saved to its struct exo_regs directly: while it runs, TSS.RSP0 points at that struct's
 * end, so that an interrupt or exception pushes SS … RIP straight into their fields (the error code
 * and the vector fall into the places of the GS and FS bases, and move from there to registers),
 * and the syscall entry does the same by hand. Only then does the kernel's stack come back.
 *
 * Traps taken in the kernel use the stack that they find, and double fault, NMI and machine check
 * stacks of their own. They build the same struct exo_regs.
 *
 * References: Intel SDM vol. 3A, 5.8.8 (syscall), 6.14 (64-bit interrupts).
 */
#include "entry.h"

	.text

/* Pushes r15 … rax; below them lies what is already there. */
.macro push_general
	pushq %r15
	pushq %r14
	pushq %r13
	pushq %r12
	pushq %r11
	pushq %r10
	pushq %r9
	pushq %r8
	pushq %rbp
	pushq %rdi
	pushq %rsi
	pushq %rdx
	pushq %rcx
	pushq %rbx
	pushq %rax
.endm

.macro pop_general
	popq %rax
	popq %rbx
	popq %rcx
	popq %rdx
	popq %rsi
	popq %rdi
	popq %rbp
	popq %r8
	popq %r9
	popq %r10
	popq %r11
	popq %r12
	popq %r13
	popq %r14
	popq %r15
.endm

/* Clears registers that ring 3 filled, so that the kernel never speculates on them. */
.macro leave_user
	movq %gs:CPU_RUN_RSP, %rsp
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	xorl %r11d, %r11d
.endm

/*
 * struct x86_exit x86_enter(struct exo_regs *regs)
 *
 * rax: vector, or VECTOR_CALL; rdx: error code. RIP must be canonical: sysret and iretq would fault
 * in ring 0 (the caller checks).
 */
	.globl x86_enter
	.balign 64
x86_enter:
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, %gs:CPU_RUN_RSP
	leaq REGS_BYTES(%rdi), %rax
	movq %rax, %gs:CPU_PE_TOP
	movq %rax, %gs:CPU_RSP0
	movq REGS_FS(%rdi), %rax
	movq REGS_GS(%rdi), %rdx
	patch PATCH_FSGSBASE, 1, 5
	{disp32} jmp enter_by_msr
	wrfsbase %rax
	swapgs
	wrgsbase %rdx
enter_based:
	movq REGS_RFLAGS(%rdi), %r11
	andl $FLAGS_USER, %r11d
	orl $FLAGS_ALWAYS, %r11d
	movq REGS_RIP(%rdi), %rcx
	cmpq REGS_RCX(%rdi), %rcx
	jne enter_by_iret
	cmpq REGS_R11(%rdi), %r11
	jne enter_by_iret
	movq REGS_RAX(%rdi), %rax
	movq REGS_RBX(%rdi), %rbx
	movq REGS_RDX(%rdi), %rdx
	movq REGS_RSI(%rdi), %rsi
	movq REGS_RBP(%rdi), %rbp
	movq REGS_R8(%rdi), %r8
	movq REGS_R9(%rdi), %r9
	movq REGS_R10(%rdi), %r10
	movq REGS_R12(%rdi), %r12
	movq REGS_R13(%rdi), %r13
	movq REGS_R14(%rdi), %r14
	movq REGS_R15(%rdi), %r15
	movq REGS_RSP(%rdi), %rsp
	movq REGS_RDI(%rdi), %rdi
	sysretq

enter_by_iret:
	movq $USER_CODE, REGS_CS(%rdi)
	movq %r11, REGS_RFLAGS(%rdi)
	movq $USER_DATA, REGS_SS(%rdi)
	movq %rdi, %rsp
	pop_general
	addq $16, %rsp
	iretq

/* Without FSGSBASE: rax = FS base, rdx = GS base. */
enter_by_msr:
	movq %rdx, %r8
	movq %rax, %rdx
	shrq $32, %rdx
	movl $0xc0000100, %ecx
	wrmsr
	movl $0xc0000102, %ecx /* becomes GS base by swapgs */
	movl %r8d, %eax
	movq %r8, %rdx
	shrq $32, %rdx
	wrmsr
	swapgs
	jmp enter_based

/*
 * The syscall instruction: rcx = rip, r11 = rflags, interrupts off, ring 3's stack. Only the frame
 * is pushed at first. A leaf call (core/machine.h) is answered on the kernel's stack right here:
 * its handler keeps rbx, rbp and r12 … r15 as every C function does, and FS and GS base are nobody
 * else's in between, so that only the rest is saved, and loaded again. sysret is safe: what syscall
 * left in rcx is canonical, since the last page below the hole is never mapped.
 */
	.globl x86_syscall
	.balign 64
x86_syscall:
	swapgs
	movq %rsp, %gs:CPU_USER_RSP
	movq %gs:CPU_PE_TOP, %rsp
	pushq $USER_DATA
	pushq %gs:CPU_USER_RSP
	pushq %r11
	pushq $USER_CODE
	pushq %rcx
	leaq -CALL_BASE(%rax), %rcx
	cmpq $LEAF_CALLS, %rcx
	jae call_full
	movq core_leaf_calls(, %rcx, 8), %r11
	testq %r11, %r11
	jz call_full
	movq %rax, REGS_RAX - REGS_RIP(%rsp)
	movq %rdi, REGS_RDI - REGS_RIP(%rsp)
	movq %rsi, REGS_RSI - REGS_RIP(%rsp)
	movq %rdx, REGS_RDX - REGS_RIP(%rsp)
	movq %r8, REGS_R8 - REGS_RIP(%rsp)
	movq %r9, REGS_R9 - REGS_RIP(%rsp)
	movq %r10, REGS_R10 - REGS_RIP(%rsp)
	movq %rdx, %rcx
	movq %rsi, %rdx
	movq %rdi, %rsi
	leaq -REGS_RIP(%rsp), %rdi /* struct machine_pe begins with the registers */
	movq %gs:CPU_RUN_RSP, %rsp
	subq $8, %rsp /* x86_enter's six registers and return address leave it odd */
	call *%r11
	movq %gs:CPU_PE_TOP, %rcx
	movq REGS_RDI - REGS_BYTES(%rcx), %rdi
	movq REGS_RSI - REGS_BYTES(%rcx), %rsi
	movq REGS_RDX - REGS_BYTES(%rcx), %rdx
	movq REGS_R8 - REGS_BYTES(%rcx), %r8
	movq REGS_R9 - REGS_BYTES(%rcx), %r9
	movq REGS_R10 - REGS_BYTES(%rcx), %r10
	movq REGS_RFLAGS - REGS_BYTES(%rcx), %r11
	cmpq $NOT_LEAF, %rax
	je call_declined
	movq REGS_RSP - REGS_BYTES(%rcx), %rsp
	movq REGS_RIP - REGS_BYTES(%rcx), %rcx
	swapgs
	sysretq

call_declined:
	movq REGS_RAX - REGS_BYTES(%rcx), %rax
	leaq REGS_RIP - REGS_BYTES(%rcx), %rsp
call_full:
	movq (%rsp), %rcx
	movq REGS_RFLAGS - REGS_RIP(%rsp), %r11
	subq $16, %rsp
	push_general
	patch PATCH_FSGSBASE, 1, 2
	{disp8} jmp 1f
	rdfsbase %rax
	swapgs
	rdgsbase %rdx
	swapgs
	movq %rax, REGS_FS(%rsp)
	movq %rdx, REGS_GS(%rsp)
1:	leave_user
	movl $VECTOR_CALL, %eax
	xorl %edx, %edx
	ret

/* Interrupts and exceptions: one entry per vector, 16 bytes apart. */
	.globl x86_vectors
	.balign 16
x86_vectors:
	vector = 0
	.rept 256
	.balign 16
	.if vector != 8 && vector != 10 && vector != 11 && vector != 12 && vector != 13 && vector != 14 && vector != 17 && vector != 21
	pushq $0 /* no error code */
	.endif
	pushq $vector
	.if vector == 2 || vector == 8 || vector == 18
	jmp trap_fatal
	.else
	jmp trap
	.endif
	vector = vector + 1
	.endr

	.balign 64
trap:
	testb $3, 24(%rsp) /* CS of the interrupted code */
	jz trap_kernel
	push_general
	user_access_off
	cld
	movq REGS_FS(%rsp), %rsi /* vector */
	movq REGS_GS(%rsp), %rdi /* error code */
	patch PATCH_FSGSBASE, 1, 5
	{disp32} jmp trap_by_msr
	rdfsbase %rax
	rdgsbase %rdx
	swapgs
trap_based:
	movq %rax, REGS_FS(%rsp)
	movq %rdx, REGS_GS(%rsp)
	movq %rsi, %rax
	movq %rdi, %rdx
	leave_user
	ret

/* Without FSGSBASE ring 3 cannot change its bases by itself; reading them back is for the core. */
trap_by_msr:
	movl $0xc0000101, %ecx
	rdmsr
	shlq $32, %rdx
	orq %rax, %rdx
	movq %rdx, %r8
	movl $0xc0000100, %ecx
	rdmsr
	shlq $32, %rdx
	orq %rdx, %rax
	movq %r8, %rdx
	swapgs
	jmp trap_based

trap_kernel:
	push_general
	user_access_off
	cld
	movq %rsp, %rdi
	movq REGS_FS(%rsp), %rsi
	movq REGS_GS(%rsp), %rdx
	movq %rsp, %rbx
	andq $-16, %rsp
	call x86_kernel_trap
	movq %rbx, %rsp
	pop_general
	addq $16, %rsp
	iretq

/* Double fault, NMI, machine check: GS base may be anybody's. This core's struct cpu is named at
 * the top of each of their stacks, right behind the frame. They never return. */
trap_fatal:
	push_general
	user_access_off
	cld
	movq REGS_BYTES(%rsp), %rax
	movq %rax, %rdx
	shrq $32, %rdx
	movl $0xc0000101, %ecx
	wrmsr
	movq %rsp, %rdi
	movq REGS_FS(%rsp), %rsi
	movq REGS_GS(%rsp), %rdx
	xorl %ebp, %ebp
	andq $-16, %rsp
	call x86_fatal_trap
	ud2

/*
 * int x86_copy_user(void *to, const void *from, size_t size)
 *
 * Copies where one side is the environment's; 0, or -EXO_EFAULT where a byte is not accessible.
 * Kernel-side addresses are sound, so a fault here can only be the environment's.
 */
	.globl x86_copy_user
	.balign 16
x86_copy_user:
	user_access_on
	movq %rdx, %rcx
	shrq $3, %rcx
1:	rep movsq
	movl %edx, %ecx
	andl $7, %ecx
2:	rep movsb
	user_access_off
	xorl %eax, %eax
	ret
copy_fault:
	user_access_off
	movl $-14, %eax
	ret
	.pushsection .fixups, "a", @progbits
	.quad 1b, copy_fault
	.quad 2b, copy_fault
	.popsection

/* void x86_idle(void): halts until the next interrupt, which sti holds back until hlt. */
	.globl x86_idle
x86_idle:
	sti
	hlt
	cli
	ret

/* void x86_start_on(void *stack_top, void (*start)(void *), void *argument): leaves the old stack
 * for good. */
	.globl x86_start_on
x86_start_on:
	movq %rdi, %rsp
	xorl %ebp, %ebp
	movq %rdx, %rdi
	call *%rsi
	ud2

	.section .note.GNU-stack, "", @progbits
