/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Environment images: static x86-64 ELF executables, as the kernel (for init) and libexo (for
 * everybody else) read them. One parser, exo/core/elf.c, compiled into both. It trusts nothing:
 * what it returns lies inside the image, does not overlap, keeps to the addresses an environment
 * may use, and is never writable and executable at once.
 */
#ifndef EXO_ELF_H
#define EXO_ELF_H

#include <stddef.h>
#include <stdint.h>

enum {
	EXO_ELF_SEGMENTS_MAX = 16,
};

struct exo_elf_segment {
	uint64_t address; /* virtual, as linked; not necessarily page-aligned */
	uint64_t size;    /* in memory */
	uint64_t file_offset;
	uint64_t file_size; /* at most size; the rest is zero */
	uint16_t rights;    /* enum exo_rights: READ, WRITE, EXEC */
};

struct exo_elf {
	uint64_t entry; /* inside an executable segment */
	uint64_t phdr;  /* virtual address of the program headers, 0 where no segment holds them */
	uint32_t phnum;
	uint32_t abi_version; /* of the note "Sluice", type 1; 0 where there is none (a foreign
	                         program) */
	uint32_t relocatable; /* position-independent: it was laid out at the base that was given */
	uint32_t n_segments;
	struct exo_elf_segment
	        segments[EXO_ELF_SEGMENTS_MAX]; /* in ascending order; no two share a page */
};

/*
 * Reads the headers of `image` (`size` bytes, untrusted) into `elf`. Returns NULL, or what is wrong
 * with it as a constant string, e.g. "segment 2 reaches beyond the file". Source: System V ABI,
 * AMD64 supplement; ELF-64 object file format.
 */
const char *exo_elf_parse(const void *image, size_t size, struct exo_elf *elf);

/*
 * Likewise, for foreign programs, which may be position-independent (static-pie): all addresses of
 * such an image are then moved up by `base`, a multiple of the page size.
 */
const char *exo_elf_parse_at(const void *image, size_t size, uint64_t base, struct exo_elf *elf);

#endif
