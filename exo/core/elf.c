/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reads a static x86-64 executable that nobody vouches for. Headers are copied out before they are
 * looked at: an image may lie anywhere, at any alignment. Sources: System V ABI, chapters 4 and 5;
 * its AMD64 supplement.
 */
#include <exo/elf.h>

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include <exo/cap.h>
#include <exo/layout.h>
#include <exo/start.h>

enum {
	HEADERS_MAX = 64, /* program headers that are looked at */
	NOTE_TYPE_ABI = 1,
};

/* What is being read. */
struct image {
	const uint8_t *bytes;
	size_t size;
	uint64_t base; /* what a position-independent image is moved by; 0: that is refused */
	Elf64_Ehdr header;
};

/* Whether `size` bytes at `offset` lie inside the image. */
static bool inside(const struct image *image, uint64_t offset, uint64_t size)
{
	return offset <= image->size && image->size - offset >= size;
}

static const char *check_header(struct image *image)
{
	Elf64_Ehdr *h = &image->header;

	if (image->size < sizeof(*h))
		return "shorter than an ELF header";
	memcpy(h, image->bytes, sizeof(*h));
	if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
		return "no ELF magic";
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64)
		return "not for x86-64";
	if (h->e_ident[EI_VERSION] != EV_CURRENT || h->e_version != EV_CURRENT)
		return "unknown ELF version";
	if (h->e_type == ET_EXEC)
		image->base = 0;
	else if (h->e_type != ET_DYN || image->base == 0)
		return "not a static executable (type EXEC)";
	if (h->e_phentsize != sizeof(Elf64_Phdr))
		return "program headers of unknown size";
	if (h->e_phnum == 0 || h->e_phnum > HEADERS_MAX)
		return "no program headers, or more than 64";
	if (!inside(image, h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr)))
		return "program headers reach beyond the file";
	return NULL;
}

static Elf64_Phdr header_at(const struct image *image, unsigned i)
{
	Elf64_Phdr p;

	memcpy(&p, image->bytes + image->header.e_phoff + i * sizeof(p), sizeof(p));
	/* Wild sums wrap to addresses that are checked like all others. */
	p.p_vaddr += image->base;
	return p;
}

/* Whether [address, address + size) is an environment's to use, apart from what the kernel and the
 * creator of an environment put there. */
static bool address_usable(uint64_t address, uint64_t size)
{
	const uint64_t reserved_end = EXO_START_ADDR + EXO_START_BYTES;

	if (address < EXO_USER_FIRST || address >= EXO_USER_END || EXO_USER_END - address < size)
		return false;
	return address >= reserved_end ||
	       (address < EXO_KERNEL_AREA_BASE && EXO_KERNEL_AREA_BASE - address >= size);
}

static uint16_t rights_of(uint32_t flags)
{
	unsigned rights = EXO_RIGHT_READ;

	if (flags & PF_W)
		rights |= EXO_RIGHT_WRITE;
	if (flags & PF_X)
		rights |= EXO_RIGHT_EXEC;
	return (uint16_t)rights;
}

static uint64_t page_up(uint64_t address)
{
	return (address + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
}

/* Whether `p` lies on pages behind those of the last segment so far. */
static bool follows(const struct exo_elf *elf, const Elf64_Phdr *p)
{
	const struct exo_elf_segment *last;

	if (elf->n_segments == 0)
		return true;
	last = &elf->segments[elf->n_segments - 1];
	return p->p_vaddr >= page_up(last->address + last->size);
}

static const char *add_segment(const struct image *image, struct exo_elf *elf, const Elf64_Phdr *p)
{
	if (p->p_filesz > p->p_memsz)
		return "a segment is larger in the file than in memory";
	if (!inside(image, p->p_offset, p->p_filesz))
		return "a segment reaches beyond the file";
	if (p->p_memsz == 0)
		return NULL;
	if (!address_usable(p->p_vaddr, p->p_memsz))
		return "a segment lies outside what an environment may use";
	if ((p->p_flags & PF_W) && (p->p_flags & PF_X))
		return "a segment is writable and executable";
	if (elf->n_segments == EXO_ELF_SEGMENTS_MAX)
		return "more than 16 segments";
	if (!follows(elf, p))
		return "segments overlap, share a page or are out of order";
	elf->segments[elf->n_segments++] = (struct exo_elf_segment){
	        .address = p->p_vaddr,
	        .size = p->p_memsz,
	        .file_offset = p->p_offset,
	        .file_size = p->p_filesz,
	        .rights = rights_of(p->p_flags),
	};
	return NULL;
}

/* Looks for the ABI note among the notes of one segment; what is malformed there is no note. */
static void read_notes(const struct image *image, struct exo_elf *elf, const Elf64_Phdr *p)
{
	const uint8_t *at = image->bytes + p->p_offset;
	uint64_t left = p->p_filesz;
	Elf64_Nhdr note;

	while (left >= sizeof(note)) {
		uint64_t name_size, size;

		memcpy(&note, at, sizeof(note));
		name_size = ((uint64_t)note.n_namesz + 3) & ~3ull;
		size = sizeof(note) + name_size + (((uint64_t)note.n_descsz + 3) & ~3ull);
		if (size > left)
			return;
		if (note.n_type == NOTE_TYPE_ABI && note.n_namesz == 7 && note.n_descsz == 4 &&
		    memcmp(at + sizeof(note), "Sluice", 7) == 0)
			memcpy(&elf->abi_version, at + sizeof(note) + name_size, 4);
		at += size;
		left -= size;
	}
}

static const char *read_program_header(const struct image *image, struct exo_elf *elf,
                                       const Elf64_Phdr *p)
{
	switch (p->p_type) {
	case PT_LOAD:
		return add_segment(image, elf, p);
	case PT_INTERP:
		return "needs a dynamic linker";
	case PT_NOTE:
		if (!inside(image, p->p_offset, p->p_filesz))
			return "notes reach beyond the file";
		read_notes(image, elf, p);
		return NULL;
	default:
		return NULL;
	}
}

static bool entry_is_code(const struct exo_elf *elf)
{
	for (uint32_t i = 0; i < elf->n_segments; i++) {
		const struct exo_elf_segment *s = &elf->segments[i];

		if ((s->rights & EXO_RIGHT_EXEC) && elf->entry >= s->address &&
		    elf->entry - s->address < s->size)
			return true;
	}
	return false;
}

/* The address at which the program headers themselves were loaded; 0: nowhere. */
static uint64_t headers_address(const struct image *image, const struct exo_elf *elf)
{
	uint64_t offset = image->header.e_phoff;
	uint64_t size = (uint64_t)image->header.e_phnum * sizeof(Elf64_Phdr);

	for (uint32_t i = 0; i < elf->n_segments; i++) {
		const struct exo_elf_segment *s = &elf->segments[i];

		if (offset >= s->file_offset && offset - s->file_offset <= s->file_size &&
		    s->file_size - (offset - s->file_offset) >= size)
			return s->address + (offset - s->file_offset);
	}
	return 0;
}

const char *exo_elf_parse(const void *bytes, size_t size, struct exo_elf *elf)
{
	return exo_elf_parse_at(bytes, size, 0, elf);
}

const char *exo_elf_parse_at(const void *bytes, size_t size, uint64_t base, struct exo_elf *elf)
{
	struct image image = {.bytes = bytes, .size = size, .base = base};
	const char *wrong = check_header(&image);

	if (wrong)
		return wrong;
	*elf = (struct exo_elf){.entry = image.header.e_entry + image.base,
	                        .phnum = image.header.e_phnum,
	                        .relocatable = image.base != 0};
	for (unsigned i = 0; i < image.header.e_phnum; i++) {
		Elf64_Phdr p = header_at(&image, i);

		wrong = read_program_header(&image, elf, &p);
		if (wrong)
			return wrong;
	}
	if (!entry_is_code(elf))
		return "the entry point lies in no executable segment";
	elf->phdr = headers_address(&image, elf);
	return NULL;
}
