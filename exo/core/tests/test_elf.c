/* SPDX-License-Identifier: BSD-2-Clause */
/* The ELF reader against images that lie: a line per case, boundaries on both sides. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <exo/cap.h>
#include <exo/elf.h>
#include <exo/layout.h>
#include <exo/start.h>

enum { SIZE = 4096 };

static struct {
	Elf64_Ehdr header;
	Elf64_Phdr p[20];
	Elf64_Nhdr note;
	char name[8];
	uint32_t version;
	uint8_t rest[SIZE - 64 - 20 * 56 - 12 - 8 - 4];
} image;

_Static_assert(sizeof(image) == SIZE, "the image is one page");

static Elf64_Phdr load(uint32_t flags, uint64_t address, uint64_t size)
{
	return (Elf64_Phdr){
	        .p_type = PT_LOAD, .p_flags = flags, .p_vaddr = address, .p_memsz = size};
}

/* Code with the headers in it, data, the ABI note. */
static void make(void)
{
	memset(&image, 0, sizeof(image));
	memcpy(image.header.e_ident, ELFMAG, SELFMAG);
	image.header.e_ident[EI_CLASS] = ELFCLASS64;
	image.header.e_ident[EI_DATA] = ELFDATA2LSB;
	image.header.e_ident[EI_VERSION] = EV_CURRENT;
	image.header.e_type = ET_EXEC;
	image.header.e_machine = EM_X86_64;
	image.header.e_version = EV_CURRENT;
	image.header.e_entry = 0x400800;
	image.header.e_phoff = offsetof(__typeof__(image), p);
	image.header.e_phentsize = sizeof(Elf64_Phdr);
	image.header.e_phnum = 3;
	image.p[0] = load(PF_R | PF_X, 0x400000, SIZE);
	image.p[0].p_filesz = SIZE;
	image.p[1] = load(PF_R | PF_W, 0x401000, 100);
	image.p[1].p_offset = SIZE - 50;
	image.p[1].p_filesz = 50;
	image.p[2] = (Elf64_Phdr){
	        .p_type = PT_NOTE, .p_offset = offsetof(__typeof__(image), note), .p_filesz = 24};
	image.note = (Elf64_Nhdr){.n_namesz = 7, .n_descsz = 4, .n_type = 1};
	memcpy(image.name, "Sluice", 7);
	image.version = 1;
}

static const char *parse(struct exo_elf *elf)
{
	return exo_elf_parse(&image, sizeof(image), elf);
}

static void reads(void **state)
{
	struct exo_elf elf;

	make();
	assert_null(parse(&elf));
	assert_int_equal(elf.entry, 0x400800);
	assert_int_equal(elf.phdr, 0x400040);
	assert_int_equal(elf.phnum, 3);
	assert_int_equal(elf.abi_version, 1);
	assert_int_equal(elf.n_segments, 2);
	assert_int_equal(elf.segments[0].rights, EXO_RIGHT_READ | EXO_RIGHT_EXEC);
	assert_int_equal(elf.segments[1].rights, EXO_RIGHT_READ | EXO_RIGHT_WRITE);
	assert_int_equal(elf.segments[1].size, 100);
	assert_int_equal(elf.segments[1].file_size, 50);
}

static void expect(unsigned line, const char *wrong)
{
	struct exo_elf elf;
	const char *found = parse(&elf);

	if (wrong ? !found || strcmp(found, wrong) != 0 : found != NULL)
		fail_msg("line %u: %s", line, found ? found : "accepted");
}

#define CASE(change, wrong)                                                                        \
	make();                                                                                    \
	change;                                                                                    \
	expect(__LINE__, wrong)

static void headers_that_lie(void **state)
{
	CASE(image.header.e_ident[0] = 0, "no ELF magic");
	CASE(image.header.e_ident[EI_CLASS] = ELFCLASS32, "not for x86-64");
	CASE(image.header.e_ident[EI_DATA] = ELFDATA2MSB, "not for x86-64");
	CASE(image.header.e_machine = EM_AARCH64, "not for x86-64");
	CASE(image.header.e_version = 2, "unknown ELF version");
	CASE(image.header.e_type = ET_DYN, "not a static executable (type EXEC)");
	CASE(image.header.e_phentsize = 32, "program headers of unknown size");
	CASE(image.header.e_phnum = 0, "no program headers, or more than 64");
	CASE(image.header.e_phnum = 65, "no program headers, or more than 64");
	CASE(image.header.e_phoff = SIZE - 3 * 56 + 1, "program headers reach beyond the file");
	CASE(image.header.e_phoff = UINT64_MAX, "program headers reach beyond the file");
	CASE(image.header.e_phoff = UINT64_MAX - 167, "program headers reach beyond the file");
	CASE(image.header.e_entry = 0x400fff, NULL);
	CASE(image.header.e_entry = 0x401000, "the entry point lies in no executable segment");
	CASE(image.header.e_entry = 0x3fffff, "the entry point lies in no executable segment");
	CASE(image.p[2].p_type = PT_INTERP, "needs a dynamic linker");
}

static void segments_that_lie(void **state)
{
	const char *outside = "a segment lies outside what an environment may use";
	const char *order = "segments overlap, share a page or are out of order";

	CASE(image.p[1].p_filesz = 101, "a segment is larger in the file than in memory");
	CASE(image.p[1].p_filesz = 51, "a segment reaches beyond the file");
	CASE(image.p[1].p_offset = SIZE - 49, "a segment reaches beyond the file");
	CASE(image.p[1].p_offset = UINT64_MAX, "a segment reaches beyond the file");
	CASE(image.p[1].p_offset = UINT64_MAX - 49, "a segment reaches beyond the file");
	CASE(image.p[0].p_flags |= PF_W, "a segment is writable and executable");
	CASE(image.p[1].p_vaddr = 0x400fff, order);
	CASE(image.p[1].p_vaddr = 0x3ff000, order);
	CASE(image.p[0].p_memsz = SIZE + 1, order);
	CASE(image.p[1].p_vaddr = EXO_USER_END - 100, NULL);
	CASE(image.p[1].p_vaddr = EXO_USER_END - 99, outside);
	CASE(image.p[1].p_vaddr = UINT64_MAX - 10, outside);
	CASE(image.p[1].p_vaddr = 0xffffffff80000000, outside);
	CASE(image.p[1].p_memsz = UINT64_MAX, outside);
	CASE(image.p[0].p_vaddr = EXO_USER_FIRST - 1, outside);
	CASE(image.p[1].p_vaddr = EXO_KERNEL_AREA_BASE - 100, NULL);
	CASE(image.p[1].p_vaddr = EXO_KERNEL_AREA_BASE - 99, outside);
	CASE(image.p[1].p_vaddr = EXO_START_ADDR + EXO_START_BYTES - 1, outside);
	CASE(image.p[1].p_vaddr = EXO_START_ADDR + EXO_START_BYTES, NULL);
	CASE(image.p[1].p_memsz = image.p[1].p_filesz = 0; image.p[1].p_vaddr = 0, NULL);
	CASE(image.p[1].p_flags = 0, NULL);
}

static void too_many_segments(void **state)
{
	struct exo_elf elf;

	for (unsigned n = EXO_ELF_SEGMENTS_MAX; n <= EXO_ELF_SEGMENTS_MAX + 1; n++) {
		make();
		image.header.e_phnum = (uint16_t)n;
		for (unsigned i = 1; i < n; i++)
			image.p[i] = load(PF_R, 0x400000 + i * 4096, 1);
		if (n == EXO_ELF_SEGMENTS_MAX)
			assert_null(parse(&elf));
		else
			assert_string_equal(parse(&elf), "more than 16 segments");
	}
}

static void notes_that_lie(void **state)
{
	static const struct {
		uint32_t name_size, size, type;
	} rows[] = {{8, 4, 1}, {6, 4, 1},          {7, 5, 1},          {7, 0, 1},
	            {7, 4, 2}, {UINT32_MAX, 4, 1}, {7, UINT32_MAX, 1}, {UINT32_MAX, UINT32_MAX, 1}};
	struct exo_elf elf;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		make();
		image.note = (Elf64_Nhdr){.n_namesz = rows[i].name_size,
		                          .n_descsz = rows[i].size,
		                          .n_type = rows[i].type};
		assert_null(parse(&elf));
		assert_int_equal(elf.abi_version, 0);
	}
	CASE(image.p[2].p_filesz = SIZE, "notes reach beyond the file");
	CASE(image.p[2].p_offset = UINT64_MAX, "notes reach beyond the file");
}

/* In memory of exactly its size, so that a build with the address sanitizer sees a step too far. */
/* A position-independent image lies where it is put, and only where that is allowed. */
static void relocatable(void **state)
{
	struct exo_elf elf;

	make();
	image.header.e_type = ET_DYN;
	image.header.e_entry = 0x800;
	image.p[0].p_vaddr = 0;
	image.p[1].p_vaddr = 0x1000;
	assert_non_null(parse(&elf));
	assert_null(exo_elf_parse_at(&image, sizeof(image), 0x10000000, &elf));
	assert_true(elf.relocatable);
	assert_int_equal(elf.entry, 0x10000800);
	assert_int_equal(elf.phdr, 0x10000040);
	assert_int_equal(elf.segments[1].address, 0x10001000);
	assert_non_null(exo_elf_parse_at(&image, sizeof(image), EXO_USER_END - 0x1000, &elf));
	assert_non_null(exo_elf_parse_at(&image, sizeof(image), 0x1000, &elf));
	/* Addresses that wrap around are looked at like all others. */
	image.p[1].p_vaddr = -0x10000000ull;
	assert_non_null(exo_elf_parse_at(&image, sizeof(image), 0x10000000, &elf));
	/* One at fixed addresses is not moved. */
	make();
	assert_null(exo_elf_parse_at(&image, sizeof(image), 0x10000000, &elf));
	assert_false(elf.relocatable);
	assert_int_equal(elf.entry, 0x400800);
}

static void truncated(void **state)
{
	make();
	for (size_t n = 0; n < SIZE; n++) {
		void *copy = malloc(n ? n : 1);
		struct exo_elf elf;

		memcpy(copy, &image, n);
		assert_non_null(exo_elf_parse(copy, n, &elf));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(reads),
	        cmocka_unit_test(headers_that_lie),
	        cmocka_unit_test(segments_that_lie),
	        cmocka_unit_test(too_many_segments),
	        cmocka_unit_test(notes_that_lie),
	        cmocka_unit_test(relocatable),
	        cmocka_unit_test(truncated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
