/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where every loader's path enters the kernel: 32-bit protected mode without paging, flat segments.
 *
 *     boot_pvh_entry   by PVH (Xen, docs/misc/pvh.pandoc): sluice.elf lies where it was linked,
 *                      %ebx = physical address of struct hvm_start_info
 *     boot_entry       from the hybrid image, which lies anywhere below 4 GiB: %ebp = how far above
 *                      its linked place (modulo 2^32), %esi = enum boot_kind, %ebx = its argument
 *
 * Builds first page tables (identity for the switch, the direct map of the first 4 GiB, the image's
 * pages), enters long mode in the upper half, drops the identity map and calls boot_start.
 * Everything before the jump up there is addressed relative to %ebp.
 */
#define KERNEL_BASE 0xffffffff80000000
#define PHYS(symbol) ((symbol) - KERNEL_BASE)
#define AT(symbol) PHYS(symbol)(%ebp)
#define PML4_DIRECT 273 /* index of 0xffff888000000000 */
#define TABLES 8	/* for the image: 16 MiB; boot/kernel.ld holds it to that */

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18 /* name, descriptor, XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad PHYS(boot_pvh_entry)

	.section .text.boot, "ax"
	.code32
	.globl boot_pvh_entry, boot_entry
boot_pvh_entry:
	xorl %ebp, %ebp
	xorl %esi, %esi /* BOOT_PVH */
boot_entry:
	cli
	cld
	rdtsc
	movl %eax, AT(boot_tsc)
	movl %edx, AT(boot_tsc + 4)
	leal AT(boot_stack_top), %esp

	/* Not every loader clears what the file has no bytes for. */
	leal AT(boot_tables), %edi
	xorl %eax, %eax
	movl $(boot_tables_end - boot_tables) / 4, %ecx
	rep stosl

	/* Four page directories: 2048 large pages, present and writable. */
	leal AT(boot_directories), %edi
	movl $0x83, %eax
	movl $2048, %ecx
1:	movl %eax, (%edi)
	movl $0, 4(%edi)
	addl $0x200000, %eax
	addl $8, %edi
	decl %ecx
	jnz 1b

	leal AT(kernel_start), %eax /* the image, page by page: it may lie on any */
	movl %eax, AT(x86_image_physical)
	leal 3(%eax), %eax
	leal AT(boot_image_tables), %edi
	movl $kernel_pages, %ecx
1:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	decl %ecx
	jnz 1b

	leal AT(boot_image_tables + 3), %eax
	leal AT(boot_image_directory + 8), %edi /* linked 2 MiB above KERNEL_BASE */
	movl $TABLES, %ecx
1:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	decl %ecx
	jnz 1b

	leal AT(boot_directories + 3), %eax
	leal AT(boot_low), %edi
	movl $4, %ecx
1:	movl %eax, (%edi)
	addl $0x1000, %eax
	addl $8, %edi
	decl %ecx
	jnz 1b

	leal AT(boot_image_directory + 3), %eax
	movl %eax, AT(boot_high + 510 * 8)
	leal AT(boot_low + 3), %eax
	movl %eax, AT(boot_pml4)
	movl %eax, AT(boot_pml4 + PML4_DIRECT * 8)
	leal AT(boot_high + 3), %eax
	movl %eax, AT(boot_pml4 + 511 * 8)

	movl $0x20, %eax /* CR4.PAE */
	movl %eax, %cr4
	leal AT(boot_pml4), %eax
	movl %eax, %cr3
	movl $0xc0000080, %ecx /* EFER.LME; NXE comes with the kernel's own tables */
	rdmsr
	orl $0x100, %eax
	wrmsr
	movl %cr0, %eax
	orl $0x80010001, %eax /* PG, WP, PE */
	andl $~0x60000006, %eax /* CD, NW; EM and MP: set up with the vector state */
	movl %eax, %cr0
	leal AT(boot_gdt), %eax
	pushl %eax
	pushw $15
	lgdt (%esp)
	leal AT(1f), %eax
	pushl $8
	pushl %eax
	lret

	.code64
1:	movq $2f, %rax
	jmp *%rax
2:	movl %esi, %edi
	movl %ebx, %esi
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
	call boot_start
	ud2

	.section .rodata.boot, "a"
	.balign 8
boot_gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code */

	.section .data.boot, "aw"
	.balign 8
	.globl boot_tsc
boot_tsc:
	.quad 0

	.section .bss.boot, "aw", @nobits
	.balign 4096
boot_tables:
boot_pml4:
	.skip 4096
boot_low:
	.skip 4096
boot_high:
	.skip 4096
boot_image_directory:
	.skip 4096
boot_image_tables:
	.skip TABLES * 4096
boot_tables_end:
boot_directories:
	.skip 4 * 4096
	.skip 8192 /* stack until the first core has its own */
	.globl boot_stack_top
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
