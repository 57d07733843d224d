/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames and pages of the library OS itself.
 *
 * Frames come from the kernel in chunks (EXO_CALL_FRAME_ALLOC), are handed out from here, and go
 * back when a whole chunk is unused. Pages are frames together with addresses in the library OS's
 * area, mapped writable and guaranteed (never dropped by the kernel), so that handlers may touch
 * them. Not for use from an upcall handler while the program is in here: the Linux personality
 * keeps its own pool for what it does in handlers.
 */
#ifndef LIBEXO_MEMORY_H
#define LIBEXO_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include <exo/cap.h>
#include <exo/layout.h>

struct exo_pages {
	void *address;  /* NULL: nothing is here */
	uint64_t frame; /* first of `count` contiguous frames */
	uint32_t count;
	struct exo_cap cap; /* READ, WRITE, EXEC, GRANT and FREE over the frames */
};

/*
 * Takes `count` contiguous zeroed frames from the kernel and maps them. 0, or -EXO_ENOMEM (no
 * frames, or the environment's limit), -EXO_EPERM (the environment may take none), -EXO_EINVAL
 * (count 0).
 */
int exo_pages_alloc(struct exo_pages *pages, uint32_t count);

/* Unmaps them and gives the frames back; -EXO_EBUSY where the kernel still uses them (a ring, a
 * NIC): they stay mapped and may be freed later. On success *pages is emptied. */
int exo_pages_free(struct exo_pages *pages);

/* Likewise, where other frames lie behind the pages by now, to which there is no key: exchanges
 * brought them. */
void exo_pages_free_each(struct exo_pages *pages, const uint64_t *frames);

/* The physical address of `at`, which lies inside `pages`. */
static inline uint64_t exo_pages_physical(const struct exo_pages *pages, const void *at)
{
	return (pages->frame << EXO_PAGE_SHIFT) +
	       (uint64_t)((const char *)at - (char *)pages->address);
}

/* Pages that hold `bytes`. */
static inline uint32_t exo_pages_for(uint64_t bytes)
{
	return (uint32_t)((bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT);
}

/* Addresses of the library OS's area for `count` pages; nothing is mapped there. NULL: none left.
 */
void *exo_space_take(uint64_t count);
void exo_space_give(void *address, uint64_t count);

#endif
