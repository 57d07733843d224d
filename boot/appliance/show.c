/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Printing a payload. The file may come from anywhere: every offset is checked before use.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exo/flow.h>
#include <exo/manifest.h>
#include <flt/flowset.h>

#include "buffer.h"
#include "show.h"

enum { HEADER = 110 };

struct view {
	const uint8_t *bytes;
	size_t size;
	struct exo_manifest header;
};

static bool read_file(const char *path, struct buffer *buffer)
{
	FILE *file = fopen(path, "rb");
	char piece[65536];
	if (!file)
		return false;
	for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0;)
		buffer_append(buffer, piece, n);
	bool whole = !ferror(file);
	(void)fclose(file);
	return whole;
}

/* A number of eight hexadecimal digits at the i-th place of a newc header. */
static size_t header_number(const uint8_t *header, int i)
{
	char digits[9] = {0};
	memcpy(digits, header + 6 + 8 * i, 8);
	return strtoul(digits, NULL, 16);
}

/* The payload's first member, which is the manifest; NULL and a reason where it is not. */
static const char *find_manifest(const struct buffer *file, struct view *view)
{
	size_t at = 0;
	for (;;) {
		if (file->size - at < HEADER || memcmp(file->data + at, "070701", 6) != 0)
			return "it is no newc cpio archive";
		size_t name_size = header_number(file->data + at, 11);
		size_t data_size = header_number(file->data + at, 6);
		size_t lead = (HEADER + name_size + 3) & ~(size_t)3;
		if (!name_size || file->size - at < lead || file->size - at - lead < data_size)
			return "the archive is cut";
		const char *name = (const char *)file->data + at + HEADER;
		view->bytes = file->data + at + lead;
		view->size = data_size;
		if (!strncmp(name, "manifest", name_size))
			break;
		if (strncmp(name, "pad", name_size) != 0)
			return "its first member is no manifest";
		at += lead + ((data_size + 3) & ~(size_t)3);
	}
	if (view->size < sizeof(view->header))
		return "the manifest is cut";
	memcpy(&view->header, view->bytes, sizeof(view->header));
	if (view->header.magic != EXO_MANIFEST_MAGIC ||
	    view->header.version != EXO_MANIFEST_VERSION)
		return "the manifest has another version";
	return NULL;
}

/* Copies entry i of a table; false where the table or the entry lies outside. */
static bool entry(const struct view *view, struct exo_manifest_table table, uint32_t i, size_t size,
                  void *out)
{
	if (i >= table.n || table.offset > view->size ||
	    (view->size - table.offset) / size < table.n)
		return false;
	memcpy(out, view->bytes + table.offset + i * size, size);
	return true;
}

static const char *string(const struct view *view, uint32_t at)
{
	struct exo_manifest_table table = view->header.strings;
	if (at >= table.n || table.offset > view->size || view->size - table.offset < table.n ||
	    view->bytes[table.offset + table.n - 1])
		return "?";
	return (const char *)view->bytes + table.offset + at;
}

static const char *file_name(const struct view *view, uint32_t i)
{
	struct exo_manifest_file file;
	return entry(view, view->header.files, i, sizeof(file), &file) ? string(view, file.name)
	                                                               : "?";
}

static void show_conjunctions(const struct view *view, const char *what, uint32_t first, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct flt_conjunction conjunction;
		char text[1024];
		if (!entry(view, view->header.conjunctions, first + i, sizeof(conjunction),
		           &conjunction) ||
		    flt_conjunction_validate(&conjunction, NULL)) {
			printf("      %s: a conjunction that is not valid\n", what);
			return;
		}
		flt_conjunction_text(&conjunction, text, sizeof(text));
		printf("      %s: %s\n", what, conjunction.n_terms ? text : "every frame");
	}
}

static void show_flow(const struct view *view, uint32_t i)
{
	struct exo_manifest_flow flow;
	if (!entry(view, view->header.flows, i, sizeof(flow), &flow)) {
		puts("    a flow that is not there");
		return;
	}
	printf("    flow %s%s%s%s%s, priority %d, address %u, %u relocations: %s\n",
	       string(view, flow.name), flow.flags & EXO_BIND_HOST ? ", host" : "",
	       flow.flags & EXO_BIND_TAP ? ", tap" : "",
	       flow.flags & EXO_BIND_COUNT ? ", count" : "",
	       flow.flags & (uint32_t)EXO_RIGHT_SHARE << 16 ? ", share" : "", flow.priority,
	       flow.address, flow.n_relocations, string(view, flow.text));
	show_conjunctions(view, "receive", flow.first_receive, flow.n_receive);
	show_conjunctions(view, "transmit", flow.first_transmit, flow.n_transmit);
	if (flow.program_kind != EXO_PROGRAM_NONE)
		printf("      program: %s\n", file_name(view, flow.program));
}

static void show_env(const struct view *view, uint32_t i)
{
	struct exo_manifest_env env;
	if (!entry(view, view->header.envs, i, sizeof(env), &env)) {
		puts("  an environment that is not there");
		return;
	}
	printf("  %s: image %s, %u frames, %u slots of core %u%s%s%s%s%s\n", string(view, env.name),
	       file_name(view, env.image), env.frames, env.slots, env.core,
	       env.flags & EXO_MANIFEST_CONSOLE ? ", console" : "",
	       env.flags & EXO_MANIFEST_POWER ? ", power" : "",
	       env.flags & EXO_MANIFEST_ENVS ? ", environments" : "",
	       env.flags & EXO_MANIFEST_LEDGER ? ", ledger" : "",
	       env.flags & EXO_MANIFEST_RESTART ? ", restart" : "");
	for (uint32_t f = 0; f < env.n_files && f < view->header.files.n; f++)
		printf("    content %s\n", file_name(view, env.first_file + f));
	for (uint32_t f = 0; f < env.n_flows && f < view->header.flows.n; f++)
		show_flow(view, env.first_flow + f);
}

static void show_files(const struct view *view)
{
	struct exo_manifest_file file;
	for (uint32_t i = 0; entry(view, view->header.files, i, sizeof(file), &file); i++) {
		printf("  %-32s %10llu bytes  ", string(view, file.name),
		       (unsigned long long)file.size);
		for (int b = 0; b < 8; b++)
			printf("%02x", file.sha256[b]);
		puts("…");
	}
}

int payload_show(const char *path)
{
	struct buffer file = {0};
	struct view view;
	if (!read_file(path, &file)) {
		fprintf(stderr, "mkappliance: cannot read %s: %s\n", path, strerror(errno));
		return 1;
	}
	const char *reason = find_manifest(&file, &view);
	if (reason) {
		fprintf(stderr, "%s: %s\n", path, reason);
		buffer_free(&file);
		return 1;
	}
	printf("%s%s, control port %d\n", string(&view, view.header.name),
	       view.header.flags & EXO_MANIFEST_POWER_OFF ? ", powers off when all have ended" : "",
	       (int)view.header.control_port);
	for (uint32_t i = 0; i < view.header.envs.n && i < EXO_MANIFEST_ENVS_MAX; i++)
		show_env(&view, i);
	puts("files");
	show_files(&view);
	buffer_free(&file);
	return 0;
}
