/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Where an environment faulted, by names: the kernel keeps the addresses that frame pointers led
 * to, and the payload has the image with its symbol table (System V ABI, chapter 4), unless it was
 * stripped. The image was verified against the manifest, and is checked nevertheless.
 */
#include <elf.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>

#include "init.h"

struct image_symbols {
	const Elf64_Sym *table;
	uint64_t n;
	const char *names;
	uint64_t names_size;
};

/* A part of the image, or NULL where it does not lie inside. */
static const void *part(const struct member *image, uint64_t offset, uint64_t size)
{
	if (offset > image->size || image->size - offset < size || offset % 8 != 0)
		return NULL;
	return (const char *)image->data + offset;
}

static const Elf64_Shdr *sections_of(const struct member *image, uint32_t *n)
{
	const Elf64_Ehdr *head = part(image, 0, sizeof(*head));

	if (head == NULL || head->e_shentsize != sizeof(Elf64_Shdr))
		return NULL;
	*n = head->e_shnum;
	return part(image, head->e_shoff, *n * sizeof(Elf64_Shdr));
}

static bool find_symbols(const struct member *image, struct image_symbols *symbols)
{
	uint32_t n = 0;
	const Elf64_Shdr *sections = sections_of(image, &n);

	for (uint32_t i = 0; sections != NULL && i < n; i++) {
		const Elf64_Shdr *s = &sections[i], *strings;

		if (s->sh_type != SHT_SYMTAB || s->sh_link >= n)
			continue;
		strings = &sections[s->sh_link];
		if (strings->sh_offset > image->size || strings->sh_size == 0 ||
		    image->size - strings->sh_offset < strings->sh_size)
			return false;
		symbols->table = part(image, s->sh_offset, s->sh_size);
		symbols->n = s->sh_size / sizeof(Elf64_Sym);
		symbols->names = (const char *)image->data + strings->sh_offset;
		symbols->names_size = strings->sh_size;
		return symbols->table != NULL && symbols->names[symbols->names_size - 1] == '\0';
	}
	return false;
}

/* The function that holds an address, or NULL. */
static const char *name_of(const struct image_symbols *symbols, uint64_t address, uint64_t *offset)
{
	for (uint64_t i = 0; i < symbols->n; i++) {
		const Elf64_Sym *s = &symbols->table[i];

		if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_name >= symbols->names_size ||
		    address < s->st_value || address - s->st_value >= s->st_size)
			continue;
		*offset = address - s->st_value;
		return symbols->names + s->st_name;
	}
	return NULL;
}

void backtrace_print(const struct service *service)
{
	struct exo_env_record record = {.env = service->child.cap};
	struct image_symbols symbols = {.n = 0};
	int result = exo_env_record(&record);

	if (result < 0 || !find_symbols(&init.payload.members[service->entry->image], &symbols))
		return;
	for (uint32_t i = 0; i < record.depth && i < EXO_RECORD_FRAMES_MAX; i++) {
		/* A return address may already belong to the function behind. */
		uint64_t address = record.backtrace[i] - (i > 0), offset = 0;
		const char *name = name_of(&symbols, address, &offset);

		exo_printf("%s: #%u 0x%llx %s+0x%llx\n", service->name, i,
		           (unsigned long long)record.backtrace[i], name == NULL ? "?" : name,
		           (unsigned long long)offset + (i > 0));
	}
}
