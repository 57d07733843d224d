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
/* Likewise, of `size` bytes that the caller has; `name`: for people. */
int exo_ext_open_bytes(struct exo_ext *ext, const char *name, const void *bytes, size_t size,
                       uint32_t frames);
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

/* Binds `function` to an event that is no packet: of `target`, an environment's key, or (NULL) of
 * the caller. As exo_ext_handle. */
int exo_ext_event(struct exo_ext *ext, enum exo_ext_event event, const char *function,
                  const struct exo_cap *target, uint32_t budget, uint64_t *id);

/* A key to an extension of the caller's own, to be granted (EXO_RIGHT_CALL); what a grantee makes
 * of it: a reference. */
int exo_ext_key(const struct exo_ext *ext, struct exo_cap *key);
int exo_ext_accept(const struct exo_cap *key, uint32_t *ref);
/* The kernel's services (exo/service.h), with the start page's authorities over frames and, where
 * there is one, environments. */
int exo_ext_core(uint32_t *ref);
/* Links what the extension imports to what `exporter` exports. → names that are still missing, or
 * an error with ext->error filled in. */
int exo_ext_resolve(struct exo_ext *ext, uint32_t exporter);
/* Calls an exported function of three numbers at most. → its result, or an error. */
int64_t exo_ext_invoke(uint32_t ref, const char *function, uint64_t a, uint64_t b, uint64_t c);

/* Maps; sizes are the map's own. 0 or as exo/ext.h says. */
int exo_ext_lookup(const struct exo_ext *ext, const char *map, const void *key, uint32_t key_size,
                   void *value, uint32_t value_size);
int exo_ext_update(const struct exo_ext *ext, const char *map, const void *key, uint32_t key_size,
                   const void *value, uint32_t value_size);

#endif
