/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The manifest's checker. Everything is hostile until the end of exo_manifest_check: tables first
 * (so that entries can be indexed), then strings, then each entry against the tables it points
 * into. A check function returns false after it has said why.
 */
#include <stdarg.h>
#include <stdbool.h>

#include <exo/cap.h>
#include <exo/error.h>
#include <exo/flow.h>
#include <exo/info.h>
#include <exo/siphash.h>
#include <exo/start.h>
#include <libexo/lib.h>
#include <libexo/manifest.h>
#include <libexo/printf.h>

enum {
	NONE = -1, /* an index that names nothing, as uint32_t */
	CBPF_INSTRUCTION_BYTES = 8,
	FLOW_NAME_MAX = sizeof(((struct exo_start_cap *)0)->name),
	FILE_NAME_MAX = sizeof(((struct exo_start_file *)0)->name),
	ENV_FLAGS_ALL = EXO_MANIFEST_CONSOLE | EXO_MANIFEST_POWER | EXO_MANIFEST_ENVS |
	                EXO_MANIFEST_LEDGER | EXO_MANIFEST_RESTART | EXO_MANIFEST_INPUT |
	                EXO_MANIFEST_CONTROL,
	BIND_FLAGS_ALL = EXO_BIND_TAP | EXO_BIND_SENT | EXO_BIND_HOST | EXO_BIND_COUNT |
	                 EXO_START_STANDBY | EXO_START_FUNCTION | EXO_MANIFEST_UNPROTECTED,
	FLOW_RIGHTS_ALL = EXO_RIGHT_SHARE | EXO_RIGHT_TAP | EXO_RIGHT_SENT | EXO_RIGHT_HOST,
};

/* A check under way. */
struct check {
	const struct exo_manifest *m;
	char *error;
	/* The entry being looked at, for messages. */
	const char *kind, *name;
	uint32_t index;
};

static bool refuse(struct check *check, const char *format, ...)
        __attribute__((format(printf, 2, 3)));
static bool refuse(struct check *check, const char *format, ...)
{
	int n = 0;
	va_list args;

	if (check->kind != NULL && check->name != NULL)
		n = exo_snprintf(check->error, EXO_MANIFEST_ERROR_MAX,
		                 "%s %u (%.31s): ", check->kind, check->index, check->name);
	else if (check->kind != NULL)
		n = exo_snprintf(check->error, EXO_MANIFEST_ERROR_MAX, "%s %u: ", check->kind,
		                 check->index);
	va_start(args, format);
	exo_vsnprintf(check->error + n, (size_t)(EXO_MANIFEST_ERROR_MAX - n), format, args);
	va_end(args);
	return false;
}

static void enter(struct check *check, const char *kind, uint32_t index)
{
	check->kind = kind;
	check->index = index;
	check->name = NULL;
}

/* [first, first + n) of a table with `total` entries. */
static bool inside(uint32_t first, uint32_t n, uint32_t total)
{
	return first <= total && n <= total - first;
}

static bool check_table(struct check *check, const struct exo_manifest_table *table, size_t entry,
                        const char *what)
{
	uint32_t size = check->m->size;

	if (table->offset % 8 != 0)
		return refuse(check, "table of %s: offset %u is not a multiple of 8", what,
		              table->offset);
	if (table->offset > size || table->n > (size - table->offset) / entry)
		return refuse(check, "table of %s: %u entries at offset %u reach beyond %u bytes",
		              what, table->n, table->offset, size);
	return true;
}

static bool check_tables(struct check *check)
{
	const struct exo_manifest *m = check->m;

	return check_table(check, &m->files, sizeof(struct exo_manifest_file), "files") &&
	       check_table(check, &m->envs, sizeof(struct exo_manifest_env), "environments") &&
	       check_table(check, &m->flows, sizeof(struct exo_manifest_flow), "flows") &&
	       check_table(check, &m->conjunctions, sizeof(struct flt_conjunction),
	                   "conjunctions") &&
	       check_table(check, &m->relocations, sizeof(struct exo_manifest_relocation),
	                   "relocations") &&
	       check_table(check, &m->strings, 1, "strings");
}

static bool check_header(struct check *check, size_t size)
{
	const struct exo_manifest *m = check->m;

	if (size < sizeof(*m))
		return refuse(check, "%u bytes, shorter than a manifest's header", (unsigned)size);
	if (m->magic != EXO_MANIFEST_MAGIC)
		return refuse(check, "no manifest: magic is %#x", m->magic);
	if (m->version != EXO_MANIFEST_VERSION)
		return refuse(check, "version %u, this is for %u", m->version,
		              (unsigned)EXO_MANIFEST_VERSION);
	if (m->size < sizeof(*m) || m->size > size)
		return refuse(check, "says %u bytes, but there are %u", m->size, (unsigned)size);
	if ((m->flags & ~(uint32_t)EXO_MANIFEST_POWER_OFF) != 0)
		return refuse(check, "unknown flags %#x", m->flags);
	if (m->control_port != (uint32_t)NONE && m->control_port >= EXO_PORTS_MAX)
		return refuse(check, "control port %u", m->control_port);
	if (m->merges >> EXO_PORTS_MAX != 0)
		return refuse(check, "ports that merge: %#llx", (unsigned long long)m->merges);
	return true;
}

/* Is `string` in the table, with at least one and less than `max` bytes? */
static bool check_name(struct check *check, uint32_t string, uint32_t max)
{
	const char *text;
	size_t length;

	if (string >= check->m->strings.n)
		return refuse(check, "its name lies outside the strings");
	text = exo_manifest_string(check->m, string);
	length = strlen(text);
	if (length == 0 || length >= max)
		return refuse(check, "its name has %u bytes, allowed are 1 to %u", (unsigned)length,
		              max - 1);
	for (size_t i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return refuse(check, "byte %u of its name is not printable", (unsigned)i);
	check->name = text;
	return true;
}

static bool check_strings(struct check *check)
{
	const struct exo_manifest *m = check->m;

	if (m->strings.n == 0 || exo_manifest_string(m, m->strings.n - 1)[0] != '\0')
		return refuse(check, "the string table does not end in NUL");
	return check_name(check, m->name, FILE_NAME_MAX);
}

static bool check_file(struct check *check, uint32_t i)
{
	const struct exo_manifest_file *file = &exo_manifest_files(check->m)[i];

	enter(check, "file", i);
	return check_name(check, file->name, FILE_NAME_MAX);
}

static bool check_arguments(struct check *check, const struct exo_manifest_env *env)
{
	uint32_t at = env->args;

	if (env->argc == 0)
		return refuse(check, "no arguments: the first is the program's name");
	for (uint32_t i = 0; i < env->argc; i++) {
		if (at >= check->m->strings.n)
			return refuse(check, "argument %u lies outside the strings", i);
		at += (uint32_t)strlen(exo_manifest_string(check->m, at)) + 1;
	}
	if (at - env->args > sizeof(((struct exo_start *)0)->args))
		return refuse(check, "%u bytes of arguments, there is room for %u", at - env->args,
		              (unsigned)sizeof(((struct exo_start *)0)->args));
	return true;
}

static bool check_env_ranges(struct check *check, const struct exo_manifest_env *env)
{
	const struct exo_manifest *m = check->m;

	if (env->image >= m->files.n)
		return refuse(check, "image %u, but there are %u files", env->image, m->files.n);
	if (env->program != (uint32_t)NONE && env->program >= m->files.n)
		return refuse(check, "program %u, but there are %u files", env->program,
		              m->files.n);
	if (!inside(env->first_flow, env->n_flows, m->flows.n))
		return refuse(check, "flows %u + %u, but there are %u", env->first_flow,
		              env->n_flows, m->flows.n);
	if (!inside(env->first_file, env->n_files, m->files.n))
		return refuse(check, "content %u + %u, but there are %u files", env->first_file,
		              env->n_files, m->files.n);
	if (env->n_files > EXO_START_FILES_MAX)
		return refuse(check, "%u content files, at most %u", env->n_files,
		              (unsigned)EXO_START_FILES_MAX);
	return true;
}

static bool check_env(struct check *check, uint32_t i)
{
	const struct exo_manifest_env *env = &exo_manifest_envs(check->m)[i];

	enter(check, "environment", i);
	if (!check_name(check, env->name, EXO_NAME_MAX))
		return false;
	for (uint32_t k = 0; k < i; k++)
		if (strcmp(check->name,
		           exo_manifest_string(check->m, exo_manifest_envs(check->m)[k].name)) == 0)
			return refuse(check, "environment %u has the same name", k);
	if ((env->flags & ~(uint32_t)ENV_FLAGS_ALL) != 0)
		return refuse(check, "unknown flags %#x", env->flags);
	if (env->frames == 0)
		return refuse(check, "no frames");
	if (env->core >= EXO_CORES_MAX)
		return refuse(check, "core %u", env->core);
	if (env->sender > EXO_CORES_MAX)
		return refuse(check, "sender %u", env->sender - 1);
	if (env->slots == 0 || env->slots > EXO_SLOTS_PER_CORE)
		return refuse(check, "%u slots, allowed are 1 to %u", env->slots,
		              (unsigned)EXO_SLOTS_PER_CORE);
	if (env->addresses >> EXO_START_ADDRESSES_MAX != 0)
		return refuse(check, "addresses %#x beyond the %uth", env->addresses,
		              (unsigned)EXO_START_ADDRESSES_MAX);
	if ((env->screen.width == 0) != (env->screen.height == 0))
		return refuse(check, "an empty part of the screen");
	return check_env_ranges(check, env) && check_arguments(check, env);
}

static bool check_flow_program(struct check *check, const struct exo_manifest_flow *flow)
{
	bool wants = flow->program_kind != EXO_PROGRAM_NONE;

	if (flow->program_kind > EXO_PROGRAM_EBPF)
		return refuse(check, "program of unknown kind %u", flow->program_kind);
	if (wants != (flow->program != (uint32_t)NONE))
		return refuse(check, "program %u does not suit kind %u", flow->program,
		              flow->program_kind);
	if (!wants)
		return true;
	if (flow->program >= check->m->files.n)
		return refuse(check, "program %u, but there are %u files", flow->program,
		              check->m->files.n);
	if (exo_manifest_files(check->m)[flow->program].size > EXO_PROGRAM_SIZE_MAX)
		return refuse(check, "its program is larger than %u bytes",
		              (unsigned)EXO_PROGRAM_SIZE_MAX);
	return true;
}

static bool check_conjunctions_of(struct check *check, uint32_t first, uint32_t n, const char *what)
{
	if (!inside(first, n, check->m->conjunctions.n))
		return refuse(check, "%s conjunctions %u + %u, but there are %u", what, first, n,
		              check->m->conjunctions.n);
	if (n > FLT_FLOW_CONJUNCTIONS_MAX)
		return refuse(check, "%u %s conjunctions, at most %u", n, what,
		              (unsigned)FLT_FLOW_CONJUNCTIONS_MAX);
	return true;
}

/* The conjunction that a relocation means is there, and its term is as wide as it says. */
static bool check_place(struct check *check, uint32_t i, const struct exo_manifest_relocation *r,
                        uint32_t first, uint32_t n)
{
	const struct flt_conjunction *c = &exo_manifest_conjunctions(check->m)[first];

	if (r->index >= n)
		return refuse(check, "relocation %u: conjunction %u of %u", i, r->index, n);
	c += r->index;
	if (r->term >= c->n_terms || r->term >= FLT_CONJUNCTION_TERMS_MAX)
		return refuse(check, "relocation %u: term %u of %u", i, r->term, c->n_terms);
	if (c->terms[r->term].width != r->width || c->terms[r->term].test != FLT_TEST_MASKED)
		return refuse(check, "relocation %u: its term is not masked or not %u bytes wide",
		              i, r->width);
	return true;
}

static bool check_instruction(struct check *check, uint32_t i, const struct exo_manifest_flow *flow,
                              const struct exo_manifest_relocation *r)
{
	if (flow->program_kind != EXO_PROGRAM_CBPF)
		return refuse(check, "relocation %u: there is no classic program", i);
	if (r->index >= exo_manifest_files(check->m)[flow->program].size / CBPF_INSTRUCTION_BYTES)
		return refuse(check, "relocation %u: instruction %u beyond the program", i,
		              r->index);
	return true;
}

static bool check_relocation(struct check *check, uint32_t i, const struct exo_manifest_flow *flow)
{
	const struct exo_manifest_relocation *r =
	        &exo_manifest_relocations(check->m)[flow->first_relocation + i];
	unsigned limit = r->symbol == EXO_SYMBOL_MAC ? 6 : 16;

	if (r->symbol < EXO_SYMBOL_ADDR || r->symbol > EXO_SYMBOL_GROUP)
		return refuse(check, "relocation %u: unknown symbol %u", i, r->symbol);
	if (r->width != 1 && r->width != 2 && r->width != 4)
		return refuse(check, "relocation %u: width %u", i, r->width);
	if (r->byte > limit - r->width)
		return refuse(check, "relocation %u: bytes %u + %u of its symbol", i, r->byte,
		              r->width);
	if (r->mask > 1)
		return refuse(check, "relocation %u: mask %u", i, r->mask);
	switch (r->place) {
	case EXO_PLACE_RECEIVE:
		return check_place(check, i, r, flow->first_receive, flow->n_receive);
	case EXO_PLACE_TRANSMIT:
		return check_place(check, i, r, flow->first_transmit, flow->n_transmit);
	case EXO_PLACE_PROGRAM:
		return check_instruction(check, i, flow, r);
	default:
		return refuse(check, "relocation %u: unknown place %u", i, r->place);
	}
}

static bool check_flow(struct check *check, uint32_t i)
{
	const struct exo_manifest_flow *flow = &exo_manifest_flows(check->m)[i];

	enter(check, "flow", i);
	if (!check_name(check, flow->name, FLOW_NAME_MAX))
		return false;
	if (flow->text >= check->m->strings.n)
		return refuse(check, "its expression lies outside the strings");
	if ((flow->flags & 0xffff & ~(uint32_t)BIND_FLAGS_ALL) != 0 ||
	    (flow->flags >> 16 & ~(uint32_t)FLOW_RIGHTS_ALL) != 0)
		return refuse(check, "unknown flags %#x", flow->flags);
	if (flow->address >= EXO_START_ADDRESSES_MAX)
		return refuse(check, "address %u, at most %u", flow->address,
		              (unsigned)EXO_START_ADDRESSES_MAX - 1);
	if (flow->ports >> EXO_PORTS_MAX != 0)
		return refuse(check, "ports %#x beyond the %uth", flow->ports,
		              (unsigned)EXO_PORTS_MAX);
	if (!check_flow_program(check, flow) ||
	    !check_conjunctions_of(check, flow->first_receive, flow->n_receive, "receive") ||
	    !check_conjunctions_of(check, flow->first_transmit, flow->n_transmit, "transmit"))
		return false;
	if (!inside(flow->first_relocation, flow->n_relocations, check->m->relocations.n))
		return refuse(check, "relocations %u + %u, but there are %u",
		              flow->first_relocation, flow->n_relocations, check->m->relocations.n);
	for (uint32_t k = 0; k < flow->n_relocations; k++)
		if (!check_relocation(check, k, flow))
			return false;
	return true;
}

static bool term_is_sound(const struct flt_term *term)
{
	uint32_t all = term->width == 4 ? 0xffffffff : (1u << 8 * term->width) - 1;

	if (term->base > FLT_BASE_LENGTH || term->test > FLT_TEST_RANGE || term->negate > 1)
		return false;
	if (term->width != 1 && term->width != 2 && term->width != 4)
		return false;
	if (term->offset > FLT_TERM_OFFSET_MAX || term->msh > FLT_TERM_OFFSET_MAX)
		return false;
	if (term->base != FLT_BASE_MSH && term->msh != 0)
		return false;
	if (term->test == FLT_TEST_RANGE)
		return term->low <= term->high && term->high <= all;
	return (term->mask & ~all) == 0 && (term->value & ~term->mask) == 0;
}

static bool check_conjunction(struct check *check, uint32_t i)
{
	const struct flt_conjunction *c = &exo_manifest_conjunctions(check->m)[i];

	enter(check, "conjunction", i);
	if (c->n_terms > FLT_CONJUNCTION_TERMS_MAX || c->reserved != 0)
		return refuse(check, "%u terms, at most %u", c->n_terms,
		              (unsigned)FLT_CONJUNCTION_TERMS_MAX);
	for (uint32_t k = 0; k < c->n_terms; k++)
		if (!term_is_sound(&c->terms[k]))
			return refuse(check, "term %u is malformed", k);
	return true;
}

static bool check_all(struct check *check, uint32_t n, bool (*one)(struct check *, uint32_t))
{
	for (uint32_t i = 0; i < n; i++)
		if (!one(check, i))
			return false;
	return true;
}

int exo_manifest_check(const void *data, size_t size, char error[EXO_MANIFEST_ERROR_MAX])
{
	struct check check = {.m = data, .error = error};
	const struct exo_manifest *m = data;

	error[0] = '\0';
	if (!check_header(&check, size) || !check_tables(&check) || !check_strings(&check))
		return -EXO_EINVAL;
	if (m->envs.n > EXO_MANIFEST_ENVS_MAX) {
		refuse(&check, "%u environments, at most %u", m->envs.n,
		       (unsigned)EXO_MANIFEST_ENVS_MAX);
		return -EXO_EINVAL;
	}
	if (check_all(&check, m->files.n, check_file) &&
	    check_all(&check, m->conjunctions.n, check_conjunction) &&
	    check_all(&check, m->flows.n, check_flow) && check_all(&check, m->envs.n, check_env))
		return 0;
	return -EXO_EINVAL;
}

uint64_t exo_manifest_digest(const void *data, size_t size)
{
	static const uint64_t key[2] = {EXO_MANIFEST_DIGEST_KEY_0, EXO_MANIFEST_DIGEST_KEY_1};

	return exo_siphash(key, data, size);
}
