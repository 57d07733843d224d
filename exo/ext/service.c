/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains that no bytecode defines: the core's, with the table of the kernel's services, and
 * environments' own modules, whose exports are letters. Each importer gets a program of its own for
 * what it imports from one: so the service knows on whose behalf it is called.
 */
#include "service.h"

#include <string.h>

#include "../core/cap.h"
#include "../core/ledger.h"
#include "../core/net.h"
#include "../core/transfer.h"

/* Costs are instructions of the dearest way through, locks and other cores' invalidations apart. */
static const struct service {
	const char *name;
	ext_service *call;
	uint32_t n;
	uint32_t cost;
} services[] = {
        {"exo_phys_allocate", ext_phys_allocate, 2, 2600},
        {"exo_phys_deallocate", ext_phys_deallocate, 2, 1200},
        {"exo_phys_nominate", ext_phys_nominate, 1, 10},
        {"exo_virt_allocate", ext_virt_allocate, 3, 2000},
        {"exo_virt_deallocate", ext_virt_deallocate, 2, 600},
        {"exo_context_create", ext_context_create, 1, 4000},
        {"exo_context_destroy", ext_context_destroy, 1, 6000},
        {"exo_mapping_add", ext_mapping_add, 5, 1000},
        {"exo_mapping_remove", ext_mapping_remove, 3, 1000},
        {"exo_mapping_examine", ext_mapping_examine, 2, 150},
        {"exo_strand_block", ext_strand_block, 2, 150},
        {"exo_strand_unblock", ext_strand_unblock, 2, 250},
        {"exo_strand_checkpoint", ext_strand_checkpoint, 2, 250},
        {"exo_strand_resume", ext_strand_resume, 1, 250},
};

enum {
	SERVICES = sizeof(services) / sizeof(services[0]),
	LETTER_COST = 150,
	LETTER_ARGUMENTS = 3,
};

const char *ext_service_name(uint32_t i)
{
	return i < SERVICES ? services[i].name : NULL;
}

/* ---- Modules ---- */

/* A call of a module's export: its environment's first PE gets a letter. Only the inbox's own lock
 * is taken, so it may come from anywhere. */
static int64_t send_letter(uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, void *arg)
{
	const struct ext_user *user = arg;
	struct env *env = user->from->maker;
	const uint64_t letter[4] = {user->index, a, b, c};

	return env->pes ? transfer_post(env->pes, user->user->env, letter) : -EXO_EAGAIN;
}

static int check_letter(const struct flt_signature *signature, struct ext_reason *reason)
{
	bool fits = signature->n <= LETTER_ARGUMENTS;

	for (uint32_t i = 0; i < signature->n; i++)
		fits = fits && signature->arguments[i].kind == FLT_ARGUMENT_NUMBER;
	return fits ? 0
	            : ext_refuse(reason, -EXO_EVERIFY,
	                         "a module's export takes three numbers at most");
}

/* ---- Calling ---- */

static int describe(const struct ext_domain *from, uint32_t index, const char *name,
                    struct flt_service *service, struct ext_reason *reason)
{
	int error;

	if (from->core) {
		*service =
		        (struct flt_service){name, services[index].call, services[index].cost, {0}};
		flt_signature_numbers(services[index].n, &service->signature);
		return 0;
	}
	*service = (struct flt_service){name, send_letter, LETTER_COST, {0}};
	error = ext_error(
	        flt_object_signature(from->object, name, &service->signature, &reason->why));
	return error ? error : check_letter(&service->signature, reason);
}

int ext_service_link(struct ext_domain *from, uint32_t index, struct ext_domain *importer,
                     const char *name, struct ext_user *user, struct flt_program **program,
                     struct ext_reason *reason)
{
	struct flt_service service;
	int error = describe(from, index, name, &service, reason);

	*user = (struct ext_user){from, importer, index};
	return error ? error : ext_error(flt_program_service(&service, user, program));
}

int ext_service_invoke(struct ext_domain *from, uint32_t index, const uint64_t a[5],
                       uint64_t *result)
{
	struct ext_user user = {from, from, index};
	struct flt_service service;
	struct ext_reason reason = {0};
	unsigned core = machine_core();
	bool before;
	int error = describe(from, index, from->exports[index].name, &service, &reason);

	if (error)
		return error;
	before = ext_services_open(core, true);
	*result = (uint64_t)service.call(a[0], a[1], a[2], a[3], a[4], &user);
	(void)ext_services_open(core, before);
	return 0;
}

struct env *ext_service_env(const struct ext_user *user, uint64_t id)
{
	uint32_t maker = user->from->env;
	struct env *env = id > UINT32_MAX ? NULL : env_find_live(id ? (uint32_t)id : maker);

	return env && (env->id == maker || env->parent == maker) ? env : NULL;
}

/* ---- What was given ---- */

struct ext_holdings *ext_holdings_of(struct ext_domain *domain)
{
	if (!domain->holdings)
		domain->holdings = machine_alloc(sizeof(*domain->holdings));
	return domain->holdings;
}

void ext_holdings_end(struct ext_domain *domain)
{
	struct ext_holdings *holdings = domain->holdings;

	ext_virtual_end(domain);
	if (!holdings)
		return;
	for (uint32_t i = 0; i < holdings->n_contexts; i++)
		(void)env_end_fresh(domain->env, holdings->contexts[i]);
	core_lock();
	ext_physical_end(domain);
	ext_strands_end(domain);
	core_unlock();
	machine_free(holdings->runs);
	machine_free(holdings);
	domain->holdings = NULL;
}

/* ---- CORE, CONTEXT ---- */

static int check_key(const struct exo_cap *cap, const struct env *env, enum exo_kind kind)
{
	return cap->kind == EXO_KIND_NONE ? 0 : cap_check(cap, env, kind, EXO_RIGHT_ALLOC);
}

static int make_core(struct env *env, const struct exo_ext_core *arg)
{
	struct ext_domain *domain = machine_alloc(sizeof(*domain));
	int ref = -EXO_ENOMEM;

	if (!domain)
		return ref;
	*domain = (struct ext_domain){.env = env->id,
	                              .maker = env,
	                              .name = "core",
	                              .core = machine_alloc(sizeof(*domain->core)),
	                              .memory = sizeof(*domain) + sizeof(*domain->core)};
	if (domain->core) {
		*domain->core = *arg;
		ref = ext_list_names(domain);
	}
	if (!ref) {
		machine_lock(&ext.lock);
		ref = ext_publish(env, domain, NULL);
		machine_unlock(&ext.lock);
	}
	if (ref < 0) {
		machine_free(domain->imports);
		machine_free(domain->exports);
		machine_free(domain->core);
		machine_free(domain);
	}
	return ref;
}

int64_t ext_op_core(struct call *call, uint64_t block)
{
	struct exo_ext_core arg;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (!error)
		error = call_copy_out(block, &arg, sizeof(arg));
	if (!error && arg.reserved)
		error = -EXO_EINVAL;
	if (!error)
		error = check_key(&arg.frames, call->env, EXO_KIND_FRAME);
	if (!error)
		error = check_key(&arg.envs, call->env, EXO_KIND_ENV);
	if (!error)
		error = make_core(call->env, &arg);
	if (error < 0)
		return error;
	arg.ref = (uint32_t)error;
	return call_copy_out(block, &arg, sizeof(arg));
}

/* Whether services made it, for the environment. Core lock. */
static bool is_context(const struct env *env, uint32_t id)
{
	for (const struct ext_domain *domain = ext.domains; domain; domain = domain->next) {
		const struct ext_holdings *holdings = domain->holdings;

		for (uint32_t i = 0; holdings && i < holdings->n_contexts; i++)
			if (domain->env == env->id && holdings->contexts[i] == id)
				return true;
	}
	return false;
}

int64_t ext_op_context(struct call *call, uint64_t block)
{
	struct exo_ext_context arg;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (error)
		return error;
	if (arg.reserved)
		return -EXO_EINVAL;
	machine_lock(&ext.lock);
	core_lock();
	if (!is_context(call->env, arg.id) || !env_find_live(arg.id))
		error = -EXO_ENOENT;
	else
		error = cap_make(&arg.out, EXO_KIND_ENV,
		                 EXO_RIGHT_CONTROL | EXO_RIGHT_CALL | EXO_RIGHT_FREE |
		                         EXO_RIGHT_GRANT,
		                 call->env->id, arg.id, 1);
	core_unlock();
	machine_unlock(&ext.lock);
	return error ? error : call_copy_out(block, &arg, sizeof(arg));
}
