/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The payload: a cpio archive in "new ASCII" (newc) format, as the kernel (to find init) and libexo
 * (everything else) read it. One walker, exo/core/cpio.c, compiled into both. It trusts nothing:
 * names are NUL-terminated inside the archive, and content lies inside it.
 */
#ifndef EXO_CPIO_H
#define EXO_CPIO_H

#include <stddef.h>
#include <stdint.h>

/* A place in an archive. Set `archive` and `size`, zero the rest. */
struct exo_cpio {
	const void *archive;
	size_t size;
	size_t offset; /* of the next header */
};

/* One member. Pointers go into the archive. */
struct exo_cpio_member {
	const char *name; /* NUL-terminated */
	const void *data; /* `size` bytes, on a multiple of 4 from the archive's start */
	size_t size;
	uint32_t mode; /* st_mode, as POSIX pax numbers it */
};

/*
 * Reads the next member. Returns NULL and fills `member`, or a constant string that says why not:
 * exo_cpio_end where the archive ended as it should, anything else names what is wrong. After an
 * error the walk is over: each further call returns the same. Source: cpio(5), "New ASCII Format".
 */
const char *exo_cpio_next(struct exo_cpio *cpio, struct exo_cpio_member *member);

/* Finds a member by name. Like exo_cpio_next; exo_cpio_end: there is none. */
const char *exo_cpio_find(const void *archive, size_t size, const char *name,
                          struct exo_cpio_member *member);

extern const char exo_cpio_end[]; /* "end of archive": compared by address */

#endif
