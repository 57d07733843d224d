/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * memcpy, memmove, memset, memcmp; see string.h. Whole words by string instructions, which are
 * microcoded to cache lines on today's CPUs and translated to tight loops by emulators.
 */
	.text
	.weak memcpy
	.weak memmove
	.weak memset
	.weak memcmp

memmove:
	movq %rdi, %rax
	movq %rdi, %rcx
	subq %rsi, %rcx
	cmpq %rdx, %rcx /* to - from, unsigned: below size only where copying up would overwrite */
	jae memcpy
	leaq -1(%rdi, %rdx), %rdi
	leaq -1(%rsi, %rdx), %rsi
	movq %rdx, %rcx
	std
	rep movsb
	cld
	ret

memcpy:
	movq %rdi, %rax
	movq %rdx, %rcx
	shrq $3, %rcx
	rep movsq
	movl %edx, %ecx
	andl $7, %ecx
	rep movsb
	ret

memset:
	movq %rdi, %r8
	movzbl %sil, %eax
	movabsq $0x0101010101010101, %rcx
	imulq %rcx, %rax
	movq %rdx, %rcx
	shrq $3, %rcx
	rep stosq
	movl %edx, %ecx
	andl $7, %ecx
	rep stosb
	movq %r8, %rax
	ret

memcmp:
	xorl %eax, %eax
1:	testq %rdx, %rdx
	jz 2f
	movzbl (%rdi), %eax
	movzbl (%rsi), %ecx
	incq %rdi
	incq %rsi
	decq %rdx
	subl %ecx, %eax
	jz 1b
2:	ret

	.section .note.GNU-stack, "", @progbits
