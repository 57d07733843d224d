/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sparse tables: four levels of pages with 512 words each, made as needed and kept.
 */
#include <libexo/memory.h>

#include "linux.h"

enum {
	LEVELS = 4,
	BITS = 9,
};

static unsigned index_at(uint64_t key, int level)
{
	return (unsigned)(key >> BITS * level) & ((1u << BITS) - 1);
}

uint64_t radix_get(const struct radix *radix, uint64_t key)
{
	const uint64_t *node = radix->root;

	for (int level = LEVELS - 1; level > 0 && node != NULL; level--)
		node = (const uint64_t *)node[index_at(key, level)];
	return node == NULL ? 0 : node[index_at(key, 0)];
}

static uint64_t *make_node(void)
{
	struct exo_pages pages;

	return exo_pages_alloc(&pages, 1) < 0 ? NULL : pages.address;
}

bool radix_set(struct radix *radix, uint64_t key, uint64_t value)
{
	uint64_t *node;

	if (radix->root == NULL)
		radix->root = make_node();
	node = radix->root;
	for (int level = LEVELS - 1; level > 0 && node != NULL; level--) {
		uint64_t *slot = &node[index_at(key, level)];

		if (*slot == 0)
			*slot = (uintptr_t)make_node();
		node = (uint64_t *)*slot;
	}
	if (node == NULL)
		return false;
	node[index_at(key, 0)] = value;
	return true;
}

/* Searches the keys from *key on that `node` covers; moves *key behind what it skips. */
static bool search(const uint64_t *node, int level, uint64_t *key, uint64_t end)
{
	unsigned i = index_at(*key, level);
	uint64_t span = 1ull << BITS * level;

	for (; i < 1u << BITS && *key < end; i++) {
		if (node[i] != 0 &&
		    (level == 0 || search((const uint64_t *)node[i], level - 1, key, end)))
			return true;
		if (node[i] == 0 || level == 0)
			*key = (*key & ~(span - 1)) + span;
	}
	return false;
}

uint64_t radix_next(const struct radix *radix, uint64_t key, uint64_t end)
{
	if (radix->root == NULL || !search(radix->root, LEVELS - 1, &key, end) || key > end)
		return end;
	return key;
}
