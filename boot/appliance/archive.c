/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing newc cpio archives.
 */
#include <stdio.h>
#include <string.h>

#include "archive.h"

enum { HEADER = 110 };

/* Bytes from the start of a member's header to its data. */
static size_t lead(const char *name)
{
	return (HEADER + strlen(name) + 1 + 3) & ~(size_t)3;
}

static void add_member(struct buffer *archive, const char *name, const void *data, size_t size,
                       unsigned mode)
{
	char header[HEADER + 1];
	snprintf(header, sizeof(header),
	         "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 0u, mode, 0u, 0u, 1u,
	         0u, (unsigned)size, 0u, 0u, 0u, 0u, (unsigned)strlen(name) + 1, 0u);
	buffer_append(archive, header, HEADER);
	buffer_append(archive, name, strlen(name) + 1);
	buffer_align(archive, 4);
	buffer_append(archive, data, size);
	buffer_align(archive, 4);
}

void archive_add(struct buffer *archive, const char *name, const void *data, size_t size)
{
	size_t unaligned = (archive->size + lead(name)) % ARCHIVE_ALIGNMENT;
	if (archive->size && unaligned) {
		size_t gap = ARCHIVE_ALIGNMENT - unaligned;
		while (gap < lead("pad"))
			gap += ARCHIVE_ALIGNMENT;
		add_member(archive, "pad", NULL, gap - lead("pad"), 0100444);
	}
	add_member(archive, name, data, size, 0100444);
}

void archive_close(struct buffer *archive)
{
	add_member(archive, "TRAILER!!!", NULL, 0, 0);
	buffer_align(archive, 512);
}
