/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Printing a payload. The file may come from anywhere: libexo checks it as init would.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <exo/cpio.h>
#include <exo/flow.h>
#include <exo/start.h>
#include <flt/flowset.h>
#include <libexo/manifest.h>

#include "buffer.h"
#include "show.h"

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

/* A checked copy of the manifest, malloc'ed: behind this everything may trust it. NULL: why not. */
static struct exo_manifest *find_manifest(const struct buffer *file, const char **reason)
{
	static char error[EXO_MANIFEST_ERROR_MAX];
	struct exo_cpio_member member;
	*reason = exo_cpio_find(file->data, file->size, "manifest", &member);
	if (*reason)
		return NULL;
	struct exo_manifest *copy = must_alloc(member.size);
	memcpy(copy, member.data, member.size);
	if (!exo_manifest_check(copy, member.size, error))
		return copy;
	*reason = error;
	free(copy);
	return NULL;
}

static const char *file_name(const struct exo_manifest *manifest, uint32_t i)
{
	return exo_manifest_string(manifest, exo_manifest_files(manifest)[i].name);
}

static void show_conjunctions(const struct exo_manifest *manifest, const char *what, uint32_t first,
                              uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++) {
		const struct flt_conjunction *conjunction = &exo_manifest_conjunctions(manifest)[i];
		char text[1024];
		flt_conjunction_text(conjunction, text, sizeof(text));
		printf("      %s: %s\n", what, conjunction->n_terms ? text : "every frame");
	}
}

static void show_flow(const struct exo_manifest *manifest, const struct exo_manifest_flow *flow)
{
	printf("    flow %s%s%s%s%s%s%s%s%s, priority %d, address %u, %u relocations: %s\n",
	       exo_manifest_string(manifest, flow->name),
	       flow->flags & EXO_BIND_HOST ? ", host" : "",
	       flow->flags & EXO_BIND_TAP ? ", tap" : "",
	       flow->flags & EXO_BIND_SENT ? ", sent" : "",
	       flow->flags & EXO_BIND_COUNT ? ", count" : "",
	       flow->flags & (uint32_t)EXO_RIGHT_SHARE << 16 ? ", share" : "",
	       flow->flags & EXO_START_STANDBY ? ", standby" : "",
	       flow->flags & EXO_START_FUNCTION ? ", function" : "",
	       flow->flags & EXO_MANIFEST_UNPROTECTED ? ", unprotected" : "", flow->priority,
	       flow->address, flow->n_relocations, exo_manifest_string(manifest, flow->text));
	show_conjunctions(manifest, "receive", flow->first_receive, flow->n_receive);
	show_conjunctions(manifest, "transmit", flow->first_transmit, flow->n_transmit);
	if (flow->program_kind != EXO_PROGRAM_NONE)
		printf("      program: %s\n", file_name(manifest, flow->program));
}

static void show_env(const struct exo_manifest *manifest, const struct exo_manifest_env *env)
{
	printf("  %s: image %s, %u frames, %u slots of core %u%s%s%s%s%s\n",
	       exo_manifest_string(manifest, env->name), file_name(manifest, env->image),
	       env->frames, env->slots, env->core,
	       env->flags & EXO_MANIFEST_CONSOLE ? ", console" : "",
	       env->flags & EXO_MANIFEST_POWER ? ", power" : "",
	       env->flags & EXO_MANIFEST_ENVS ? ", environments" : "",
	       env->flags & EXO_MANIFEST_LEDGER ? ", ledger" : "",
	       env->flags & EXO_MANIFEST_RESTART ? ", restart" : "");
	if (env->flags & (EXO_MANIFEST_INPUT | EXO_MANIFEST_CONTROL))
		printf("    may%s%s\n",
		       env->flags & EXO_MANIFEST_INPUT ? " read what is typed" : "",
		       env->flags & EXO_MANIFEST_CONTROL ? " end and revoke" : "");
	if (env->disk_sectors)
		printf("    disk sectors %llu+%u\n", (unsigned long long)env->disk_first,
		       env->disk_sectors);
	if (env->screen.width)
		printf("    screen %ux%u at %u,%u\n", env->screen.width, env->screen.height,
		       env->screen.x, env->screen.y);
	for (uint32_t f = 0; f < env->n_files; f++)
		printf("    content %s\n", file_name(manifest, env->first_file + f));
	for (uint32_t f = 0; f < env->n_flows; f++)
		show_flow(manifest, &exo_manifest_flows(manifest)[env->first_flow + f]);
}

static void show_manifest(const struct exo_manifest *manifest)
{
	printf("%s%s", exo_manifest_string(manifest, manifest->name),
	       manifest->flags & EXO_MANIFEST_POWER_OFF ? ", powers off when all have ended" : "");
	if (manifest->control_port != UINT32_MAX)
		printf(", host channel on port %u", manifest->control_port);
	for (unsigned port = 0; port < EXO_PORTS_MAX; port++)
		if (manifest->merges >> port & 1)
			printf(", port %u merges segments of TCP", port);
	puts("");
	for (uint32_t i = 0; i < manifest->envs.n; i++)
		show_env(manifest, &exo_manifest_envs(manifest)[i]);
	puts("files");
	for (uint32_t i = 0; i < manifest->files.n; i++) {
		const struct exo_manifest_file *file = &exo_manifest_files(manifest)[i];
		printf("  %-32s %10llu bytes  %016llx\n", file_name(manifest, i),
		       (unsigned long long)file->size, (unsigned long long)file->digest);
	}
}

int payload_show(const char *path)
{
	struct buffer file = {0};
	const char *reason;
	if (!read_file(path, &file)) {
		fprintf(stderr, "mkappliance: cannot read %s: %s\n", path, strerror(errno));
		return 1;
	}
	struct exo_manifest *manifest = find_manifest(&file, &reason);
	if (manifest)
		show_manifest(manifest);
	else
		fprintf(stderr, "%s: no payload with a manifest: %s\n", path, reason);
	int status = manifest ? 0 : 1;
	free(manifest);
	buffer_free(&file);
	return status;
}
