/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The first 4 KiB of `sluice`: a PE/COFF header (Microsoft's PE format; UEFI 2.10, 2.1.1), Linux's
 * setup header (Documentation/arch/x86/boot.rst) and the 16-bit code that BIOS loaders start.
 *
 * File offset, PE's RVA and link address are one number everywhere. Symbols that begin with image_
 * come from hybrid.ld.
 */
#define PARAMS 0x2000 /* where in the real-mode segment boot_params is built */
#define HEADER 0x1f1

	.section .head, "ax"
	.code16
	.globl image_start
image_start:
	.ascii "MZ"
	.org 0x3c
	.long 0x40

	.org 0x40
	.ascii "PE\0\0"
	.word 0x8664 /* machine */
	.word 2	     /* sections */
	.long 0, 0, 0 /* no time stamp: same input, same bytes */
	.word 240     /* bytes of the optional header */
	.word 0x0206  /* executable, no line numbers, no debug information */
	/* Optional header, PE32+ */
	.word 0x20b, 0
	.long image_text_bytes, image_data_file_bytes, 0
	.long efi_entry
	.long image_text
	.quad 0	     /* image base: loaders choose */
	.long 0x1000 /* section alignment */
	.long 0x200  /* file alignment */
	.word 0, 0, 0, 0, 0, 0
	.long 0
	.long image_memory_bytes
	.long 0x1000 /* size of headers */
	.long 0	     /* checksum: signing tools fill it in */
	.word 10     /* EFI application */
	.word 0x100  /* compatible with NX */
	.quad 0, 0, 0, 0
	.long 0
	.long 16 /* data directories, all empty; the fifth is the signature's */
	.fill 16, 8, 0
	/* Sections */
	.ascii ".text\0\0\0"
	.long image_text_bytes, image_text, image_text_bytes, image_text
	.long 0, 0, 0
	.long 0x60000020 /* code, executable, readable */
	.ascii ".data\0\0\0"
	.long image_data_bytes, image_data, image_data_file_bytes, image_data
	.long 0, 0, 0
	.long 0xc0000040 /* initialised data, readable, writable */

	.org HEADER
	.byte 7 /* setup sectors behind the first */
	.word 0
	.long image_paragraphs
	.word 0, 0xffff, 0
	.word 0xaa55
	.org 0x200
	.byte 0xeb, setup - 1f /* jump over the header */
1:	.ascii "HdrS"
	.word 0x020f /* protocol 2.15 */
	.long 0
	.word 0
	.word version - image_start - 0x200
	.byte 0	   /* loader */
	.byte 0x01 /* protected-mode part goes to 1 MiB */
	.word 0
code32_start:
	.long 0x100000
	.long 0, 0
	.long 0
	.word 0
	.byte 0, 0
	.long 0		 /* command line */
	.long 0x7fffffff /* highest address of the initial RAM disk */
	.long 0x1000	 /* alignment */
	.byte 1, 12	 /* relocatable, to any page */
	.word 0x09	 /* 64-bit entry, 64-bit EFI handover */
	.long 8191	 /* longest command line */
	.long 0
	.quad 0
	.long 0, 0
	.quad 0
	.quad 0x100000	       /* preferred place */
	.long image_init_bytes /* memory needed from there */
	.long 0x20	       /* EFI handover: 64-bit entry 0x200 behind it */
	.long 0
header_end:

/* Entered with the whole segment's base in %ds, %cs 0x20 paragraphs above. */
setup:
	cli
	cld
	movw %ds, %ax
	movw %ax, %es
	movw %ax, %ss
	movl $0x8ff0, %esp
	pushw %ds
	pushw $1f
	lretw
1:	sti
	/* Without long mode nothing that follows would run: say so while the BIOS still can. */
	movl $0x80000000, %eax
	cpuid
	cmpl $0x80000001, %eax
	jb no_long_mode
	movl $0x80000001, %eax
	cpuid
	btl $29, %edx
	jnc no_long_mode
	xorl %eax, %eax
	movw $PARAMS, %di
	movw $0x400, %cx
	rep stosl
	movw $HEADER, %si
	movw $PARAMS + HEADER, %di
	movw $header_end - image_start - HEADER, %cx
	rep movsb

	/* The memory map: ACPI 6.4, 15.1. */
	xorl %ebx, %ebx
	movw $PARAMS + 0x2d0, %di
1:	movl $0xe820, %eax
	movl $20, %ecx
	movl $0x534d4150, %edx /* "SMAP" */
	int $0x15
	jc 2f
	cmpl $0x534d4150, %eax
	jne 2f
	incb PARAMS + 0x1e8
	addw $20, %di
	cmpw $PARAMS + 0x2d0 + 128 * 20, %di
	jae 2f
	testl %ebx, %ebx
	jnz 1b
2:
	/* Address line 20: by the BIOS, then by the chipset's port, whatever the BIOS said. */
	movw $0x2401, %ax
	int $0x15
	inb $0x92, %al
	testb $2, %al
	jnz 3f
	orb $2, %al
	andb $0xfe, %al
	outb %al, $0x92
3:	cli

	xorl %ebp, %ebp
	movw %ds, %bp
	shll $4, %ebp
	leal setup_gdt(%ebp), %eax
	movl %eax, setup_gdt_pointer + 2
	addl %ebp, setup_target
	lgdtl setup_gdt_pointer
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpl *setup_target

no_long_mode:
	movw $message, %si
1:	lodsb
	testb %al, %al
	jz 2f
	movb $0x0e, %ah /* the BIOS's teletype, and the first serial port */
	xorw %bx, %bx
	int $0x10
	movb -1(%si), %al
	movw $0x3f8, %dx
	outb %al, %dx
	jmp 1b
2:	hlt
	jmp 2b
message:
	.asciz "\r\nSluice needs a 64-bit CPU (x86-64); this one has no long mode.\r\n"

	.code32
setup32:
	movl $0x18, %eax
	movl %eax, %ds
	movl %eax, %es
	movl %eax, %fs
	movl %eax, %gs
	movl %eax, %ss
	leal 0x8ff0(%ebp), %esp
	leal PARAMS(%ebp), %esi
	movl code32_start(%ebp), %eax
	xorl %ebx, %ebx
	xorl %edi, %edi
	xorl %ebp, %ebp
	jmp *%eax

	.balign 8
setup_gdt: /* selectors as the boot protocol demands */
	.quad 0, 0
	.quad 0x00cf9b000000ffff /* 0x10: code */
	.quad 0x00cf93000000ffff /* 0x18: data */
setup_gdt_pointer:
	.word 31
	.long 0
setup_target:
	.long setup32
	.word 0x10
version:
	.asciz "Sluice " SLUICE_VERSION
	.org 0x1000

	.section .note.GNU-stack, "", @progbits
