/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mkappliance: from a text manifest to the payload of an appliance (boot/MANIFEST.md).
 */
#include <errno.h>
#include <getopt.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <flt/host.h>

#include "manifest.h"
#include "show.h"

static const char usage[] =
        "usage: mkappliance [-I FOLDER]... [-o FILE] [--depfile FILE] NAME.conf\n"
        "       mkappliance --show NAME.cpio\n"
        "\n"
        "Checks the manifest NAME.conf, compiles its filters and writes the payload NAME.cpio\n"
        "that an appliance boots with. boot/MANIFEST.md describes both.\n"
        "\n"
        "  -I FOLDER       look there for images and content, too\n"
        "  -o FILE         write the payload there (default: NAME.cpio in this folder)\n"
        "  --with FILE     put the environments of this manifest before its own; control_port, "
        "too\n"
        "  --depfile FILE  write what the payload was made from, for make or ninja\n"
        "  --show          print what a payload holds\n";

static _Noreturn void fail(const char *what, const char *path)
{
	fprintf(stderr, "mkappliance: cannot %s %s: %s\n", what, path, strerror(errno));
	exit(1);
}

/* Writes beside the target first: whoever reads it sees the old file or the whole new one. */
static void write_file(const char *path, const void *data, size_t size)
{
	char *part = must_print("%s.part", path);
	FILE *file = fopen(part, "wb");
	if (!file)
		fail("write", part);
	size_t written = fwrite(data, 1, size, file);
	if (fclose(file) || written != size) {
		(void)unlink(part);
		fail("write", part);
	}
	if (rename(part, path))
		fail("write", path);
	free(part);
}

static char *default_output(const char *manifest)
{
	char *copy = must_copy(manifest);
	char *base = basename(copy);
	char *dot = strrchr(base, '.');
	if (dot && !strcmp(dot, ".conf"))
		*dot = 0;
	char *output = must_print("%s.cpio", base);
	free(copy);
	return output;
}

static void write_depfile(const char *path, const char *output, const char *manifest)
{
	struct buffer text = {0};
	size_t n;
	const char *const *files = model_dependencies(&n);
	char *line = must_print("%s: %s", output, manifest);
	buffer_append(&text, line, strlen(line));
	for (size_t i = 0; i < n; i++) {
		buffer_append(&text, " ", 1);
		buffer_append(&text, files[i], strlen(files[i]));
	}
	buffer_append(&text, "\n", 1);
	write_file(path, text.data, text.size);
	buffer_free(&text);
	free(line);
}

static int build(const char *manifest, const char *with, const char *output, const char *depfile)
{
	struct model model = {0};
	struct buffer archive = {0};
	char *chosen = output ? must_copy(output) : default_output(manifest);
	model_read(&model, manifest, with);
	payload_build(&model, &archive);
	write_file(chosen, archive.data, archive.size);
	if (depfile)
		write_depfile(depfile, chosen, manifest);
	buffer_free(&archive);
	free(chosen);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	        {"depfile", required_argument, NULL, 'd'}, {"with", required_argument, NULL, 'w'},
	        {"show", no_argument, NULL, 's'},          {"help", no_argument, NULL, 'h'},
	        {"version", no_argument, NULL, 'v'},       {NULL, 0, NULL, 0},
	};
	const char *output = NULL, *depfile = NULL, *with = NULL;
	bool show = false;
	for (int option; (option = getopt_long(argc, argv, "I:o:h", options, NULL)) != -1;) {
		switch (option) {
		case 'I':
			model_search(optarg);
			break;
		case 'o':
			output = optarg;
			break;
		case 'd':
			depfile = optarg;
			break;
		case 'w':
			with = optarg;
			break;
		case 's':
			show = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return 0;
		case 'v':
			puts("mkappliance " SLUICE_VERSION);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (argc - optind != 1) {
		fputs(usage, stderr);
		return 2;
	}
	flt_host_init(false);
	return show ? payload_show(argv[optind]) : build(argv[optind], with, output, depfile);
}
