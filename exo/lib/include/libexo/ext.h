/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions from an environment's side (exo/ext.h): objects out of the payload, their handlers and
 * maps.
 *
 *     exo_ext_open, exo_ext_handle for each event, exo_ext_update to fill maps;
 *     exo_ext_close when no handler uses it any more.
 */
#ifndef LIBEXO_EXT_H
#define LIBEXO_EXT_H

#include <exo/ext.h>

#include "call.h"
#include "memory.h"

enum { EXO_EXT_ERROR_MAX = 160 };

struct exo_ext {
	uint32_t ref;
	struct exo_pages arena;        /* count 0: it has none */
	char error[EXO_EXT_ERROR_MAX]; /* after a failure: why, for people; may be empty */
};

static inline int64_t exo_ext_call(enum exo_ext_op op, void *block)
{
	return exo_call2(EXO_CALL_EXT, op, (uintptr_t)block);
}

/* Makes an extension of the payload's file `name`, with `frames` frames for its arenas (0: it has
 * none). 0 or a negative enum exo_error; *ext is then empty but for the reason. */
int exo_ext_open(struct exo_ext *ext, const char *name, uint32_t frames);
/* -EXO_EBUSY while a handler uses it. */
int exo_ext_close(struct exo_ext *ext);

/*
 * Binds `function` ("": the only one) to what arrives for `binding`; it may send inside `space`,
 * the binding's own (NULL: it sends nothing), and may cost `budget` (0: EXO_HANDLER_BUDGET). 0 and
 * *id, or an error with ext->error filled in.
 */
int exo_ext_handle(struct exo_ext *ext, const char *function, const struct exo_cap *binding,
                   const struct exo_cap *space, uint32_t budget, uint64_t *id);
int exo_ext_release(uint64_t id);

/* Maps; sizes are the map's own. 0 or as exo/ext.h says. */
int exo_ext_lookup(const struct exo_ext *ext, const char *map, const void *key, uint32_t key_size,
                   void *value, uint32_t value_size);
int exo_ext_update(const struct exo_ext *ext, const char *map, const void *key, uint32_t key_size,
                   const void *value, uint32_t value_size);

#endif
