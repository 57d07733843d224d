/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writing the binary manifest: one growing table per kind of entry, laid out behind the header at
 * the end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exo/flow.h>
#include <exo/start.h>
#include <libexo/manifest.h>

#include "archive.h"
#include "filters.h"
#include "manifest.h"

struct tables {
	struct buffer files, envs, flows, conjunctions, relocations, strings;
};

static uint32_t count(const struct buffer *table, size_t entry)
{
	return (uint32_t)(table->size / entry);
}

static uint32_t add_bytes(struct tables *tables, const void *bytes, size_t size)
{
	uint32_t at = (uint32_t)tables->strings.size;
	buffer_append(&tables->strings, bytes, size);
	return at;
}

static uint32_t add_string(struct tables *tables, const char *text)
{
	return add_bytes(tables, text, strlen(text) + 1);
}

static void add_file(struct tables *tables, const struct model_file *file)
{
	struct exo_manifest_file entry = {.name = add_string(tables, file->name),
	                                  .size = file->size,
	                                  .digest = exo_manifest_digest(file->data, file->size)};
	buffer_append(&tables->files, &entry, sizeof(entry));
}

/* Conjunctions and relocations of a compiled expression go into their tables. */
static void add_filter(struct tables *tables, const struct filter *filter)
{
	buffer_append(&tables->conjunctions, filter->expression.conjunctions,
	              filter->expression.extraction.n * sizeof(struct flt_conjunction));
	buffer_append(&tables->relocations, filter->relocations,
	              filter->n_relocations * sizeof(*filter->relocations));
}

/* The classic program of an expression that conjunctions do not say exactly. */
static int add_program(struct model *model, const struct model_env *env,
                       const struct model_flow *flow, const struct flt_expression *expression)
{
	char *name = must_print("%s.%s.cbpf", env->name, flow->name);
	/* Two flows of an environment may have one name (a binding and its tap) and yet differ. */
	for (size_t i = 0; i < model->n_files; i++)
		if (!strcmp(model->files[i].name, name)) {
			free(name);
			name = must_print("%s.%s.%zu.cbpf", env->name, flow->name,
			                  (size_t)(flow - env->flows));
			break;
		}
	return model_add_bytes(model, flow->receive_place, name, expression->insns,
	                       expression->n_insns * sizeof(*expression->insns));
}

static void compile_receive(struct tables *tables, struct model *model, const struct model_env *env,
                            const struct model_flow *flow, struct exo_manifest_flow *entry)
{
	struct filter filter;
	filter_compile(flow->receive_place, flow->receive, flow->family, EXO_PLACE_RECEIVE,
	               &filter);
	entry->n_receive = filter.expression.extraction.n;
	if (flow->program != MODEL_NONE) {
		if (!filter.expression.extraction.exact)
			refuse(flow->receive_place,
			       "'%s' needs a program of its own beside '%s'; say it in the object",
			       flow->receive, model->files[flow->program].name);
		filter_check_object(flow->place, &model->files[flow->program]);
		entry->program = (uint32_t)flow->program;
		entry->program_kind = EXO_PROGRAM_EBPF;
	} else if (!filter.expression.extraction.exact) {
		entry->program = (uint32_t)add_program(model, env, flow, &filter.expression);
		entry->program_kind = EXO_PROGRAM_CBPF;
	}
	add_filter(tables, &filter);
}

static void compile_transmit(struct tables *tables, const struct model_flow *flow,
                             struct exo_manifest_flow *entry)
{
	struct filter filter;
	filter_compile(flow->transmit_place, flow->transmit, flow->family, EXO_PLACE_TRANSMIT,
	               &filter);
	if (!filter.expression.extraction.exact)
		refuse(flow->transmit_place,
		       "'%s' cannot be said exactly in conjunctions, which a transmit guard must "
		       "be",
		       flow->transmit);
	entry->n_transmit = filter.expression.extraction.n;
	add_filter(tables, &filter);
}

static uint32_t flow_flags(const struct model_flow *flow)
{
	uint32_t flags = 0;
	if (flow->host)
		flags |= EXO_BIND_HOST | (uint32_t)EXO_RIGHT_HOST << 16;
	if (flow->tap)
		flags |= EXO_BIND_TAP | (uint32_t)EXO_RIGHT_TAP << 16;
	if (flow->sent)
		flags |= EXO_BIND_SENT | (uint32_t)EXO_RIGHT_SENT << 16;
	if (flow->count)
		flags |= EXO_BIND_COUNT;
	if (flow->standby)
		flags |= EXO_START_STANDBY;
	if (flow->function)
		flags |= EXO_START_FUNCTION;
	if (flow->unprotected)
		flags |= EXO_MANIFEST_UNPROTECTED;
	if (flow->share)
		flags |= (uint32_t)EXO_RIGHT_SHARE << 16;
	return flags;
}

static void add_flow(struct tables *tables, struct model *model, const struct model_env *env,
                     const struct model_flow *flow)
{
	struct exo_manifest_flow entry = {
	        .name = add_string(tables, flow->name),
	        .text = add_string(tables, flow->receive ? flow->receive : ""),
	        .flags = flow_flags(flow),
	        .priority = flow->priority,
	        .address = flow->address,
	        .program = UINT32_MAX,
	        .program_kind = EXO_PROGRAM_NONE,
	        .ports = flow->ports,
	        .first_relocation =
	                count(&tables->relocations, sizeof(struct exo_manifest_relocation)),
	};
	entry.first_receive = count(&tables->conjunctions, sizeof(struct flt_conjunction));
	if (flow->receive)
		compile_receive(tables, model, env, flow, &entry);
	entry.first_transmit = count(&tables->conjunctions, sizeof(struct flt_conjunction));
	if (flow->transmit)
		compile_transmit(tables, flow, &entry);
	entry.n_relocations = count(&tables->relocations, sizeof(struct exo_manifest_relocation)) -
	                      entry.first_relocation;
	buffer_append(&tables->flows, &entry, sizeof(entry));
}

static void add_env(struct tables *tables, struct model *model, const struct model_env *env)
{
	struct exo_manifest_env entry = {
	        .name = add_string(tables, env->name),
	        .image = (uint32_t)env->image,
	        .program = env->program == MODEL_NONE ? UINT32_MAX : (uint32_t)env->program,
	        .flags = env->flags,
	        .args = add_bytes(tables, env->args, env->args_size),
	        .argc = env->argc,
	        .frames = env->frames,
	        .core = env->core,
	        .sender = env->sender,
	        .slots = env->slots,
	        .first_flow = count(&tables->flows, sizeof(struct exo_manifest_flow)),
	        .n_flows = (uint32_t)env->n_flows,
	        .n_files = (uint32_t)env->n_content,
	        .addresses = env->addresses,
	        .disk_first = env->disk_first,
	        .disk_sectors = env->disk_sectors,
	        .screen = {env->screen[0], env->screen[1], env->screen[2], env->screen[3]},
	};
	buffer_append(&tables->envs, &entry, sizeof(entry));
	for (size_t i = 0; i < env->n_flows; i++)
		add_flow(tables, model, env, &env->flows[i]);
}

/* Members come first in the files' table, in the archive's order; behind them, per environment,
 * its content once more, so that it is consecutive. */
static void add_files(struct tables *tables, const struct model *model)
{
	for (size_t i = 0; i < model->n_files; i++)
		add_file(tables, &model->files[i]);
	struct exo_manifest_env *envs = (struct exo_manifest_env *)tables->envs.data;
	for (size_t e = 0; e < model->n_envs; e++) {
		envs[e].first_file = count(&tables->files, sizeof(struct exo_manifest_file));
		for (size_t i = 0; i < model->envs[e].n_content; i++)
			add_file(tables, &model->files[model->envs[e].content[i]]);
	}
}

static struct exo_manifest_table place_table(struct buffer *out, struct buffer *table, size_t entry)
{
	buffer_align(out, 8);
	struct exo_manifest_table placed = {.offset = (uint32_t)out->size,
	                                    .n = count(table, entry)};
	buffer_append(out, table->data, table->size);
	buffer_free(table);
	return placed;
}

static void assemble(struct buffer *out, struct tables *tables, const struct model *model)
{
	struct exo_manifest header = {
	        .magic = EXO_MANIFEST_MAGIC,
	        .version = EXO_MANIFEST_VERSION,
	        .name = add_string(tables, model->name),
	        .flags = model->power_off ? EXO_MANIFEST_POWER_OFF : 0,
	        .control_port = model->control_port,
	        .merges = model->merges,
	};
	buffer_append(out, NULL, sizeof(header));
	header.files = place_table(out, &tables->files, sizeof(struct exo_manifest_file));
	header.envs = place_table(out, &tables->envs, sizeof(struct exo_manifest_env));
	header.flows = place_table(out, &tables->flows, sizeof(struct exo_manifest_flow));
	header.conjunctions =
	        place_table(out, &tables->conjunctions, sizeof(struct flt_conjunction));
	header.relocations =
	        place_table(out, &tables->relocations, sizeof(struct exo_manifest_relocation));
	header.strings = place_table(out, &tables->strings, 1);
	header.size = (uint32_t)out->size;
	memcpy(out->data, &header, sizeof(header));
}

/* What init would refuse must not leave this house. */
static void check(const struct model *model, const struct buffer *manifest)
{
	char error[EXO_MANIFEST_ERROR_MAX];
	if (exo_manifest_check(manifest->data, manifest->size, error))
		refuse(model->envs[0].place, "the machine would refuse this manifest: %s", error);
}

void payload_build(struct model *model, struct buffer *archive)
{
	struct tables tables = {0};
	struct buffer manifest = {0};
	for (size_t i = 0; i < model->n_envs; i++)
		add_env(&tables, model, &model->envs[i]);
	add_files(&tables, model);
	assemble(&manifest, &tables, model);
	check(model, &manifest);
	archive_add(archive, "manifest", manifest.data, manifest.size);
	for (size_t i = 0; i < model->n_files; i++)
		archive_add(archive, model->files[i].name, model->files[i].data,
		            model->files[i].size);
	archive_close(archive);
	buffer_free(&manifest);
}
