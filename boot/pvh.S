/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PVH entry: QEMU's -kernel and micro-VMs start sluice.elf here, in 32-bit protected mode without
 * paging, %ebx = physical address of struct hvm_start_info (Xen, docs/misc/pvh.pandoc). Builds
 * first page tables (identity for the switch, the direct map of the first 4 GiB, the kernel's own
 * 1 GiB), enters long mode in the upper half, drops the identity map and calls boot_pvh.
 *
 * boot_long_mode is shared by every entry: physical memory below 4 GiB is then readable through the
 * direct map, %rdi and %rsi are passed on.
 */
#define KERNEL_BASE 0xffffffff80000000
#define PHYS(symbol) ((symbol) - KERNEL_BASE)
#define PML4_DIRECT 273 /* index of 0xffff888000000000 */

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18 /* name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad PHYS(boot_pvh_entry)

	.section .text.boot, "ax"
	.code32
	.globl boot_pvh_entry
boot_pvh_entry:
	cli
	cld
	movl %ebx, %ebp
	rdtsc
	movl %eax, PHYS(boot_tsc)
	movl %edx, PHYS(boot_tsc) + 4
	movl $PHYS(boot_stack_top), %esp

	/* Four page directories: 2048 large pages, present and writable. */
	movl $PHYS(boot_directories), %edi
	movl $0x83, %eax
	xorl %edx, %edx
	movl $2048, %ecx
1:	movl %eax, (%edi)
	movl %edx, 4(%edi)
	addl $0x200000, %eax
	addl $8, %edi
	decl %ecx
	jnz 1b

	movl $PHYS(boot_directories) + 0x003, PHYS(boot_low)
	movl $PHYS(boot_directories) + 0x1003, PHYS(boot_low) + 8
	movl $PHYS(boot_directories) + 0x2003, PHYS(boot_low) + 16
	movl $PHYS(boot_directories) + 0x3003, PHYS(boot_low) + 24
	movl $PHYS(boot_directories) + 0x003, PHYS(boot_high) + 510 * 8
	movl $PHYS(boot_low) + 3, PHYS(boot_pml4)
	movl $PHYS(boot_low) + 3, PHYS(boot_pml4) + PML4_DIRECT * 8
	movl $PHYS(boot_high) + 3, PHYS(boot_pml4) + 511 * 8

	movl $0x20, %eax /* CR4.PAE */
	movl %eax, %cr4
	movl $PHYS(boot_pml4), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx /* EFER.LME; NXE comes with the kernel's own tables */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80010001, %eax /* PG, WP, PE */
	andl $~0x6, %eax      /* EM and MP: set up with the vector state */
	movl %eax, %cr0
	lgdt PHYS(boot_gdt_pointer)
	ljmp $8, $PHYS(1f)

	.code64
1:	movq $2f, %rax
	jmp *%rax
2:	movl %ebp, %edi
	xorl %eax, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %ss
	movl %eax, %fs
	movl %eax, %gs
	movq $boot_stack_top, %rsp
	movq %rax, boot_pml4 /* the identity map has done its work: NULL faults from here on */
	movq %cr3, %rax
	movq %rax, %cr3
	xorl %ebp, %ebp
	call boot_pvh
	ud2

	.section .rodata.boot, "a"
	.balign 8
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code */
boot_gdt_pointer:
	.word 15
	.long PHYS(boot_gdt)

	.section .data.boot, "aw"
	.balign 8
	.globl boot_tsc
boot_tsc:
	.quad 0

	.section .bss.boot, "aw", @nobits
	.balign 4096
boot_pml4:
	.skip 4096
boot_low:
	.skip 4096
boot_high:
	.skip 4096
boot_directories:
	.skip 4 * 4096
	.skip 8192 /* stack until the first core has its own */
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
