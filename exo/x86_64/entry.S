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
	andl $(LEAF_CALLS - 1), %ecx /* so that what runs ahead stays in the table */
	movq core_leaf_calls(, %rcx, 8), %r11
	testq %r11, %r11
	jz call_transfer
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

call_transfer:
	cmpl $CALL_INVOKE, %ecx
	patch PATCH_FSGSBASE, 0, 6
	{disp32} je invoke
	cmpl $CALL_REPLY, %ecx
	patch PATCH_FSGSBASE, 0, 6
	{disp32} je reply
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

call_declined:
	movq REGS_RAX - REGS_BYTES(%rcx), %rax
	leaq REGS_RIP - REGS_BYTES(%rcx), %rsp
	jmp call_full

/*
 * Protected control transfer (core/machine.h), where all is plain: from a PE to a parked one of
 * this core through an open gate, and back. The rest, and every error, is the core's: until the
 * environment behind the gate is entered nothing has changed but scratch registers. The caller's
 * argument registers are not kept (exo/call.h says so); nobody sees the other's. What the parked PE
 * was doing lies in its page already. The caller stays entered, so that its PE stays.
 */
#define HERE(offset) (offset) - REGS_RIP(%rsp)

.macro become pe
	leaq REGS_BYTES(\pe), %rcx
	movq %rcx, %gs:CPU_PE_TOP
	movq %rcx, %gs:CPU_RSP0
.endm

.macro load_bases fs, gs
	movq \fs, %rcx
	wrfsbase %rcx
	movq \gs, %rcx
	swapgs
	wrgsbase %rcx
.endm

.macro on_kernel_stack function
	movq %gs:CPU_RUN_RSP, %rsp
	subq $8, %rsp
	call \function
.endm

/* The running PE, whose vector state the registers hold, gives way to another environment's: both
 * are entered, so that neither's area goes meanwhile. Keeps what it is given, r8, r9, r10 and, but
 * for XSAVE's mask, rdx. */
.macro switch_to from, to
	patch PATCH_PLAIN, 1, 5
	{disp32} jmp 8f
	movl cpu_features + FEATURES_XCR0(%rip), %eax
	movl cpu_features + FEATURES_XCR0 + 4(%rip), %edx
	movq PE_VECTOR(\from), %rcx
	xsaveopt64 (%rcx)
	movq PE_VECTOR(\to), %rcx
	xrstor64 (%rcx)
	movq \to, %gs:CPU_VECTORS_OF
	movq PE_SPACE(\to), %rcx
	movq %rcx, %gs:CPU_SPACE
	movq SPACE_TOP(%rcx), %rcx
	movq %rcx, %cr3
	jmp 9f
8:	movq %gs:CPU_RUN_RSP, %rsp
	pushq %r8
	pushq %r9
	pushq %r10
	movq \from, %rdi
	movq \to, %rsi
	call x86_switch
	popq %r10
	popq %r9
	popq %r8
9:
.endm

invoke: /* rdi: gate; rdx, r10, r8, r9: arguments */
	cmpq $GATES, %rdi
	jae call_full
	movl %edi, %ecx
	shll $GATE_SHIFT, %ecx
	leaq PE_GATES - REGS_RIP(%rsp, %rcx), %rcx
	cmpl $1, GATE_HERE(%rcx)
	jne call_full
	movq GATE_USERS(%rcx), %r11
	movl (%r11), %eax
	leal 1(%rax), %esi
	testl %eax, %eax
	js invoke_declined
	lock cmpxchgl %esi, (%r11)
	jne invoke_declined
	movq GATE_TO(%rcx), %rax
	movq GATE_NAME(%rcx), %rcx
	cmpq PE_NAME(%rax), %rcx
	jne invoke_leaves
	cmpb $1, PE_OPEN(%rax)
	jne invoke_leaves
	cmpl $0, PE_EVENTS(%rax)
	jne invoke_leaves
	movq %rbx, HERE(REGS_RBX)
	movq %rbp, HERE(REGS_RBP)
	movq %r12, HERE(REGS_R12)
	movq %r13, HERE(REGS_R13)
	movq %r14, HERE(REGS_R14)
	movq %r15, HERE(REGS_R15)
	rdfsbase %rcx
	movq %rcx, HERE(REGS_FS)
	swapgs
	rdgsbase %rcx
	swapgs
	movq %rcx, HERE(REGS_GS)
	leaq -REGS_RIP(%rsp), %rbx
	movq %rbx, PE_CALLER(%rax)
	movq %rax, PE_CALLEE(%rbx)
	incq PE_INVOKED(%rbx)
	movl $(1 << (8 * (PE_PLAIN - PE_OPEN))), PE_OPEN(%rax) /* neither parked nor waiting */
	movl PE_ID(%rbx), %esi
	movq PE_PAGE(%rax), %rcx
	movl $UPCALL_REMOTE, SHARED_KIND(%rcx)
	movl %esi, SHARED_CALLER(%rcx)
	movq %rax, %rbp
	movq %rdx, %r12
	switch_to %rbx, %rbp
	movl PE_ID(%rbx), %eax
	movq %r12, %rdx
	become %rbp
	load_bases PE_FS(%rbp), REGS_GS(%rbp)
	movq PE_ENTRY + 8 * UPCALL_REMOTE(%rbp), %rcx
	movq PE_STACK(%rbp), %rsp
	subq $8, %rsp
	movq PE_ADDRESS(%rbp), %rdi
	movl $UPCALL_REMOTE, %esi
	movl $FLAGS_ALWAYS, %r11d
	xorl %ebx, %ebx
	xorl %ebp, %ebp
	xorl %r12d, %r12d
	xorl %r13d, %r13d
	xorl %r14d, %r14d
	xorl %r15d, %r15d
	sysretq

invoke_leaves: /* r11: what was entered */
	movq %rdi, HERE(REGS_RDI)
	movq %rdx, HERE(REGS_RDX)
	movq %r10, HERE(REGS_R10)
	movq %r8, HERE(REGS_R8)
	movq %r9, HERE(REGS_R9)
	movq %r11, %rdi
	on_kernel_stack core_leave
	movq %gs:CPU_PE_TOP, %rsp
	subq $(REGS_BYTES - REGS_RIP), %rsp
	movq HERE(REGS_RDI), %rdi
	movq HERE(REGS_RDX), %rdx
	movq HERE(REGS_R10), %r10
	movq HERE(REGS_R8), %r8
	movq HERE(REGS_R9), %r9
invoke_declined:
	movl $(CALL_BASE + CALL_INVOKE), %eax
	jmp call_full

reply: /* rdi: value */
	movq HERE(PE_CALLER), %rcx
	testq %rcx, %rcx
	jz call_full
	cmpl $0, PE_EVENTS(%rcx)
	jne call_full
	movq HERE(PE_PAGE), %r11
	testq %r11, %r11
	jz call_full
	cmpl $0, SHARED_MASKED(%r11)
	je call_full
	leaq -REGS_RIP(%rsp), %rbx
	movq %rcx, %rbp
	movq %rdi, %r12
	movzbl PE_PLAIN(%rbx), %eax
	movb %al, PE_OPEN(%rbx)
	movb $1, PE_PARKED(%rbx)
	movq $0, PE_CALLER(%rbx)
	movq $0, PE_CALLEE(%rbp)
	switch_to %rbx, %rbp
	movq PE_USERS(%rbx), %rdi
	movl $-1, %eax
	lock xaddl %eax, (%rdi)
	testl %eax, %eax
	js reply_of_ended
1:	become %rbp
	load_bases REGS_FS(%rbp), REGS_GS(%rbp)
	movq %r12, %rax
	movq REGS_RIP(%rbp), %rcx
	movq REGS_RFLAGS(%rbp), %r11
	movq REGS_RSP(%rbp), %rsp
	movq REGS_RBX(%rbp), %rbx
	movq REGS_R12(%rbp), %r12
	movq REGS_R13(%rbp), %r13
	movq REGS_R14(%rbp), %r14
	movq REGS_R15(%rbp), %r15
	movq REGS_RBP(%rbp), %rbp
	xorl %edi, %edi
	xorl %esi, %esi
	xorl %edx, %edx
	xorl %r8d, %r8d
	xorl %r9d, %r9d
	xorl %r10d, %r10d
	sysretq

/* It may have been the last core there: as if it had not left, for the core to do it. */
reply_of_ended:
	lock incl (%rdi)
	on_kernel_stack core_leave
	jmp 1b

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
	.elseif vector < 32
	jmp fault
	.else
	jmp trap
	.endif
	vector = vector + 1
	.endr

/*
 * A fault of ring 3 goes straight to its handler (exo/pe.h) where there is one and it is not
 * masked: as core/upcall.c would do it, but that only the fields of this kind are written, and that
 * registers which are neither the handler's arguments nor ours keep what they had. Else it is a trap
 * like others.
 */
	.balign 64
fault:
	testb $3, 24(%rsp) /* CS of the interrupted code */
	jz trap_kernel
	push_general
	cld
	movq REGS_FS(%rsp), %rsi /* vector */
	movq REGS_GS(%rsp), %rdi /* error code */
	patch PATCH_FSGSBASE, 1, 5
	{disp32} jmp trap_by_msr
	rdfsbase %rax
	rdgsbase %rdx
	swapgs
	movq PE_PAGE(%rsp), %r11
	testq %r11, %r11
	jz trap_based
	cmpl $0, SHARED_MASKED(%r11)
	jne trap_based
	movq REGS_RIP(%rsp), %rcx
	cmpq PE_RESUME(%rsp), %rcx
	jae fault_behind
fault_outside:
	cmpl $14, %esi
	je fault_page
	xorl %r8d, %r8d /* UPCALL_EXCEPTION */
	movq PE_ENTRY(%rsp), %rbp
fault_enter:
	testq %rbp, %rbp
	jz trap_based
	movq %rax, REGS_FS(%rsp)
	movq %rdx, REGS_GS(%rsp)
	incq PE_DELIVERED(%rsp)
	movl $1, SHARED_MASKED(%r11)
	movl %r8d, SHARED_KIND(%r11)
	movl %esi, SHARED_VECTOR(%r11)
	movq %rdi, SHARED_ERROR(%r11)
	leaq SHARED_SAVED(%r11), %rdi
	movq %rsp, %rsi
	movl $(REGS_BYTES / 8), %ecx
	rep movsq
	movq PE_FS(%rsp), %rax
	wrfsbase %rax
	movq PE_ADDRESS(%rsp), %rdi
	movl %r8d, %esi
	movq %rbp, %rcx
	movl $FLAGS_ALWAYS, %r11d
	movq PE_STACK(%rsp), %rsp
	subq $8, %rsp
	swapgs
	sysretq

fault_behind: /* the resume range's begin, if not its end */
	cmpq PE_RESUME + 8(%rsp), %rcx
	jb trap_based
	jmp fault_outside

fault_page:
	movq %cr2, %rcx
	movq %rcx, SHARED_ADDRESS(%r11)
	movl $UPCALL_ADDRESSING, %r8d
	movq PE_ENTRY + 8 * UPCALL_ADDRESSING(%rsp), %rbp
	jmp fault_enter

	.balign 64
trap:
	testb $3, 24(%rsp)
	jz trap_kernel
	push_general
	cld
	movq REGS_FS(%rsp), %rsi
	movq REGS_GS(%rsp), %rdi
	patch PATCH_FSGSBASE, 1, 5
	{disp32} jmp trap_by_msr
	rdfsbase %rax
	rdgsbase %rdx
	swapgs
trap_based:
	user_access_off
	movq %rax, REGS_FS(%rsp)
	movq %rdx, REGS_GS(%rsp)
	movq %rsi, %rax
	movq %rdi, %rdx
	leave_user
	ret

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

/* void x86_take_timer(void): interrupts of the timer's priority class alone. The kernel runs with
 * task priority 0. */
	.globl x86_take_timer
x86_take_timer:
	movl $14, %eax
	movq %rax, %cr8
	sti
	nop
	cli
	xorl %eax, %eax
	movq %rax, %cr8
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
