/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding and reading the files that a manifest names.
 */
#include <errno.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buffer.h"
#include "model.h"

static const char **folders;
static size_t n_folders;
static const char **dependencies;
static size_t n_dependencies;

static void push(const char ***list, size_t *n, const char *text)
{
	const char **longer = must_alloc((*n + 1) * sizeof(*longer));
	if (*n)
		memcpy(longer, *list, *n * sizeof(*longer));
	free(*list);
	longer[(*n)++] = text;
	*list = longer;
}

_Noreturn void refuse(struct place place, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	if (place.line)
		fprintf(stderr, "%s:%u: ", place.file, place.line);
	else
		fprintf(stderr, "%s: ", place.file);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	exit(1);
}

void model_search(const char *folder)
{
	push(&folders, &n_folders, folder);
}

const char *const *model_dependencies(size_t *n)
{
	*n = n_dependencies;
	return dependencies;
}

static bool is_file(const char *path)
{
	struct stat status;
	return stat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* The path under which the file is there: malloc'ed, or NULL. */
static char *find(struct place place, const char *path)
{
	if (path[0] == '/')
		return is_file(path) ? must_copy(path) : NULL;
	char *manifest = must_copy(place.file);
	char *found = must_print("%s/%s", dirname(manifest), path);
	free(manifest);
	for (size_t i = 0; !is_file(found); i++) {
		free(found);
		if (i == n_folders)
			return NULL;
		found = must_print("%s/%s", folders[i], path);
	}
	return found;
}

static void *read_whole(struct place place, const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		refuse(place, "cannot open %s: %s", path, strerror(errno));
	struct buffer buffer = {0};
	char piece[65536];
	for (size_t n; (n = fread(piece, 1, sizeof(piece), file)) > 0;) {
		buffer_append(&buffer, piece, n);
		if (buffer.size > UINT32_MAX)
			refuse(place, "%s is larger than 4 GiB", path);
	}
	if (ferror(file))
		refuse(place, "cannot read %s: %s", path, strerror(errno));
	(void)fclose(file);
	*size = buffer.size;
	return buffer.data;
}

int model_add_bytes(struct model *model, struct place place, const char *name, const void *data,
                    size_t size)
{
	if (!name[0] || strlen(name) > MODEL_FILE_NAME_MAX)
		refuse(place, "'%s': a file's name has 1 to %d characters", name,
		       MODEL_FILE_NAME_MAX);
	if (!strcmp(name, "manifest") || !strcmp(name, "pad") || !strcmp(name, "TRAILER!!!"))
		refuse(place, "'%s' is a name that the payload itself uses", name);
	for (size_t i = 0; i < model->n_files; i++) {
		const struct model_file *old = &model->files[i];
		if (strcmp(old->name, name) != 0)
			continue;
		if (old->size != size || (size && memcmp(old->data, data, size) != 0))
			refuse(place, "there is another file named '%s' in the payload", name);
		return (int)i;
	}
	struct model_file *files = must_alloc((model->n_files + 1) * sizeof(*files));
	if (model->n_files)
		memcpy(files, model->files, model->n_files * sizeof(*files));
	free(model->files);
	model->files = files;
	files[model->n_files] =
	        (struct model_file){.name = must_copy(name), .data = data, .size = size};
	return (int)model->n_files++;
}

/* The path under which it is there, noted as what the payload depends on. */
static char *must_find(struct place place, const char *path)
{
	char *found = find(place, path);
	if (!found)
		refuse(place,
		       "there is no file '%s' beside the manifest or in a folder given by -I",
		       path);
	push(&dependencies, &n_dependencies, found);
	return found;
}

int model_add_file(struct model *model, struct place place, const char *name, const char *path)
{
	const char *found = must_find(place, path);
	size_t size;
	void *data = read_whole(place, found, &size);
	return model_add_bytes(model, place, name, data, size);
}

/* A name for mkstemp where the user wants temporary files (environ(7)). malloc'ed. */
static char *scratch_name(void)
{
	const char *folder = getenv("TMPDIR");

	return must_print("%s/mkappliance-XXXXXX", folder && folder[0] ? folder : "/tmp");
}

/* Runs it and waits. What it says to stderr is for the user. → whether it succeeded. */
static bool run(char *const arguments[])
{
	int status;
	pid_t child;
	return posix_spawn(&child, arguments[0], NULL, NULL, arguments, environ) == 0 &&
	       waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int model_prepare_file(struct model *model, struct place place, const char *name, const char *path,
                       const char *program)
{
	char *stem = must_copy(name), *made = scratch_name();
	char *arguments[] = {must_find(place, program), must_find(place, path), made, stem, NULL};
	char *end = strrchr(stem, '.');
	int file = mkstemp(made);
	size_t size;
	void *data;
	bool good;

	if (file < 0)
		refuse(place, "no file %s can be made: %s", made, strerror(errno));
	(void)close(file);
	if (end && end != stem)
		*end = '\0';
	good = run(arguments);
	data = good ? read_whole(place, made, &size) : NULL;
	(void)unlink(made);
	if (!good)
		refuse(place, "'%s' could not be prepared by '%s'", path, program);
	free(stem);
	free(made);
	return model_add_bytes(model, place, name, data, size);
}
