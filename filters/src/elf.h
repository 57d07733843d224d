/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading untrusted ELF files: 64 bits, little-endian, relocatable, for BPF. Every access goes
 * through functions that check it against the file's size.
 */
#ifndef FLT_ELF_H
#define FLT_ELF_H

#include "internal.h"

enum {
	ELF_SHT_PROGBITS = 1,
	ELF_SHT_SYMTAB = 2,
	ELF_SHT_NOBITS = 8,
	ELF_SHT_REL = 9,
	ELF_SHF_WRITE = 1,
	ELF_SHF_ALLOC = 2,
	ELF_SHF_EXECINSTR = 4,
	ELF_STT_NOTYPE = 0,
	ELF_STT_OBJECT = 1,
	ELF_STT_FUNC = 2,
	ELF_STT_SECTION = 3,
	ELF_SECTIONS_MAX = 4096,
};

struct elf_header {
	uint8_t ident[16];
	uint16_t type;
	uint16_t machine;
	uint32_t version;
	uint64_t entry;
	uint64_t phoff;
	uint64_t shoff;
	uint32_t flags;
	uint16_t ehsize;
	uint16_t phentsize;
	uint16_t phnum;
	uint16_t shentsize;
	uint16_t shnum;
	uint16_t shstrndx;
};

struct elf_section {
	uint32_t name;
	uint32_t type;
	uint64_t flags;
	uint64_t addr;
	uint64_t offset;
	uint64_t size;
	uint32_t link;
	uint32_t info;
	uint64_t addralign;
	uint64_t entsize;
};

struct elf_symbol {
	uint32_t name;
	uint8_t info; /* binding << 4 | type */
	uint8_t other;
	uint16_t section;
	uint64_t value;
	uint64_t size;
};

struct elf_rel {
	uint64_t offset;
	uint64_t info; /* symbol << 32 | type */
};

struct elf {
	const uint8_t *bytes;
	size_t size;
	uint32_t n_sections;
	uint64_t section_table;
	uint32_t names;  /* section of the sections' names */
	uint32_t symtab; /* section index; 0: none */
	uint32_t n_symbols;
};

int elf_open(struct elf *elf, const void *bytes, size_t size, struct flt_error *error);
/* Copies of the i-th header or symbol; i is below n_sections or n_symbols. */
struct elf_section elf_section(const struct elf *elf, uint32_t i);
struct elf_symbol elf_symbol(const struct elf *elf, uint32_t i);
/* A section's bytes, or NULL where it has none in the file; sizes were checked by elf_open. */
const uint8_t *elf_data(const struct elf *elf, uint32_t section);
/* A terminated text in a string section; "" where it is not one. */
const char *elf_text(const struct elf *elf, uint32_t section, uint32_t offset);
const char *elf_section_name(const struct elf *elf, uint32_t i);
const char *elf_symbol_name(const struct elf *elf, uint32_t i);
/* The section of that name; 0: none. */
uint32_t elf_find(const struct elf *elf, const char *name);
static inline uint32_t elf_symbol_type(const struct elf_symbol *symbol)
{
	return symbol->info & 0xf;
}

#endif
