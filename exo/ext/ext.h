/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Extensions, between the files of this folder (exo/ext.h is what environments see).
 *
 *     main.c     the operations, and what the core calls
 *     owner.c    an environment's table of references; its end
 *     domain.c   extensions: made from an object, ended
 *     handler.c  functions bound to events
 *     event.c    handlers of an environment's events
 *     packet.c   the run of a packet handler; answers that leave at once
 *     answer.c   others on their way out
 *     link.c     imports and exports: who is linked to whom; combinations; invocations
 *     unload.c   what ends with an environment, or by UNLOAD, and with it who is linked to it
 *     service.c  core domains: the table of the kernel's services; modules
 *     physical.c, virtual.c, translation.c, strand.c   the services themselves
 *     keep.c     housekeeping while an environment has no time
 *     map.c      maps from the environment's side
 *     list.c     what there is
 *
 * One lock guards all lists and links; it is taken before the packet path's and the core's, and
 * held shortly. Whoever verifies and compiles, which may take a third of a second, holds none: the
 * extension is marked as being built meanwhile, and others that want to build there are told to try
 * again. What is linked to it stays, because who unlinks (one at a time: ext.ends) waits until
 * nothing is built any more of what is to be unlinked. What pollers see (struct net_handler of a
 * binding) is set and cleared under net.lock and freed after ext_quiesce, when no core is inside a
 * poll or a section that began before.
 */
#ifndef EXT_H
#define EXT_H

#include <stdbool.h>

#include <exo/ext.h>
#include <flt/program.h>

#include "../core/core.h"
#include "../core/env.h"

/* Who calls a service, or a module's export: the context that its program is made with. */
struct ext_user {
	struct ext_domain *from; /* the core domain, or the module */
	struct ext_domain *user; /* on whose behalf: the importer; the core domain itself */
	uint32_t index;          /* of the module's function */
};

struct ext_holdings;

/* An extension. */
struct ext_domain {
	struct ext_domain *next;
	uint32_t env;      /* its maker's id */
	struct env *maker; /* there as long as anybody can run what is in it */
	char name[EXO_NAME_MAX];
	struct flt_object *object;
	uint64_t arena_first;
	uint32_t arena_count; /* pinned */
	uint32_t holds;       /* references, handlers, calls under way, importers */
	size_t memory;        /* of its object, maps and compiled exports */
	uint64_t id;
	bool unlinked;               /* while its exporter ends */
	bool building;               /* atomic when it ends */
	bool module;                 /* its object is names and types */
	struct exo_ext_core *core;   /* the keys of a core domain; else NULL */
	struct ext_domain *parts[2]; /* what it combines, held; NULL: it is no combination */
	uint32_t n_imports, n_exports;
	struct ext_import {
		const char *name;        /* the object's */
		struct ext_domain *from; /* held; NULL: unresolved */
		struct flt_program *program;
		struct ext_user user; /* of a service: the program is its own */
	} * imports;
	struct ext_export {
		const char *name;
		struct flt_program *program; /* NULL: nobody asked for it yet */
	} * exports;
	struct ext_chain *invoked;     /* atomic: who handles its invocations */
	struct ext_holdings *holdings; /* core lock: what services gave to it; NULL: nothing */
};

/* What an environment names. */
struct ext_owner {
	struct ext_owner *next;
	struct env *env;
	size_t memory; /* of what it made, charged to it */
	uint32_t n_handlers;
	struct ext_domain *refs[EXO_EXT_REFS];
};

struct ext {
	struct machine_lock ends, lock;
	struct ext_owner *owners;
	struct ext_domain *domains;
	struct ext_handler *handlers;
	struct ext_chain *keepers; /* atomic: who keeps house */
	uint64_t next_id;
	size_t memory; /* of all owners */
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
/* Whether this core is in a section. */
bool ext_section_inside(unsigned core);
/* Whether services may take locks in what this core runs. → what it was. */
bool ext_services_open(unsigned core, bool open);
bool ext_services_are_open(void);
/* The frame that the running handler of EXO_EXT_RECLAIM nominates; 0: none. */
uint64_t *ext_nominated(unsigned core);

/* ---- owner.c; under the lock ---- */

/* The environment's table; made where there is none and `make` is set. */
struct ext_owner *ext_owner(struct env *env, bool make);
/* Likewise by id; NULL: it has ended, or made nothing. */
struct ext_owner *ext_owner_by_id(uint32_t env);
/* The extension that a reference names, or NULL. */
struct ext_domain *ext_find(struct env *env, uint32_t ref);
/* The extension that a caller's block (struct exo_ext_ref) names, with the lock taken then. 0, or
 * an error without it. */
int ext_find_locked(const struct call *call, uint64_t block, uint32_t *ref,
                    struct ext_domain **domain);
/* Enters a domain (which it holds from then on). → the reference, or -EXO_E2BIG. */
int ext_enter(struct ext_owner *owner, struct ext_domain *domain);
/* Charges kernel memory to an environment, in frames of its limit; gives it back. 0, -EXO_E2BIG,
 * -EXO_ENOMEM. */
int ext_charge(struct ext_owner *owner, size_t bytes);
void ext_uncharge(struct ext_owner *owner, size_t bytes);
/* Likewise by id, with the lock not held. -EXO_ESTALE: it has ended. */
int ext_charge_env(uint32_t env, size_t bytes);
int64_t ext_op_drop(struct call *call, uint64_t block);
void ext_env_end(struct env *env);

/* ---- domain.c ---- */

int64_t ext_op_create(struct call *call, uint64_t block);
/* Publishes a domain that the caller has made, as a reference of its. → the reference, or an error.
 */
int ext_publish(struct env *env, struct ext_domain *domain, struct ext_reason *reason);
/* Drops a hold; the last one ends the extension. Takes the lock itself. */
void ext_let_go(struct ext_domain *domain);

/* The extension with that id, or NULL; under the lock. */
struct ext_domain *ext_by_id(uint64_t id);
int64_t ext_op_key(struct call *call, uint64_t block);
int64_t ext_op_open(struct call *call, uint64_t block);

/* ---- link.c ---- */

/* What a program of the extension is loaded under: its imports are those that were resolved. */
struct flt_load ext_load(struct ext_domain *domain, uint32_t budget);
/* Lists what its object, or its core, imports and exports. 0, -EXO_ENOMEM, -EXO_E2BIG; before it is
 * published. */
int ext_list_names(struct ext_domain *domain);
/* A held extension is being built by the caller, until `end`. 0, or -EXO_EAGAIN: somebody else
 * does, or it is about to be unlinked. */
int ext_build_begin(struct ext_domain *domain);
void ext_build_end(struct ext_domain *domain);
int64_t ext_op_resolve(struct call *call, uint64_t block);
int64_t ext_op_combine(struct call *call, uint64_t block);
int64_t ext_op_invoke(struct call *call, uint64_t block);
/* Frees what it has compiled and forgets what it is linked to. ext.lock held; nobody runs it. */
void ext_unlink(struct ext_domain *domain);
/* Likewise its imports, once no list has it: an exporter that was unloaded meanwhile may end by
 * that. No lock held. */
void ext_let_imports_go(struct ext_domain *domain);

/* ---- unload.c ---- */

/* Ends the links of all that an environment made, and its handlers. */
void ext_unlink_env(const struct env *env);
int64_t ext_op_unload(struct call *call, uint64_t block);

/* ---- service.c ---- */

/* The name of the i-th service; NULL beyond the last. */
const char *ext_service_name(uint32_t i);
/* Links an import to a service, or to a module's export. 0 or an error, with a reason. */
int ext_service_link(struct ext_domain *from, uint32_t index, struct ext_domain *importer,
                     const char *name, struct ext_user *user, struct flt_program **program,
                     struct ext_reason *reason);
/* Calls one on behalf of the domain itself. 0 and *result, or an error. */
int ext_service_invoke(struct ext_domain *from, uint32_t index, const uint64_t arguments[5],
                       uint64_t *result);
int64_t ext_op_core(struct call *call, uint64_t block);
int64_t ext_op_context(struct call *call, uint64_t block);

/* ---- keep.c ---- */

/* Runs who keeps house, one at a time, where it is due. */
void ext_keep(unsigned core);

/* ---- handler.c ---- */

struct ext_handler;

int64_t ext_op_handle(struct call *call, uint64_t block);
int64_t ext_op_release(struct call *call, uint64_t block);
/* Detaches an environment's handlers (NULL: none) and those of unlinked extensions; then, after
 * ext_quiesce and without locks, frees them. */
struct ext_handler *ext_handlers_take(const struct env *env);
void ext_handlers_free(struct ext_handler *list);

/* ---- event.c ---- */

uint64_t ext_raise(struct env *env, uint32_t event, uint64_t a, uint64_t b, uint64_t c);
int64_t ext_op_admit(struct call *call, uint64_t block);
/* The environment has ended: tells those who handle that, and forgets who handles its events. */
void ext_events_end(struct env *env);

/* ---- map.c, list.c ---- */

int64_t ext_op_map(struct call *call, uint64_t block);
int64_t ext_op_list(struct call *call, uint64_t block);

#endif
