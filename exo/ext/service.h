/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kernel's services (exo/service.h), between their files. A service gets its arguments as they
 * come, untrusted, and the struct ext_user of who calls. It refuses with -EXO_EAGAIN where it may
 * not take locks (ext_services_are_open); else it takes the core lock, checks, and acts as the
 * maker of the core domain would.
 */
#ifndef EXT_SERVICE_H
#define EXT_SERVICE_H

#include <exo/service.h>

#include "ext.h"

typedef int64_t ext_service(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *user);

ext_service ext_phys_allocate, ext_phys_deallocate, ext_phys_nominate;
ext_service ext_virt_allocate, ext_virt_deallocate;
ext_service ext_context_create, ext_context_destroy;
ext_service ext_mapping_add, ext_mapping_remove, ext_mapping_examine;
ext_service ext_strand_block, ext_strand_unblock, ext_strand_checkpoint, ext_strand_resume;

/* What services gave to an extension: it comes back with its end. */
struct ext_holdings {
	uint32_t n_runs, room; /* of `runs` */
	uint32_t n_contexts;
	uint32_t contexts[EXO_SERVICE_CONTEXTS_MAX];
	bool blocked; /* it has blocked strands */
	struct ext_run {
		uint64_t first;
		uint32_t count, epoch;
	} * runs; /* frames of one allocation, as long as they are in that epoch */
};

/* An extension's holdings, made where there are none; NULL: no memory. Core lock. */
struct ext_holdings *ext_holdings_of(struct ext_domain *domain);
/* Gives all back. No lock held; nobody runs the extension. */
void ext_holdings_end(struct ext_domain *domain);
/* Likewise of frames and of strands. Core lock. */
void ext_physical_end(struct ext_domain *domain);
void ext_strands_end(const struct ext_domain *domain);

/* Which environment an argument means: the maker, or a child of its. Core lock. NULL: neither. */
struct env *ext_service_env(const struct ext_user *user, uint64_t id);

/* ---- virtual.c ---- */

/* Whether an environment has ranges of virtual addresses, but none with that address. Any context.
 */
bool ext_virtual_lacks(uint32_t env, uint64_t address);
void ext_virtual_env_end(uint32_t env);
/* An extension's ranges. */
void ext_virtual_end(const struct ext_domain *domain);

#endif
