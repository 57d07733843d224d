/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * flt verify: what the kernel would say of a program: refused, and why; or taken, at what cost.
 * What an object calls and does not define is looked for in the objects that follow it.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "flt.h"

enum { OTHERS_MAX = 16, IMPORTS_MAX = 64 };

/* Objects that others are linked against, and what was taken out of them. */
struct library {
	uint32_t n_objects, n_programs;
	struct flt_object *objects[OTHERS_MAX];
	struct flt_program *programs[IMPORTS_MAX];
};

static struct flt_program *import(void *arg, const char *name, struct flt_error *error)
{
	struct library *library = arg;
	struct flt_load load = {.flags = FLT_LOAD_WRITES, .import = import, .import_arg = library};
	for (uint32_t i = 0; i < library->n_programs; i++)
		if (!strcmp(flt_program_name(library->programs[i]), name))
			return library->programs[i];
	for (uint32_t i = 0; i < library->n_objects; i++) {
		struct flt_program *program;
		if (library->n_programs < IMPORTS_MAX &&
		    !flt_program_load(library->objects[i], name, &load, &program, error)) {
			library->programs[library->n_programs++] = program;
			return program;
		}
	}
	return NULL;
}

/* The last program was linked to what came before it. */
static void close_library(struct library *library)
{
	while (library->n_programs)
		flt_program_free(library->programs[--library->n_programs]);
	while (library->n_objects)
		flt_object_close(library->objects[--library->n_objects]);
}

static int open_object(const struct tool *tool, const char *path, struct flt_object **object)
{
	struct flt_error error;
	size_t size;
	uint8_t *bytes = tool_read_file(path, &size);
	if (!bytes)
		return TOOL_USAGE;
	int code = tool_open(bytes, size, object, &error);
	free(bytes);
	return code ? tool_refuse(tool, path, &error) : TOOL_FINE;
}

static void report_fine(const struct tool *tool, const struct flt_program *program)
{
	char takes[96] = "";
	uint32_t n;
	(void)flt_program_insns(program, &n);
	if (flt_program_kind(program) == FLT_KIND_CALL)
		flt_signature_text(flt_program_signature(program), takes, sizeof(takes));
	if (tool->json) {
		printf("{\"program\": ");
		tool_json_string(stdout, flt_program_name(program));
		printf(", \"refused\": false, \"instructions\": %u, \"steps\": %u, \"cost\": %u", n,
		       flt_program_verifier_steps(program), flt_program_cost(program));
		if (takes[0]) {
			printf(", \"takes\": ");
			tool_json_string(stdout, takes);
		}
		printf("}\n");
	} else {
		printf("%s%s: verified (%u instructions, %u walked; the dearest path costs %u)\n",
		       flt_program_name(program), takes, n, flt_program_verifier_steps(program),
		       flt_program_cost(program));
	}
}

/* Programs of other kinds are looked at as xdp programs: say so, for their context is another. */
static void note_section(const struct tool *tool, const struct flt_object *object, const char *name)
{
	const char *found, *section;
	for (uint32_t i = 0; object && (found = flt_object_program_name(object, i)); i++) {
		section = flt_object_program_section(object, i);
		if (tool->json || (name && strcmp(name, found) != 0) ||
		    !strncmp(section, "xdp", 3) || !strncmp(section, "raw", 3) ||
		    !strncmp(section, "call", 4) || !strcmp(section, ".text"))
			continue;
		fprintf(stderr,
		        "flt: note: %s is in section \"%s\", not xdp, raw or call: judged as "
		        "xdp\n",
		        found, section);
	}
}

static int verify_one(const struct tool *tool, struct flt_object *object, const char *name,
                      struct library *library)
{
	const char *path = tool->arguments[0];
	struct flt_load load = {.flags = FLT_LOAD_WRITES,
	                        .budget = tool->budget,
	                        .import = library->n_objects ? import : NULL,
	                        .import_arg = library};
	struct flt_program *program;
	struct flt_error error;
	note_section(tool, object, name);
	int code = object ? flt_program_load(object, name, &load, &program, &error)
	                  : tool_load(tool, path, &program, &error);
	if (code)
		return tool_refuse(tool, path, &error);
	report_fine(tool, program);
	flt_program_free(program);
	return TOOL_FINE;
}

static int verify_object(const struct tool *tool, struct library *library)
{
	struct flt_object *object;
	int status = open_object(tool, tool->arguments[0], &object);
	if (status != TOOL_FINE)
		return status;
	if (tool->program || !flt_object_program_name(object, 0))
		status = verify_one(tool, object, tool->program, library);
	for (uint32_t i = 0; !tool->program && flt_object_program_name(object, i); i++)
		status |= verify_one(tool, object, flt_object_program_name(object, i), library);
	flt_object_close(object);
	return status;
}

int tool_verify(const struct tool *tool)
{
	struct library library = {0};
	size_t size;
	int status = TOOL_FINE;
	if (tool->n_arguments < 1 || tool->n_arguments > 1 + OTHERS_MAX)
		return tool_complain("verify wants a file; see flt verify --help");
	uint8_t *bytes = tool_read_file(tool->arguments[0], &size);
	if (!bytes)
		return TOOL_USAGE;
	bool is_object = tool_is_elf(bytes, size);
	free(bytes);
	for (int i = 1; i < tool->n_arguments && status == TOOL_FINE; i++) {
		status = open_object(tool, tool->arguments[i], &library.objects[library.n_objects]);
		library.n_objects += status == TOOL_FINE;
	}
	if (status == TOOL_FINE)
		status = is_object ? verify_object(tool, &library)
		                   : verify_one(tool, NULL, NULL, &library);
	close_library(&library);
	return status;
}
