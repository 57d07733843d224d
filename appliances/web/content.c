/* SPDX-License-Identifier: BSD-2-Clause */
/* Few files, so a path is compared with each name of its length. */
#include <exo/error.h>
#include <libexo/lib.h>
#include <libexo/manifest.h>
#include <libexo/start.h>

#include "content.h"

enum {
	PATHS_MAX = 3 * EXO_START_FILES_MAX, /* itself, its folder, the way to its folder */
	TEXT_MAX = 68,
	ALIGNMENT = 64,
};

struct path {
	uint32_t size;
	char text[TEXT_MAX]; /* with its leading slash */
	const struct http_resource *resource;
};

static struct exo_pages pages;      /* the resources of all files, then their bytes */
static struct http_resource *files; /* [EXO_START_FILES_MAX] */
static struct http_resource ways[EXO_START_FILES_MAX];
static struct path paths[PATHS_MAX];
static unsigned n_paths, n_files;

static const struct path *find(const char *text, size_t size)
{
	for (unsigned i = 0; i < n_paths; i++)
		if (paths[i].size == size && memcmp(paths[i].text, text, size) == 0)
			return &paths[i];
	return NULL;
}

static const char *add(const char *text, size_t size, const struct http_resource *resource)
{
	struct path *path = &paths[n_paths];

	if (n_paths == PATHS_MAX || size == 0 || size >= TEXT_MAX || find(text, size) != NULL)
		return NULL;
	n_paths++;
	memcpy(path->text, text, size);
	path->size = (uint32_t)size;
	path->resource = resource;
	return path->text;
}

static bool ends_with(const char *text, size_t size, const char *end)
{
	size_t n = strlen(end);

	return size >= n && memcmp(text + size - n, end, n) == 0;
}

/* `data`: the copy of its bytes. */
static void add_file(unsigned i, const struct exo_start_file *file, const void *data,
                     uint64_t modified)
{
	static const char index[] = "/index.html";
	struct http_resource *resource = &files[i];
	size_t size = strnlen(file->name, sizeof file->name);
	char text[TEXT_MAX] = "/";
	const char *folder;

	memcpy(text + 1, file->name, size++);
	resource->data = data;
	resource->size = (uint32_t)file->size;
	resource->type = http_type_of(text, size);
	resource->modified = modified;
	http_resource_tag(resource, exo_manifest_digest(resource->data, file->size));
	resource->lasting = true;
	(void)http_resource_prepare(resource);
	(void)add(text, size, resource);
	if (!ends_with(text, size, index))
		return;
	size -= strlen(index) - 1;
	folder = add(text, size, resource);
	ways[i].location = folder;
	if (folder != NULL && size > 1)
		(void)add(text, size - 1, &ways[i]);
}

static size_t aligned(uint64_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

int content_open(uint64_t modified)
{
	const struct exo_start *start = exo_start_page();
	uint32_t n = start->n_files < EXO_START_FILES_MAX ? start->n_files : EXO_START_FILES_MAX;
	size_t size = aligned(EXO_START_FILES_MAX * sizeof *files);
	uint8_t *at;
	int result;

	for (uint32_t i = 0; i < n; i++) {
		if (start->files[i].size > UINT32_MAX)
			return -EXO_E2BIG;
		size += aligned(start->files[i].size);
	}
	result = exo_pages_alloc(&pages, exo_pages_for(size));
	if (result < 0)
		return result;
	files = pages.address;
	at = (uint8_t *)pages.address + aligned(EXO_START_FILES_MAX * sizeof *files);
	for (uint32_t i = 0; i < n; i++) {
		memcpy(at, (const void *)start->files[i].address, start->files[i].size);
		add_file(i, &start->files[i], at, modified);
		at += aligned(start->files[i].size);
	}
	n_files = n;
	return (int)n;
}

struct http_resource *content_file(unsigned i)
{
	return i < n_files ? &files[i] : NULL;
}

const struct exo_pages *content_pages(void)
{
	return &pages;
}

const struct http_resource *content_find(void *context, const struct http_request *request)
{
	const struct path *path = find(request->path, request->path_size);

	return path != NULL ? path->resource : NULL;
}
