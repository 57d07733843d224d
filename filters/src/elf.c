/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading untrusted ELF files. See elf.h.
 */
#include "elf.h"

enum {
	ELFCLASS64 = 2,
	ELFDATA2LSB = 1,
	ET_REL = 1,
	EM_BPF = 247,
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF-64");
_Static_assert(sizeof(struct elf_section) == 64, "ELF-64");
_Static_assert(sizeof(struct elf_symbol) == 24, "ELF-64");

/* Whether length bytes from offset lie in the file. */
static bool in_file(const struct elf *elf, uint64_t offset, uint64_t length)
{
	return offset <= elf->size && length <= elf->size - offset;
}

struct elf_section elf_section(const struct elf *elf, uint32_t i)
{
	struct elf_section section;
	memcpy(&section, elf->bytes + elf->section_table + (uint64_t)i * sizeof(section),
	       sizeof(section));
	return section;
}

struct elf_symbol elf_symbol(const struct elf *elf, uint32_t i)
{
	struct elf_symbol symbol;
	struct elf_section table = elf_section(elf, elf->symtab);
	memcpy(&symbol, elf->bytes + table.offset + (uint64_t)i * sizeof(symbol), sizeof(symbol));
	return symbol;
}

const uint8_t *elf_data(const struct elf *elf, uint32_t i)
{
	struct elf_section section = elf_section(elf, i);
	return section.type == ELF_SHT_NOBITS || !section.size ? NULL : elf->bytes + section.offset;
}

const char *elf_text(const struct elf *elf, uint32_t i, uint32_t offset)
{
	if (i >= elf->n_sections)
		return "";
	struct elf_section section = elf_section(elf, i);
	const char *text = (const char *)elf_data(elf, i);
	/* Terminated, because its last byte is: nothing reads beyond the section. */
	if (!text || offset >= section.size || text[section.size - 1])
		return "";
	return text + offset;
}

const char *elf_section_name(const struct elf *elf, uint32_t i)
{
	return elf_text(elf, elf->names, elf_section(elf, i).name);
}

const char *elf_symbol_name(const struct elf *elf, uint32_t i)
{
	struct elf_section table = elf_section(elf, elf->symtab);
	struct elf_symbol symbol = elf_symbol(elf, i);
	if (elf_symbol_type(&symbol) == ELF_STT_SECTION && symbol.section < elf->n_sections)
		return elf_section_name(elf, symbol.section);
	return elf_text(elf, table.link, symbol.name);
}

uint32_t elf_find(const struct elf *elf, const char *name)
{
	for (uint32_t i = 1; i < elf->n_sections; i++)
		if (!strcmp(elf_section_name(elf, i), name))
			return i;
	return 0;
}

static const char *check_header(const struct elf_header *header, size_t size)
{
	static const uint8_t magic[4] = {0x7f, 'E', 'L', 'F'};
	if (memcmp(header->ident, magic, sizeof(magic)) != 0)
		return "not an ELF file";
	if (header->ident[4] != ELFCLASS64 || header->ident[5] != ELFDATA2LSB)
		return "not a 64-bit little-endian ELF file";
	if (header->type != ET_REL || (header->machine != EM_BPF && header->machine != 0))
		return "not a relocatable object for BPF";
	if (header->shentsize != sizeof(struct elf_section))
		return "section headers of an unknown size";
	if (header->shnum < 1 || header->shnum > ELF_SECTIONS_MAX)
		return "no sections, or too many";
	if (header->shoff > size ||
	    (size - header->shoff) / sizeof(struct elf_section) < header->shnum)
		return "section headers lie outside the file";
	return header->shstrndx < header->shnum ? NULL : "section of names does not exist";
}

static int check_sections(struct elf *elf, struct flt_error *error)
{
	/* The first one, too: links may lead there. */
	for (uint32_t i = 0; i < elf->n_sections; i++) {
		struct elf_section section = elf_section(elf, i);
		if (section.type != ELF_SHT_NOBITS && !in_file(elf, section.offset, section.size))
			return flt_fail(error, FLT_E_INVALID, -1,
			                "section %u lies outside the file", i);
		if (i && section.type == ELF_SHT_SYMTAB && !elf->symtab) {
			elf->symtab = i;
			elf->n_symbols = (uint32_t)(section.size / sizeof(struct elf_symbol));
		}
	}
	return 0;
}

int elf_open(struct elf *elf, const void *bytes, size_t size, struct flt_error *error)
{
	struct elf_header header;
	if (size < sizeof(header))
		return flt_fail(error, FLT_E_INVALID, -1, "too short for an ELF file");
	memcpy(&header, bytes, sizeof(header));
	const char *reason = check_header(&header, size);
	if (reason)
		return flt_fail(error, FLT_E_INVALID, -1, "%s", reason);
	*elf = (struct elf){
	        .bytes = bytes,
	        .size = size,
	        .n_sections = header.shnum,
	        .section_table = header.shoff,
	        .names = header.shstrndx,
	};
	return check_sections(elf, error);
}
