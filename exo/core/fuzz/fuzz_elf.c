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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exo_elf elf;

	if (exo_elf_parse(data, size, &elf))
		return 0;
	for (uint32_t i = 0; i < elf.n_segments; i++) {
		const struct exo_elf_segment *s = &elf.segments[i];

		check_segment(s, size);
		if (i > 0 &&
		    s->address / EXO_PAGE_SIZE <= (s[-1].address + s[-1].size - 1) / EXO_PAGE_SIZE)
			abort();
	}
	return 0;
}
