/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an image: what is accepted keeps every promise of exo/elf.h. */
#include <stdlib.h>

#include <exo/cap.h>
#include <exo/elf.h>
#include <exo/layout.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_segment(const struct exo_elf_segment *s, size_t size)
{
	const uint16_t both = EXO_RIGHT_WRITE | EXO_RIGHT_EXEC;

	if (s->file_size > s->size || s->file_offset > size ||
	    size - s->file_offset < s->file_size || (s->rights & both) == both ||
	    s->address < EXO_USER_FIRST || EXO_USER_END - s->address < s->size)
		abort();
}

static void check(const uint8_t *data, size_t size, uint64_t base)
{
	struct exo_elf elf;

	if (exo_elf_parse_at(data, size, base, &elf))
		return;
	for (uint32_t i = 0; i < elf.n_segments; i++) {
		const struct exo_elf_segment *s = &elf.segments[i];

		check_segment(s, size);
		if (i > 0 &&
		    s->address / EXO_PAGE_SIZE <= (s[-1].address + s[-1].size - 1) / EXO_PAGE_SIZE)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	check(data, size, 0);
	check(data, size, 0x10000000);
	check(data, size, EXO_USER_END - (1 << 20));
	return 0;
}
