/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file tree: nodes and blocks of the shared area. A file's blocks are a chain; its head of
 * content that lies in the payload needs none and can't be written.
 */
#include <errno.h>
#include <sys/stat.h>

#include <libexo/lib.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "family.h"

enum {
	ROOT = 0,
};

struct node *tree_node(uint16_t index)
{
	return &family->nodes[index < NODES_MAX ? index : ROOT];
}

static bool same_name(const struct node *node, const char *name, size_t size)
{
	return memcmp(node->name, name, size) == 0 && node->name[size] == '\0';
}

uint16_t tree_find(uint16_t folder, const char *name, size_t size)
{
	if (size >= NAME_BYTES)
		return NONE;
	for (unsigned i = ROOT + 1; i < NODES_MAX; i++) {
		const struct node *node = &family->nodes[i];

		if (node->type != NODE_FREE && node->parent == folder &&
		    same_name(node, name, size))
			return (uint16_t)i;
	}
	return NONE;
}

uint16_t tree_child(uint16_t folder, unsigned i)
{
	for (unsigned n = ROOT + 1; n < NODES_MAX; n++)
		if (family->nodes[n].type != NODE_FREE && family->nodes[n].parent == folder &&
		    i-- == 0)
			return (uint16_t)n;
	return NONE;
}

int tree_make(uint16_t folder, const char *name, size_t size, enum node_type type, unsigned mode)
{
	if (size >= NAME_BYTES)
		return -ENAMETOOLONG;
	for (unsigned i = ROOT + 1; i < NODES_MAX; i++) {
		struct node *node = &family->nodes[i];

		if (node->type != NODE_FREE)
			continue;
		*node = (struct node){.type = (uint8_t)type,
		                      .parent = folder,
		                      .first = NONE,
		                      .mode = (uint16_t)(mode & 07777),
		                      .changed = exo_time_wall_ns()};
		memcpy(node->name, name, size);
		return (int)i;
	}
	return -ENOSPC;
}

/* ---- Content ---- */

static void free_blocks(uint16_t *link)
{
	uint16_t block = *link;

	*link = NONE;
	while (block < family->blocks) {
		uint16_t next = family->next_block[block];

		block_give(block);
		block = next;
	}
}

static void free_if_gone(struct node *node)
{
	if (node->parent != NONE || node->opens != 0)
		return;
	free_blocks(&node->first);
	node->type = NODE_FREE;
}

void tree_unlink(uint16_t index)
{
	tree_node(index)->parent = NONE;
	free_if_gone(tree_node(index));
}

void tree_opened(uint16_t index)
{
	tree_node(index)->opens++;
}

void tree_closed(uint16_t index)
{
	tree_node(index)->opens--;
	free_if_gone(tree_node(index));
}

/* The n-th block of a file; makes it, and those before it, where `make`. NONE: there is none. */
static uint16_t block_at(struct node *node, uint64_t n, bool make)
{
	uint16_t *link = &node->first;

	for (;;) {
		if (*link >= family->blocks && make)
			*link = block_take();
		if (*link >= family->blocks || n-- == 0)
			return *link;
		link = &family->next_block[*link];
	}
}

int64_t tree_read(const struct node *node, void *to, uint64_t size, uint64_t offset)
{
	uint64_t left = offset < node->size ? node->size - offset : 0, done = 0;

	if (node->type == NODE_FOLDER)
		return -EISDIR;
	size = size < left ? size : left;
	if (node->read_only) {
		memcpy(to, (const char *)node->address + offset, size);
		return (int64_t)size;
	}
	while (done < size) {
		uint64_t at = (offset + done) % BLOCK_BYTES, part = BLOCK_BYTES - at;
		uint16_t block =
		        block_at((struct node *)node, (offset + done) / BLOCK_BYTES, false);

		part = part < size - done ? part : size - done;
		if (block >= family->blocks)
			memset((char *)to + done, 0, part);
		else
			memcpy((char *)to + done, (const char *)block_bytes(block) + at, part);
		done += part;
	}
	return (int64_t)done;
}

int64_t tree_write(struct node *node, const void *from, uint64_t size, uint64_t offset)
{
	uint64_t done = 0;

	if (node->read_only)
		return -EROFS;
	if (offset > (uint64_t)BLOCKS_MAX * BLOCK_BYTES)
		return -EFBIG;
	while (done < size) {
		uint64_t at = (offset + done) % BLOCK_BYTES, part = BLOCK_BYTES - at;
		uint16_t block = block_at(node, (offset + done) / BLOCK_BYTES, true);

		if (block >= family->blocks)
			break;
		part = part < size - done ? part : size - done;
		memcpy((char *)block_bytes(block) + at, (const char *)from + done, part);
		done += part;
	}
	if (offset + done > node->size)
		node->size = offset + done;
	node->changed = exo_time_wall_ns();
	return done == 0 && size > 0 ? -ENOSPC : (int64_t)done;
}

int64_t tree_truncate(struct node *node, uint64_t size)
{
	uint64_t keep = (size + BLOCK_BYTES - 1) / BLOCK_BYTES;
	uint16_t last;

	if (node->type == NODE_FOLDER)
		return -EISDIR;
	if (node->read_only)
		return -EROFS;
	if (size > (uint64_t)BLOCKS_MAX * BLOCK_BYTES)
		return -EFBIG;
	last = keep == 0 ? NONE : block_at(node, keep - 1, false);
	if (keep == 0)
		free_blocks(&node->first);
	else if (last < family->blocks) {
		free_blocks(&family->next_block[last]);
		if (size % BLOCK_BYTES != 0)
			memset((char *)block_bytes(last) + size % BLOCK_BYTES, 0,
			       BLOCK_BYTES - size % BLOCK_BYTES);
	}
	node->size = size;
	node->changed = exo_time_wall_ns();
	return 0;
}

/* ---- The first tree ---- */

static int make_folder(uint16_t folder, const char *name, size_t size)
{
	uint16_t found = tree_find(folder, name, size);

	return found != NONE ? found : tree_make(folder, name, size, NODE_FOLDER, 0755);
}

/* A content file, in the folders that its name says. */
static void add_content(const struct exo_start_file *file)
{
	const char *at = file->name, *end = file->name + strnlen(file->name, sizeof(file->name));
	int folder = ROOT, made;

	while (folder >= 0 && at < end) {
		const char *stop = at;

		while (stop < end && *stop != '/')
			stop++;
		if (stop == end) {
			made = tree_make((uint16_t)folder, at, (size_t)(end - at), NODE_FILE, 0555);
			if (made < 0)
				return;
			tree_node((uint16_t)made)->read_only = 1;
			tree_node((uint16_t)made)->address = file->address;
			tree_node((uint16_t)made)->size = file->size;
			return;
		}
		if (stop > at)
			folder = make_folder((uint16_t)folder, at, (size_t)(stop - at));
		at = stop + 1;
	}
}

static void add_device(int folder, const char *name, enum file_type type)
{
	int made = tree_make((uint16_t)folder, name, strlen(name), NODE_DEVICE, 0666);

	if (made >= 0)
		tree_node((uint16_t)made)->first = (uint16_t)type;
}

void tree_init(void)
{
	const struct exo_start *start = exo_start_page();
	int devices;

	family->nodes[ROOT] =
	        (struct node){.type = NODE_FOLDER, .parent = ROOT, .first = NONE, .mode = 0755};
	devices = make_folder(ROOT, "dev", 3);
	make_folder(ROOT, "tmp", 3);
	add_device(devices, "null", FILE_NULL);
	add_device(devices, "zero", FILE_ZERO);
	add_device(devices, "random", FILE_RANDOM);
	add_device(devices, "urandom", FILE_RANDOM);
	add_device(devices, "tty", FILE_CONSOLE);
	add_device(devices, "console", FILE_CONSOLE);
	for (uint32_t i = 0; i < start->n_files && i < EXO_START_FILES_MAX; i++)
		add_content(&start->files[i]);
}
