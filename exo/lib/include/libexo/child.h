/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Making environments: what a creator (init, or any environment with EXO_USE_ENVS) does from
 * nothing to a running child.
 *
 *     exo_child_create   an empty environment, and its start page to fill in
 *     exo_child_image    the program: parsed, copied into frames that the child owns, mapped
 *     exo_child_table, _file, _share, _grant, _give
 *                        tables, content, shared memory and capabilities, entered in the start page
 *     exo_child_start    a PE, and off it goes
 *
 * Functions return 0 or a negative enum exo_error, and then say in child->error what failed, for
 * people. After any failure exo_child_abandon ends the child and everything that it had been given.
 */
#ifndef LIBEXO_CHILD_H
#define LIBEXO_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <exo/call.h>
#include <exo/start.h>

#include "memory.h"

enum {
	EXO_CHILD_ERROR_MAX = 160,
};

struct exo_child {
	uint32_t id;
	struct exo_cap cap;      /* CONTROL, CALL, FREE and GRANT over it */
	struct exo_start *start; /* its start page, as the creator sees it until the start */
	uint64_t content;        /* next unused address of the child's content area */
	uint64_t entry;
	char error[EXO_CHILD_ERROR_MAX];
};

/* An empty environment that may own `frames_max` frames; name as in exo_env_create. */
int exo_child_create(struct exo_child *child, const char *name, uint64_t frames_max);
/* Likewise, with enum exo_env_flags. */
int exo_child_create_flags(struct exo_child *child, const char *name, uint64_t frames_max,
                           uint32_t flags);

/* Loads a static ELF executable (untrusted). It must carry libexo's ABI note. */
int exo_child_image(struct exo_child *child, const void *image, size_t size);

/*
 * Gives the child `pages` zeroed pages of its own, mapped at `address` with `rights`. *view: where
 * the creator sees them, writable, until exo_child_unview; NULL: it need not.
 */
int exo_child_memory(struct exo_child *child, uint64_t address, uint64_t pages, unsigned rights,
                     void **view);
void exo_child_unview(void *view, uint64_t pages);

/* Fresh read-only memory of the child for `size` bytes of tables. *address: where it sees them;
 * *view: where the creator writes them, until exo_child_unview(*view, exo_pages_for(size)). size 0:
 * both stay 0. */
int exo_child_table(struct exo_child *child, size_t size, uint64_t *address, void **view);

/*
 * Maps `size` bytes of frames that the creator may read, from frame `frame` on, read-only into the
 * child, as the content file `name`. `key`: capability for the frames; NULL: the creator owns them.
 */
int exo_child_file(struct exo_child *child, const char *name, uint64_t frame, uint64_t size,
                   const struct exo_cap *key);

/* Maps the creator's own pages writable into the child as well. *address: where it sees them. */
int exo_child_share(struct exo_child *child, const struct exo_pages *pages, uint64_t *address);
/* Likewise, for the child to read only. */
int exo_child_show(struct exo_child *child, const struct exo_pages *pages, uint64_t *address);

/* Derives a capability for the child from `source` and enters it in the start page. */
int exo_child_grant(struct exo_child *child, enum exo_start_use use, const char *name,
                    const struct exo_cap *source, unsigned rights, uint64_t first, uint32_t count);

/* Enters a capability that the child holds already. → its index among the start page's, or error.
 */
int exo_child_give(struct exo_child *child, enum exo_start_use use, const char *name,
                   const struct exo_cap *cap);

/* Makes an extent of free sectors, or a rectangle of free screen, that the child owns, and enters
 * the key to all of it, with which it can also give it back; the creator needs the authority. */
int exo_child_extent(struct exo_child *child, uint64_t first, uint32_t sectors);
int exo_child_screen(struct exo_child *child, const struct exo_rect *rect);
/* Appends an argument. -EXO_E2BIG where the start page has no room. */
int exo_child_argument(struct exo_child *child, const char *text);

/* Sets up the PE on `core` and starts. The start page can't be changed any more. */
int exo_child_start(struct exo_child *child, uint32_t core);

/* Ends a child that was created, started or not. */
void exo_child_abandon(struct exo_child *child);

#endif
