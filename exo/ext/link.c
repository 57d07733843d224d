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

enum { NAMES_MAX = 256 }; /* imports of an extension, and its functions */

/* ---- Names ---- */

static struct ext_import *find_import(const struct ext_domain *domain, const char *name)
{
	for (uint32_t i = 0; i < domain->n_imports; i++)
		if (!strcmp(domain->imports[i].name, name))
			return &domain->imports[i];
	return NULL;
}

static const char *import_name(const struct ext_domain *domain, uint32_t i)
{
	return domain->object ? flt_object_import_name(domain->object, i) : NULL;
}

/* The name of the i-th function; *exported: whether others may call it. */
static const char *function_name(const struct ext_domain *domain, uint32_t i, bool *exported)
{
	const char *name;

	*exported = true;
	if (domain->core)
		return ext_service_name(i);
	name = flt_object_program_name(domain->object, i);
	if (name)
		*exported = !strncmp(flt_object_program_section(domain->object, i), "call", 4);
	return name;
}

static uint32_t count_imports(const struct ext_domain *domain)
{
	uint32_t n = 0;

	while (n <= NAMES_MAX && import_name(domain, n))
		n++;
	return n;
}

/* All its functions, those that it does not export without a name: so they keep their numbers. */
static uint32_t count_functions(const struct ext_domain *domain)
{
	uint32_t n = 0;
	bool exported;

	while (n <= NAMES_MAX && function_name(domain, n, &exported))
		n++;
	return n;
}

int ext_list_names(struct ext_domain *domain)
{
	uint32_t imports = count_imports(domain), exports = count_functions(domain);
	bool exported;

	if (imports > NAMES_MAX || exports > NAMES_MAX)
		return -EXO_E2BIG;
	domain->imports = machine_alloc((imports + 1) * sizeof(*domain->imports));
	domain->exports = machine_alloc((exports + 1) * sizeof(*domain->exports));
	if (!domain->imports || !domain->exports)
		return -EXO_ENOMEM;
	domain->n_imports = imports;
	domain->n_exports = exports;
	for (uint32_t i = 0; i < imports; i++)
		domain->imports[i].name = import_name(domain, i);
	for (uint32_t i = 0; i < exports; i++) {
		const char *name = function_name(domain, i, &exported);

		domain->exports[i].name = exported ? name : "";
	}
	return 0;
}

static bool is_leaf(const struct ext_domain *domain)
{
	return domain->object || domain->core;
}

/* What it exports is the kernel's, or its maker's own code. */
static bool is_service(const struct ext_domain *from)
{
	return from->core || from->module;
}

/* The extension, itself or a part of a combination, that exports a function, and its number there.
 * ext.lock held. */
static struct ext_domain *exporter_of(struct ext_domain *domain, const char *name, uint32_t *index)
{
	struct ext_domain *found = NULL;

	for (int i = 0; i < 2 && !found; i++)
		found = domain->parts[i] ? exporter_of(domain->parts[i], name, index) : NULL;
	for (uint32_t i = 0; !found && i < domain->n_exports && name[0]; i++) {
		*index = i;
		found = strcmp(domain->exports[i].name, name) ? NULL : domain;
	}
	return found;
}

/* ---- Building ---- */

int ext_build_begin(struct ext_domain *domain)
{
	int error;

	machine_lock(&ext.lock);
	error = domain->unlinked || domain->building ? -EXO_EAGAIN : 0;
	if (!error)
		domain->building = true;
	machine_unlock(&ext.lock);
	return error;
}

void ext_build_end(struct ext_domain *domain)
{
	__atomic_store_n(&domain->building, false, __ATOMIC_RELEASE);
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

static int charge_export(struct ext_domain *domain, size_t bytes)
{
	struct ext_owner *owner;
	int error;

	machine_lock(&ext.lock);
	owner = ext_owner_by_id(domain->env);
	error = owner ? ext_charge(owner, bytes) : -EXO_ESTALE;
	domain->memory += error ? 0 : bytes;
	machine_unlock(&ext.lock);
	return error;
}

static int compile(struct ext_domain *domain, struct ext_export *e, struct flt_error *why)
{
	struct flt_load load = ext_load(domain, EXO_HANDLER_BUDGET_MAX);
	struct flt_program *program;
	int error;

	if (e->program)
		return 0;
	for (uint32_t i = 0; i < domain->n_imports; i++)
		if (!domain->imports[i].program)
			return -EXO_EAGAIN;
	error = ext_error(flt_program_load(domain->object, e->name, &load, &program, why));
	if (error)
		return error;
	error = charge_export(domain, flt_program_memory(program));
	if (error)
		flt_program_free(program);
	else
		__atomic_store_n(&e->program, program, __ATOMIC_RELEASE);
	return error;
}

/* Has an exported function compiled; the extension is held. */
static int build_export(struct ext_domain *domain, uint32_t index, struct flt_error *why)
{
	struct ext_export *e = &domain->exports[index];
	int error;

	if (__atomic_load_n(&e->program, __ATOMIC_ACQUIRE))
		return 0;
	error = ext_build_begin(domain);
	if (error)
		return error;
	error = compile(domain, e, why);
	ext_build_end(domain);
	return error;
}

/* ---- RESOLVE ---- */

/* What RESOLVE works with; both extensions are held. */
struct resolution {
	struct exo_ext_resolve arg;
	struct ext_reason reason;
	struct ext_domain *importer, *exporter;
};

/* Links it to a program of its own, or (NULL) to the exporter's. That was built, but the exporter
 * may have been condemned meanwhile, or be unloaded already. */
static int link_import(struct resolution *r, struct ext_import *import, struct ext_domain *from,
                       uint32_t index, struct flt_program *program,
                       const struct flt_signature *wanted)
{
	int error = 0;

	machine_lock(&ext.lock);
	if (!program)
		program = from->exports[index].program;
	if (!program || from->unlinked || r->importer->unlinked) {
		error = -EXO_EAGAIN;
	} else if (!flt_signature_equal(wanted, flt_program_signature(program))) {
		error = ext_refuse(&r->reason, -EXO_EVERIFY,
		                   "a function's types are not those wanted");
	} else {
		from->holds++;
		import->from = from;
		import->program = program;
	}
	machine_unlock(&ext.lock);
	return error;
}

/* The types that bytecode was compiled with. */
static int find_types(struct resolution *r, const char *name, struct flt_signature *wanted)
{
	return ext_error(
	        flt_object_import_signature(r->importer->object, name, wanted, &r->reason.why));
}

/* The exporter is held. */
static int resolve_to(struct resolution *r, struct ext_import *import, struct ext_domain *from,
                      uint32_t index)
{
	struct flt_program *own = NULL;
	struct flt_signature wanted;
	int error;

	if (is_service(from)) {
		error = ext_service_link(from, index, r->importer, import->name, &import->user,
		                         &own, &r->reason);
	} else {
		error = build_export(from, index, &r->reason.why);
		if (error == -EXO_EAGAIN && !r->reason.why.reason[0])
			(void)ext_refuse(&r->reason, error,
			                 "the exporter has unresolved imports itself, or is being "
			                 "built");
	}
	if (!error)
		error = find_types(r, import->name, &wanted);
	if (!error)
		error = link_import(r, import, from, index, own, &wanted);
	if (error)
		flt_program_free(own);
	r->arg.resolved += !error;
	return error;
}

/* Links one import, where the exporter has a function of its name. */
static int resolve_one(struct resolution *r, struct ext_import *import)
{
	struct ext_domain *from;
	uint32_t index;
	int error = 0;

	machine_lock(&ext.lock);
	from = exporter_of(r->exporter, import->name, &index);
	if (from)
		from->holds++;
	machine_unlock(&ext.lock);
	if (!from)
		return 0;
	if (from == r->importer)
		error = ext_refuse(&r->reason, -EXO_EINVAL, "an extension is not linked to itself");
	if (!error)
		error = resolve_to(r, import, from, index);
	ext_let_go(from);
	return error;
}

static int resolve(struct resolution *r)
{
	struct ext_domain *importer = r->importer;
	int error = ext_build_begin(importer);

	r->arg.resolved = r->arg.missing = 0;
	if (error)
		return error;
	for (uint32_t i = 0; i < importer->n_imports && !error; i++)
		if (!importer->imports[i].program)
			error = resolve_one(r, &importer->imports[i]);
	for (uint32_t i = 0; i < importer->n_imports; i++)
		r->arg.missing += !importer->imports[i].program;
	ext_build_end(importer);
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
	uint32_t index;

	if (!is_leaf(a))
		return a->parts[0] && (collide(a->parts[0], b) || collide(a->parts[1], b));
	for (uint32_t i = 0; i < a->n_exports; i++)
		if (exporter_of(b, a->exports[i].name, &index))
			return true;
	return false;
}

static unsigned depth_of(const struct ext_domain *domain)
{
	unsigned a, b;

	if (is_leaf(domain) || !domain->parts[0])
		return 1;
	a = depth_of(domain->parts[0]);
	b = depth_of(domain->parts[1]);
	return 1 + (a > b ? a : b);
}

enum { COMBINE_DEPTH_MAX = 8 };

/* ext.lock held. */
static int check_parts(struct ext_domain *a, struct ext_domain *b)
{
	if (!a || !b)
		return -EXO_ENOENT;
	if (a->unlinked || b->unlinked)
		return -EXO_ESTALE;
	if (depth_of(a) >= COMBINE_DEPTH_MAX || depth_of(b) >= COMBINE_DEPTH_MAX)
		return -EXO_E2BIG;
	return collide(a, b) ? -EXO_EBUSY : 0;
}

/* Takes over the holds of both parts. */
static int combine(struct env *env, const char *name, struct ext_domain *a, struct ext_domain *b)
{
	struct ext_domain *made = machine_alloc(sizeof(*made));
	int error = made ? 0 : -EXO_ENOMEM;

	if (error)
		return error;
	made->env = env->id;
	made->maker = env;
	memcpy(made->name, name, EXO_NAME_MAX);
	machine_lock(&ext.lock);
	error = check_parts(a, b);
	if (!error) {
		made->parts[0] = a;
		made->parts[1] = b;
		error = ext_publish(env, made, NULL);
	}
	machine_unlock(&ext.lock);
	if (error < 0)
		machine_free(made);
	return error;
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
	ref = combine(call->env, arg.name, a, b);
	if (ref < 0) {
		let_go(a);
		let_go(b);
		return ref;
	}
	arg.ref = (uint32_t)ref;
	return call_copy_out(block, &arg, sizeof(arg));
}

/* ---- INVOKE ---- */

/* Finds what is called. With `program`, and of a service, the core is in a section from then on, so
 * that nobody unlinks it, or ends its maker, unseen; without, *from is held, and the function is
 * still to be compiled, or a service. A module's imports are its own to invoke. */
static int find_function(struct ext_domain *domain, const char *name, struct flt_program **program,
                         struct ext_domain **from, uint32_t *index)
{
	const struct ext_import *import = domain->module ? find_import(domain, name) : NULL;
	int error = 0;

	machine_lock(&ext.lock);
	*from = import ? import->from : exporter_of(domain, name, index);
	if (!*from)
		error = import ? -EXO_EAGAIN : -EXO_ENOENT;
	else if (domain->unlinked || (*from)->unlinked)
		error = -EXO_EAGAIN;
	else if (import)
		*program = import->program;
	else
		*program = (*from)->exports[*index].program;
	if (!error && (*program || is_service(*from)))
		ext_section_begin(machine_core());
	if (!error && !*program)
		(*from)->holds++;
	machine_unlock(&ext.lock);
	return error;
}

/* In a section. */
static int run(const struct ext_domain *domain, const struct flt_program *program,
               struct exo_ext_invoke *arg)
{
	unsigned core = machine_core();
	struct ext_chain *chain = __atomic_load_n(&domain->invoked, __ATOMIC_ACQUIRE);
	bool before = ext_services_open(core, true);
	int error = flt_program_takes_numbers(program) ? 0 : -EXO_EINVAL;

	if (chain && !error)
		(void)ext_chain_raise(chain, core, arg->arguments);
	if (!error)
		arg->result = flt_program_call(program, arg->arguments);
	(void)ext_services_open(core, before);
	ext_section_end(core);
	return error;
}

static int invoke(struct ext_domain *domain, struct exo_ext_invoke *arg)
{
	struct flt_error why = {0};

	for (;;) {
		struct flt_program *program = NULL;
		struct ext_domain *from;
		uint32_t index = 0;
		bool service;
		int error = find_function(domain, arg->function, &program, &from, &index);

		if (error)
			return error;
		if (program)
			return run(domain, program, arg);
		service = is_service(from);
		error = service ? ext_service_invoke(from, index, arg->arguments, &arg->result)
		                : build_export(from, index, &why);
		if (service)
			ext_section_end(machine_core());
		ext_let_go(from);
		if (error || service)
			return error;
	}
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

static void uncharge_export(struct ext_domain *domain, const struct flt_program *program)
{
	struct ext_owner *owner = program ? ext_owner_by_id(domain->env) : NULL;

	if (!owner || domain->holds == 0) /* then all its memory has been given back */
		return;
	domain->memory -= flt_program_memory(program);
	ext_uncharge(owner, flt_program_memory(program));
}

static void unlink_import(struct ext_import *import)
{
	if (!import->from)
		return;
	if (is_service(import->from))
		flt_program_free(import->program);
	/* Not the last hold: who unlinks sees to it that the exporter has one until then. */
	import->from->holds--;
	import->from = NULL;
	import->program = NULL;
}

void ext_unlink(struct ext_domain *domain)
{
	for (uint32_t i = 0; i < domain->n_exports; i++) {
		uncharge_export(domain, domain->exports[i].program);
		flt_program_free(domain->exports[i].program);
		domain->exports[i].program = NULL;
	}
	for (uint32_t i = 0; i < domain->n_imports; i++)
		unlink_import(&domain->imports[i]);
	for (int i = 0; i < 2; i++) {
		if (domain->parts[i])
			domain->parts[i]->holds--;
		domain->parts[i] = NULL;
	}
}

void ext_let_imports_go(struct ext_domain *domain)
{
	for (uint32_t i = 0; i < domain->n_imports; i++) {
		struct ext_domain *from;

		machine_lock(&ext.lock);
		from = domain->imports[i].from;
		if (from) {
			from->holds++;
			unlink_import(&domain->imports[i]);
		}
		machine_unlock(&ext.lock);
		if (from)
			ext_let_go(from);
	}
}
