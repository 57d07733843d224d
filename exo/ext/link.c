/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Imports and exports. An export is compiled when it is first asked for; then its own imports must
 * be resolved. So links lead only from later to earlier, and there are no circles.
 *
 * Who is linked to an extension holds it, but not against the end of its maker: then everything
 * that is linked to it, directly or not, loses its handlers and its compiled functions, and is as
 * it was before it was resolved. Nobody runs them by then (ext_quiesce).
 */
#include <string.h>

#include "handler.h"

enum { EXPORTS_MAX = 256 };

/* ---- Loading ---- */

static struct ext_import *find_import(const struct ext_domain *domain, const char *name)
{
	for (uint32_t i = 0; i < domain->n_imports; i++)
		if (!strcmp(domain->imports[i].name, name))
			return &domain->imports[i];
	return NULL;
}

static struct flt_program *resolved(void *arg, const char *name, struct flt_error *error)
{
	const struct ext_import *import = find_import(arg, name);

	return import ? import->program : NULL;
}

struct flt_load ext_load(struct ext_domain *domain, uint32_t budget)
{
	return (struct flt_load){.flags = FLT_LOAD_WRITES,
	                         .budget = budget,
	                         .import = resolved,
	                         .import_arg = domain};
}

int ext_list_imports(struct ext_domain *domain)
{
	uint32_t n = 0;

	while (flt_object_import_name(domain->object, n))
		n++;
	domain->imports = machine_alloc((n ? n : 1) * sizeof(*domain->imports));
	if (!domain->imports)
		return -EXO_ENOMEM;
	domain->n_imports = n;
	for (uint32_t i = 0; i < n; i++)
		domain->imports[i].name = flt_object_import_name(domain->object, i);
	return 0;
}

static bool defines(const struct ext_domain *domain, const char *name)
{
	const char *other;

	for (uint32_t i = 0; (other = flt_object_program_name(domain->object, i)); i++)
		if (!strcmp(other, name))
			return !strncmp(flt_object_program_section(domain->object, i), "call", 4);
	return false;
}

/* The extension, itself or a part of a combination, that exports a function. */
static struct ext_domain *exporter_of(struct ext_domain *domain, const char *name)
{
	struct ext_domain *found = NULL;

	if (domain->object)
		return defines(domain, name) ? domain : NULL;
	for (int i = 0; i < 2 && !found; i++)
		found = domain->parts[i] ? exporter_of(domain->parts[i], name) : NULL;
	return found;
}

static int keep_export(struct ext_domain *domain, struct flt_program *program)
{
	if (!domain->exports)
		domain->exports = machine_alloc(EXPORTS_MAX * sizeof(struct flt_program *));
	if (!domain->exports)
		return -EXO_ENOMEM;
	if (domain->n_exports == EXPORTS_MAX)
		return -EXO_E2BIG;
	domain->exports[domain->n_exports++] = program;
	return 0;
}

/* An exported function, compiled; ext.build held. */
static int export(struct ext_domain *domain, const char *name, struct flt_program **program,
                  struct flt_error *why)
{
	struct flt_load load = ext_load(domain, EXO_HANDLER_BUDGET_MAX);
	int error;

	for (uint32_t i = 0; i < domain->n_exports; i++) {
		*program = domain->exports[i];
		if (!strcmp(flt_program_name(*program), name))
			return 0;
	}
	for (uint32_t i = 0; i < domain->n_imports; i++)
		if (!domain->imports[i].program)
			return -EXO_EAGAIN;
	error = ext_error(flt_program_load(domain->object, name, &load, program, why));
	if (!error)
		error = keep_export(domain, *program);
	if (error)
		flt_program_free(*program);
	return error;
}

/* ---- RESOLVE ---- */

/* What RESOLVE works with; both extensions are held. */
struct resolution {
	struct exo_ext_resolve arg;
	struct ext_reason reason;
	struct ext_domain *importer, *exporter;
};

/* Links one import, where the exporter has a function of its name. */
static int resolve_one(struct resolution *r, struct ext_import *import)
{
	struct ext_domain *from = exporter_of(r->exporter, import->name);
	struct flt_signature wanted;
	struct flt_program *program;
	int error;

	if (!from)
		return 0;
	if (from == r->importer)
		return ext_refuse(&r->reason, -EXO_EINVAL, "an extension is not linked to itself");
	error = export(from, import->name, &program, &r->reason.why);
	if (error == -EXO_EAGAIN)
		return ext_refuse(&r->reason, error, "the exporter has unresolved imports itself");
	if (!error)
		error = ext_error(flt_object_import_signature(r->importer->object, import->name,
		                                              &wanted, &r->reason.why));
	if (!error && !flt_signature_equal(&wanted, flt_program_signature(program)))
		return ext_refuse(&r->reason, -EXO_EVERIFY,
		                  "a function's types are not those wanted");
	if (error)
		return error;
	machine_lock(&ext.lock);
	from->holds++;
	machine_unlock(&ext.lock);
	import->from = from;
	import->program = program;
	r->arg.resolved++;
	return 0;
}

static int resolve(struct resolution *r)
{
	struct ext_domain *importer = r->importer;
	int error = 0;

	r->arg.resolved = r->arg.missing = 0;
	machine_lock(&ext.build);
	if (importer->unlinked || r->exporter->unlinked)
		error = -EXO_ESTALE;
	for (uint32_t i = 0; i < importer->n_imports && !error; i++)
		if (!importer->imports[i].program)
			error = resolve_one(r, &importer->imports[i]);
	for (uint32_t i = 0; i < importer->n_imports; i++)
		r->arg.missing += !importer->imports[i].program;
	machine_unlock(&ext.build);
	return error;
}

/* Holds the extension that a reference names; NULL: there is none. */
static struct ext_domain *hold(struct env *env, uint32_t ref)
{
	struct ext_domain *domain;

	machine_lock(&ext.lock);
	domain = ext_find(env, ref);
	if (domain)
		domain->holds++;
	machine_unlock(&ext.lock);
	return domain;
}

static void let_go(struct ext_domain *domain)
{
	if (domain)
		ext_let_go(domain);
}

int64_t ext_op_resolve(struct call *call, uint64_t block)
{
	struct resolution r = {0};
	int error = call_copy_in(&r.arg, block, sizeof(r.arg));

	if (error)
		return error;
	r.reason.to = r.arg.error;
	r.reason.size = r.arg.error_size;
	r.importer = hold(call->env, r.arg.importer);
	r.exporter = hold(call->env, r.arg.exporter);
	if (r.arg.reserved)
		error = -EXO_EINVAL;
	else if (!r.importer || !r.exporter)
		error = ext_refuse(&r.reason, -EXO_ENOENT, "no extension of that reference");
	else if (r.importer->env != call->env->id || !r.importer->object)
		error = ext_refuse(&r.reason, -EXO_EPERM, "the importer is not the caller's own");
	else
		error = resolve(&r);
	if (error)
		ext_tell(&r.reason);
	let_go(r.importer);
	let_go(r.exporter);
	return call_copy_out(block, &r.arg, sizeof(r.arg)) ? -EXO_EFAULT : error;
}

/* ---- COMBINE ---- */

/* Whether both export a function of one name. */
static bool collide(struct ext_domain *a, struct ext_domain *b)
{
	const char *name;

	if (!a->object)
		return a->parts[0] && (collide(a->parts[0], b) || collide(a->parts[1], b));
	for (uint32_t i = 0; (name = flt_object_program_name(a->object, i)); i++)
		if (defines(a, name) && exporter_of(b, name))
			return true;
	return false;
}

static unsigned depth_of(const struct ext_domain *domain)
{
	unsigned a, b;

	if (domain->object || !domain->parts[0])
		return 1;
	a = depth_of(domain->parts[0]);
	b = depth_of(domain->parts[1]);
	return 1 + (a > b ? a : b);
}

enum { COMBINE_DEPTH_MAX = 8 };

static int enter_combination(struct env *env, struct ext_domain *made)
{
	struct ext_owner *owner;
	int ref;

	machine_lock(&ext.lock);
	owner = ext_owner(env, true);
	ref = owner ? ext_enter(owner, made) : -EXO_ENOMEM;
	if (ref >= 0) {
		made->id = ++ext.next_id;
		made->next = ext.domains;
		ext.domains = made;
	}
	machine_unlock(&ext.lock);
	return ref;
}

/* Takes over the holds of both parts. */
static int combine(struct env *env, const char *name, struct ext_domain *a, struct ext_domain *b)
{
	struct ext_domain *made;
	int ref;

	if (collide(a, b))
		return -EXO_EBUSY;
	if (depth_of(a) >= COMBINE_DEPTH_MAX || depth_of(b) >= COMBINE_DEPTH_MAX)
		return -EXO_E2BIG;
	made = machine_alloc(sizeof(*made));
	if (!made)
		return -EXO_ENOMEM;
	made->env = env->id;
	memcpy(made->name, name, EXO_NAME_MAX);
	made->parts[0] = a;
	made->parts[1] = b;
	ref = enter_combination(env, made);
	if (ref < 0)
		machine_free(made);
	return ref;
}

int64_t ext_op_combine(struct call *call, uint64_t block)
{
	struct exo_ext_combine arg;
	struct ext_domain *a, *b;
	int ref = call_copy_in(&arg, block, sizeof(arg));

	if (!ref)
		ref = call_copy_out(block, &arg, sizeof(arg));
	if (ref)
		return ref;
	if (arg.reserved || strnlen(arg.name, EXO_NAME_MAX) == EXO_NAME_MAX)
		return -EXO_EINVAL;
	a = hold(call->env, arg.a);
	b = hold(call->env, arg.b);
	machine_lock(&ext.build);
	ref = !a || !b                     ? -EXO_ENOENT
	      : a->unlinked || b->unlinked ? -EXO_ESTALE
	                                   : combine(call->env, arg.name, a, b);
	machine_unlock(&ext.build);
	if (ref < 0) {
		let_go(a);
		let_go(b);
		return ref;
	}
	arg.ref = (uint32_t)ref;
	return call_copy_out(block, &arg, sizeof(arg));
}

/* ---- INVOKE ---- */

/* In a section from the moment on when nobody can unlink it unseen. */
static int invoke(struct ext_domain *domain, struct exo_ext_invoke *arg)
{
	struct flt_error why = {0};
	struct ext_domain *from;
	struct flt_program *program;
	const struct ext_chain *chain;
	int error;

	machine_lock(&ext.build);
	from = exporter_of(domain, arg->function);
	error = !from                                ? -EXO_ENOENT
	        : domain->unlinked || from->unlinked ? -EXO_ESTALE
	                                             : export(from, arg->function, &program, &why);
	if (!error && !flt_program_takes_numbers(program))
		error = -EXO_EINVAL;
	if (!error)
		ext_section_begin(machine_core());
	machine_unlock(&ext.build);
	if (error)
		return error;
	chain = __atomic_load_n(&domain->invoked, __ATOMIC_ACQUIRE);
	if (chain)
		ext_chain_raise(chain, machine_core(), arg->arguments);
	arg->result = flt_program_call(program, arg->arguments);
	ext_section_end(machine_core());
	return 0;
}

int64_t ext_op_invoke(struct call *call, uint64_t block)
{
	struct exo_ext_invoke arg;
	struct ext_domain *domain;
	int error = call_copy_in(&arg, block, sizeof(arg));

	if (error)
		return error;
	if (arg.reserved || strnlen(arg.function, EXO_NAME_MAX) == EXO_NAME_MAX)
		return -EXO_EINVAL;
	domain = hold(call->env, arg.ref);
	error = domain ? invoke(domain, &arg) : -EXO_ENOENT;
	let_go(domain);
	return error ? error : call_copy_out(block, &arg, sizeof(arg));
}

/* ---- Ends ---- */

void ext_unlink(struct ext_domain *domain)
{
	for (uint32_t i = 0; i < domain->n_exports; i++)
		flt_program_free(domain->exports[i]);
	domain->n_exports = 0;
	for (uint32_t i = 0; i < domain->n_imports; i++) {
		/* Not the last hold: the exporter's maker has one until all links to it are gone.
		 */
		if (domain->imports[i].from)
			domain->imports[i].from->holds--;
		domain->imports[i].from = NULL;
		domain->imports[i].program = NULL;
	}
	for (int i = 0; i < 2; i++) {
		if (domain->parts[i])
			domain->parts[i]->holds--;
		domain->parts[i] = NULL;
	}
}

/* Whether it is linked to, or made of, something that ends. */
static bool depends(const struct ext_domain *domain)
{
	for (uint32_t i = 0; i < domain->n_imports; i++)
		if (domain->imports[i].from && domain->imports[i].from->unlinked)
			return true;
	for (int i = 0; i < 2; i++)
		if (domain->parts[i] && domain->parts[i]->unlinked)
			return true;
	return false;
}

bool ext_condemn(const struct env *env)
{
	bool any = false, more = true;

	for (struct ext_domain *domain = ext.domains; domain; domain = domain->next) {
		domain->unlinked = domain->env == env->id;
		any |= domain->unlinked;
	}
	while (more) {
		more = false;
		for (struct ext_domain *domain = ext.domains; domain; domain = domain->next)
			if (!domain->unlinked && depends(domain))
				domain->unlinked = more = true;
	}
	return any;
}
