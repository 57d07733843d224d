/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing newc cpio archives (cpio(5), "New ASCII Format") whose members' data begin on pages of
 * their own, so that a machine can map them as they lie. Gaps are filled by members named "pad".
 * Times and owners are zero: the same members give the same bytes.
 */
#ifndef BOOT_ARCHIVE_H
#define BOOT_ARCHIVE_H

#include "buffer.h"

enum { ARCHIVE_ALIGNMENT = 4096 };

/* Adds a member. The first one is not aligned to a page (nothing comes before it), only to 4 bytes.
 */
void archive_add(struct buffer *archive, const char *name, const void *data, size_t size);

/* Ends the archive with its trailer. */
void archive_close(struct buffer *archive);

#endif
