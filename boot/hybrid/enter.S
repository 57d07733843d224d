/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The hybrid's protected-mode part begins here, at places that Linux's boot protocol fixes. Each
 * entry finds out where the image lies, and ends in boot_entry of the kernel (boot/entry.S) in
 * 32-bit mode: %ebp how far the kernel lies above its linked place, %esi enum boot_kind, %ebx its
 * argument. kernel_… are offsets inside the kernel's image, from its ELF.
 */
#define LINKED 0x200000
#define BOOT_LINUX 1
#define BOOT_EFI 2

	.section .text.entry, "ax"
	.code32
	.globl entry32
entry32: /* %esi = boot_params, which has four bytes for a stack (scratch) */
	cli
	leal 0x1e8(%esi), %esp
	call 1f
1:	popl %ebp
	subl $1b, %ebp /* linked at its offset in the image */
	movl %esi, %ebx
	movl $BOOT_LINUX, %esi
to_kernel: /* %ebp = where the image lies */
	addl $image_kernel, %ebp
	leal kernel_entry(%ebp), %eax
	subl $LINKED, %ebp
	jmp *%eax

	.org 0x200
	.code64
	.globl entry64
entry64: /* %rsi = boot_params */
	movl $BOOT_LINUX, %edx
	leaq image_start(%rip), %rdi
	jmp leave_long_mode

	.org 0x220
	.globl handover
handover: /* %rdi = image handle, %rsi = system table, %rdx = boot_params */
	andq $-16, %rsp
	leaq image_start(%rip), %rcx
	call efi_start
1:	hlt /* it could not go on, and said so; there is nobody to return to */
	jmp 1b

	.globl efi_entry
efi_entry: /* %rcx = image handle, %rdx = system table; Microsoft's calling convention */
	pushq %rdi
	pushq %rsi
	subq $8, %rsp
	movq %rcx, %rdi
	movq %rdx, %rsi
	xorl %edx, %edx
	leaq image_start(%rip), %rcx
	call efi_start
	addq $8, %rsp
	popq %rsi
	popq %rdi
	ret

/* %rdi = where the image lies, below 4 GiB as this code does; %rsi, %edx: the kernel's %ebx, %esi.
 * Jumped to, for it has its own stack: the kernel's. */
	.globl leave_long_mode
leave_long_mode:
	cli
	movl %edi, %ebp
	movl %esi, %ebx
	movl %edx, %esi
	leal image_kernel(%ebp), %eax
	addl $kernel_stack, %eax
	movl %eax, %esp
	leaq leave_gdt(%rip), %rax
	pushq %rax
	pushw $23
	lgdt (%rsp)
	leaq 1f(%rip), %rax
	pushq $8
	pushq %rax
	lretq
	.code32
1:	movl $16, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %cr0, %eax
	andl $0x7fffffff, %eax /* PG */
	movl %eax, %cr0
	movl $0xc0000080, %ecx
	rdmsr
	andl $~0x100, %eax /* EFER.LME */
	wrmsr
	xorl %eax, %eax
	movl %eax, %cr4 /* five-level paging and all */
	jmp to_kernel

	.balign 8
leave_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff

	.section .data.kernel, "aw"
	.incbin "kernel.bin"
	.section .note.GNU-stack, "", @progbits
