/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions, between the files of this folder (exo/ext.h is what environments see).
 *
 *     main.c     the operations, and what the core calls
 *     owner.c    an environment's table of references; its end
 *     domain.c   extensions: made from an object, ended
 *     handler.c  functions bound to events
 *     event.c    handlers of an environment's events
 *     packet.c   the run of a packet handler; its answers on their way out
 *     link.c     imports and exports; what ends when an exporter does
 *     map.c      maps from the environment's side
 *     list.c     what there is
 *
 * One lock guards all lists; it is taken before the packet path's. Another, taken before it, keeps
 * links as they are while programs are verified and compiled: whoever holds it may be a third of a
 * second. What pollers see (struct net_handler of a binding) is set and cleared under net.lock and
 * freed after ext_quiesce, when no core is inside a poll or a section that began before.
 */
#ifndef EXT_H
#define EXT_H

#include <stdbool.h>

#include <exo/ext.h>
#include <flt/program.h>

#include "../core/core.h"
#include "../core/env.h"

/* An extension. */
struct ext_domain {
	struct ext_domain *next;
	uint32_t env; /* its maker's id */
	char name[EXO_NAME_MAX];
	struct flt_object *object;
	uint64_t arena_first;
	uint32_t arena_count; /* pinned */
	uint32_t holds;       /* references, handlers, calls under way, importers */
	size_t memory;        /* of its object and maps */
	uint64_t id;
	bool unlinked;               /* while its exporter ends */
	struct ext_domain *parts[2]; /* what it combines, held; NULL: it is no combination */
	/* Under ext.build. */
	uint32_t n_imports, n_exports;
	struct ext_import {
		const char *name;        /* the object's */
		struct ext_domain *from; /* held; NULL: unresolved */
		struct flt_program *program;
	} * imports;
	struct flt_program **exports; /* those that were asked for, compiled */
	struct ext_chain *invoked;    /* atomic: who handles its invocations */
};

/* What an environment names. */
struct ext_owner {
	struct ext_owner *next;
	struct env *env;
	size_t memory; /* of what it made */
	uint32_t n_handlers;
	struct ext_domain *refs[EXO_EXT_REFS];
};

struct ext {
	struct machine_lock build, lock;
	struct ext_owner *owners;
	struct ext_domain *domains;
	struct ext_handler *handlers;
	uint64_t next_id;
};

extern struct ext ext;

/* Why something was refused, and where the caller wants to read it. */
struct ext_reason {
	struct flt_error why;
	uint64_t to;
	uint32_t size;
};

/* Notes a reason of our own; → error. */
int ext_refuse(struct ext_reason *reason, int error, const char *text);
/* Copies the reason out, as far as there is room. */
void ext_tell(const struct ext_reason *reason);
/* The error for a code of the engine's. */
int ext_error(int code);

/* A core may run code of extensions outside a poll between these two. */
void ext_section_begin(unsigned core);
void ext_section_end(unsigned core);
/* Returns once no core is inside a poll or a section that began before. */
void ext_quiesce(void);

/* ---- owner.c; under the lock ---- */

/* The environment's table; made where there is none and `make` is set. */
struct ext_owner *ext_owner(struct env *env, bool make);
/* Likewise by id; NULL: it has ended, or made nothing. */
struct ext_owner *ext_owner_by_id(uint32_t env);
/* The extension that a reference names, or NULL. */
struct ext_domain *ext_find(struct env *env, uint32_t ref);
/* Enters a domain (which it holds from then on). → the reference, or -EXO_E2BIG. */
int ext_enter(struct ext_owner *owner, struct ext_domain *domain);
int64_t ext_op_drop(struct call *call, uint64_t block);
void ext_env_end(struct env *env);

/* ---- domain.c ---- */

int64_t ext_op_create(struct call *call, uint64_t block);
/* Drops a hold; the last one ends the extension. Takes the lock itself. */
void ext_let_go(struct ext_domain *domain);

/* The extension with that id, or NULL; under the lock. */
struct ext_domain *ext_by_id(uint64_t id);
int64_t ext_op_key(struct call *call, uint64_t block);
int64_t ext_op_open(struct call *call, uint64_t block);

/* ---- link.c ---- */

/* What a program of the extension is loaded under: its imports are those that were resolved. */
struct flt_load ext_load(struct ext_domain *domain, uint32_t budget);
/* Lists what its object imports. 0 or -EXO_ENOMEM; before it is published. */
int ext_list_imports(struct ext_domain *domain);
int64_t ext_op_resolve(struct call *call, uint64_t block);
int64_t ext_op_combine(struct call *call, uint64_t block);
int64_t ext_op_invoke(struct call *call, uint64_t block);
/* Frees what it has compiled and forgets what it is linked to. ext.build held; nobody runs it. */
void ext_unlink(struct ext_domain *domain);
/* Marks the environment's extensions, and all that is linked to them, as unlinked. ext.build and
 * ext.lock held. → whether there are any. */
bool ext_condemn(const struct env *env);

/* ---- handler.c ---- */

struct ext_handler;

int64_t ext_op_handle(struct call *call, uint64_t block);
int64_t ext_op_release(struct call *call, uint64_t block);
/* Detaches an environment's handlers and those of unlinked extensions; then, after ext_quiesce and
 * without locks, frees them. */
struct ext_handler *ext_handlers_take(struct env *env);
void ext_handlers_free(struct ext_handler *list);

/* ---- event.c ---- */

void ext_raise(struct env *env, uint32_t event, uint64_t a, uint64_t b, uint64_t c);
int64_t ext_op_admit(struct call *call, uint64_t block);
/* The environment has ended: tells those who handle that, and forgets who handles its events. */
void ext_events_end(struct env *env);

/* ---- map.c, list.c ---- */

int64_t ext_op_map(struct call *call, uint64_t block);
int64_t ext_op_list(struct call *call, uint64_t block);

#endif
