/* SPDX-License-Identifier: BSD-2-Clause */
/* Any bytes as an archive: members lie inside it and do not run backwards. */
#include <stdlib.h>
#include <string.h>

#include <exo/cpio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct exo_cpio cpio = {.archive = data, .size = size};
	struct exo_cpio_member member;
	size_t before = 0;

	while (!exo_cpio_next(&cpio, &member)) {
		size_t offset = (size_t)((const uint8_t *)member.data - data);

		if (cpio.offset <= before || cpio.offset > size || offset > size ||
		    size - offset < member.size || member.name[strlen(member.name)] != 0)
			abort();
		before = cpio.offset;
	}
	return 0;
}
