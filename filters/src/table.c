/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision structure: the writer's side. See table_internal.h for how it is made; classify.c
 * reads.
 */
#include "table_internal.h"

enum {
	SLOTS_MIN = 8,
	CACHE_LINE = 64,
};

static int no_memory(struct flt_error *error)
{
	return flt_fail(error, FLT_E_NO_MEMORY, -1, "no memory");
}

static void *table_alloc(struct flt_table *table, size_t size)
{
	void *memory = flt_alloc_array(size, 1);
	if (memory)
		table->memory += size;
	return memory;
}

static void retire(struct flt_table *table, void *memory, size_t size)
{
	table->memory -= size;
	flt_platform.retire(memory, flt_free);
}

/* --- hash tables of keys --- */

static uint32_t round_slot(uint32_t size)
{
	return size <= CACHE_LINE ? 1u << flt_log2_ceil(size)
	                          : (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
}

static struct slots *make_slots(struct flt_table *table, uint64_t n, uint32_t slot_size)
{
	uint32_t quick = (uint32_t)(n < QUICK_BYTES_MAX ? n : QUICK_BYTES_MAX);
	size_t bytes = sizeof(struct slots) + n * slot_size + n + quick + CACHE_LINE;
	struct slots *slots = table_alloc(table, bytes);
	if (!slots)
		return NULL;
	slots->mask = n - 1;
	slots->bytes = bytes;
	uintptr_t raw = (uintptr_t)slots->raw;
	slots->memory = slots->raw + (-raw & (CACHE_LINE - 1));
	slots->bloom = (uint64_t *)(void *)(slots->memory + n * slot_size);
	slots->quick = slots->memory + n * slot_size + n;
	slots->quick_mask = 8 * quick - 1;
	return slots;
}

static struct slot *slot_at(const struct slots *slots, uint32_t slot_size, uint64_t i)
{
	return (struct slot *)(void *)(slots->memory + i * slot_size);
}

/* The key's slot, or the empty one where it belongs. */
static struct slot *find_slot(const struct slots *slots, uint32_t slot_size, const uint64_t *words,
                              uint32_t n_words)
{
	uint64_t i = key_hash(words, n_words) & slots->mask;
	for (;; i = (i + 1) & slots->mask) {
		struct slot *slot = slot_at(slots, slot_size, i);
		if (!slot->chain || memcmp(slot->words, words, 8ul * n_words) == 0)
			return slot;
	}
}

/* Whether a chain's owner is the whole answer. */
static bool is_plain(const struct leaf *leaf)
{
	const struct flt_entry *entry = leaf_entry(leaf);
	return !leaf->next && !leaf->n_residual && !entry->program && entry->accept == UINT32_MAX;
}

/*
 * Makes a slot's chain visible. A reader takes the owner only if it finds the same tagged chain
 * before and after, so the owner changes while the chain is not tagged, or does not exist yet.
 */
static void publish_chain(struct slot *slot, struct leaf *head)
{
	if (!head) {
		__atomic_store_n(&slot->chain, (uintptr_t)CHAIN_TAG, __ATOMIC_RELEASE);
	} else if (!is_plain(head)) {
		__atomic_store_n(&slot->chain, (uintptr_t)head, __ATOMIC_RELEASE);
	} else {
		if (slot->chain)
			__atomic_store_n(&slot->chain, (uintptr_t)head, __ATOMIC_RELEASE);
		__atomic_store_n(&slot->owner, leaf_entry(head)->owner, __ATOMIC_RELEASE);
		__atomic_store_n(&slot->chain, (uintptr_t)head | CHAIN_TAG, __ATOMIC_RELEASE);
	}
}

/* Puts the key before the chain becomes visible: readers look at the chain first. */
static void fill_slot(const struct shape *shape, struct slots *slots, struct slot *slot,
                      const uint64_t *words, struct leaf *head)
{
	uint32_t n_words = shape->layout.n_words;
	uint64_t hash = key_hash(words, n_words), *bloom = bloom_word(slots, hash);
	memcpy(slot->words, words, 8ul * n_words);
	__atomic_store_n(bloom, *bloom | bloom_bits(hash), __ATOMIC_RELEASE);
	if (shape->quick_offset != QUICK_NONE) {
		uint32_t bit = words[shape->quick_word] >> shape->quick_shift & slots->quick_mask;
		uint8_t *byte = &slots->quick[bit / 8];
		__atomic_store_n(byte, (uint8_t)(*byte | 1u << bit % 8), __ATOMIC_RELEASE);
	}
	publish_chain(slot, head);
	slots->used++;
}

/* Names the only leaf's slot to the readers, where what all keys have had in common is its key. */
static void publish_single(struct shape *shape, struct slot *slot)
{
	for (uint32_t w = 0; w < shape->layout.n_words; w++)
		if (~shape->common[w].mask)
			return;
	__atomic_store_n(&shape->single, slot, __ATOMIC_RELEASE);
}

static uint64_t count_chains(const struct shape *shape)
{
	uint64_t n = 0;
	for (uint64_t i = 0; i <= shape->slots->mask; i++)
		n += chain_leaf(slot_at(shape->slots, shape->slot_size, i)->chain) != NULL;
	return n;
}

/* A new table without tombstones, at most half full with `more` further keys; readers see the old
 * one or the new one. */
static bool rebuild_slots(struct flt_table *table, struct shape *shape, uint32_t more)
{
	struct slots *old = shape->slots;
	uint64_t n = SLOTS_MIN, live = count_chains(shape) + more;
	while (n < 2 * live)
		n *= 2;
	struct slots *new = make_slots(table, n, shape->slot_size);
	if (!new)
		return false;
	uint32_t n_words = shape->layout.n_words;
	for (uint64_t i = 0; i <= old->mask; i++) {
		const struct slot *slot = slot_at(old, shape->slot_size, i);
		struct leaf *head = chain_leaf(slot->chain);
		if (head)
			fill_slot(shape, new,
			          find_slot(new, shape->slot_size, slot->words, n_words),
			          slot->words, head);
	}
	__atomic_store_n(&shape->single, NULL, __ATOMIC_RELEASE);
	__atomic_store_n(&shape->slots, new, __ATOMIC_RELEASE);
	retire(table, old, old->bytes);
	return true;
}

/* Room for n more keys: at most half of the slots are ever used. */
static bool reserve_slots(struct flt_table *table, struct shape *shape, uint32_t n)
{
	return 2 * (shape->slots->used + n) <= shape->slots->mask + 1 ||
	       rebuild_slots(table, shape, n);
}

/* --- shapes --- */

static void free_shape(void *memory)
{
	struct shape *shape = memory;
	if (shape->code)
		flt_platform.code_free((void *)(uintptr_t)shape->code, shape->code_size);
	flt_free(shape->slots);
	flt_free(shape);
}

/*
 * Chooses the quick bytes: the low half of a field of four bytes that is tested whole, else the
 * high half of one whose first half is; the last such field, since that of an address says the
 * most.
 */
static void choose_quick(struct shape *shape)
{
	uint32_t best = 0;
	shape->quick_offset = QUICK_NONE;
	for (uint32_t i = 0; i < shape->layout.n_fields; i++) {
		const struct shape_field *f = &shape->layout.fields[i];
		uint32_t low = f->mask == UINT32_MAX ? 2 : 0;
		if (f->base != FLT_BASE_FRAME || f->width != 4 || f->mask >> 16 != 0xffff ||
		    low < best)
			continue;
		best = low;
		shape->quick_offset = (uint16_t)(f->offset + low);
		shape->quick_word = f->word;
		shape->quick_shift = (uint8_t)(f->shift + 8 * low);
	}
}

static struct shape *make_shape(struct flt_table *table, const struct shape_layout *layout,
                                bool compile)
{
	struct shape *shape = table_alloc(table, sizeof(*shape));
	if (!shape)
		return NULL;
	shape->layout = *layout;
	choose_quick(shape);
	shape->slot_size = round_slot((uint32_t)sizeof(struct slot) + 8 * layout->n_words);
	shape->slots = make_slots(table, SLOTS_MIN, shape->slot_size);
	if (!shape->slots) {
		table->memory -= sizeof(*shape);
		flt_free(shape);
		return NULL;
	}
	if (compile && !flt_shape_compile(layout, &shape->code, &shape->code_size))
		table->code_bytes += (uint32_t)shape->code_size;
	return shape;
}

static void retire_shape(struct flt_table *table, struct shape *shape)
{
	table->memory -= sizeof(*shape) + shape->slots->bytes;
	table->code_bytes -= (uint32_t)shape->code_size;
	flt_platform.retire(shape, free_shape);
}

static void sort_shapes(struct view *view, struct shape *const *shapes)
{
	for (uint32_t i = 0; i < view->n; i++) {
		uint32_t j = i;
		for (; j && view->shapes[j - 1].best_rank < shapes[i]->best_rank; j--)
			view->shapes[j] = view->shapes[j - 1];
		view->shapes[j].shape = shapes[i];
		view->shapes[j].best_rank = shapes[i]->best_rank;
	}
}

/* Publishes the side's shapes, best first. */
static bool publish_view(struct flt_table *table, struct side *side)
{
	struct view *old = side->view, *view;
	uint32_t n = side->n_shapes, blocks = (n + BLOCK_SHAPES - 1) / BLOCK_SHAPES;
	size_t bytes = sizeof(*view) + n * sizeof(view->shapes[0]);
	size_t dispatch = n > 1 ? blocks * sizeof(struct dispatch) : 0;
	view = table_alloc(table, bytes + dispatch);
	if (!view)
		return false;
	view->n = n;
	view->bytes = bytes + dispatch;
	sort_shapes(view, side->shapes);
	view->blocks = dispatch ? (struct dispatch *)(void *)&view->shapes[n] : NULL;
	for (uint32_t i = 0; i < n && view->blocks; i += BLOCK_SHAPES)
		flt_dispatch_make(&view->blocks[i / BLOCK_SHAPES], &view->shapes[i],
		                  flt_min_u32(n - i, BLOCK_SHAPES));
	__atomic_store_n(&side->view, view, __ATOMIC_RELEASE);
	if (old)
		retire(table, old, old->bytes);
	return true;
}

static struct shape *find_shape(const struct side *side, const struct shape_layout *layout)
{
	for (uint32_t i = 0; i < side->n_shapes; i++)
		if (flt_shape_layout_equal(&side->shapes[i]->layout, layout))
			return side->shapes[i];
	return NULL;
}

static void drop_shape(struct flt_table *table, struct side *side, struct shape *shape)
{
	for (uint32_t i = 0; i < side->n_shapes; i++)
		if (side->shapes[i] == shape)
			side->shapes[i] = side->shapes[--side->n_shapes];
	/* Without memory for a new view the old one stays; the shape in it is empty, but must live.
	 */
	if (publish_view(table, side))
		retire_shape(table, shape);
	else
		side->shapes[side->n_shapes++] = shape;
}

/* The shape for a layout, made if need be. A new one is not published yet. */
static struct shape *get_shape(struct flt_table *table, struct side *side,
                               const struct shape_layout *layout, struct flt_error *error)
{
	struct shape *shape = find_shape(side, layout);
	if (shape)
		return shape;
	if (side->n_shapes == SHAPES_MAX) {
		flt_fail(error, FLT_E_LIMIT, -1, "more than %u different shapes of flows",
		         (uint32_t)SHAPES_MAX);
		return NULL;
	}
	shape = make_shape(table, layout, side->n_shapes < SHAPES_COMPILED_MAX);
	if (!shape) {
		no_memory(error);
		return NULL;
	}
	side->shapes[side->n_shapes++] = shape;
	return shape;
}

/* The published view's bits for a shape whose keys have less in common now. */
static void widen_dispatch(const struct side *side, const struct shape *shape)
{
	const struct view *view = side->view;
	for (uint32_t i = 0; i < view->n && view->blocks; i++)
		if (view->shapes[i].shape == shape)
			flt_dispatch_add(&view->blocks[i / BLOCK_SHAPES], shape, i % BLOCK_SHAPES);
}

static void begin_common(struct shape *shape, const uint64_t *words)
{
	for (uint32_t w = 0; w < shape->layout.n_words; w++)
		shape->common[w] = (struct common){UINT64_MAX, words[w]};
	shape->has_common = true;
}

/*
 * Narrows what all keys have in common, before the key becomes visible: first nobody takes it for
 * the only key any more. A shape without leaves begins anew: nobody finds anything there.
 */
static void narrow_common(const struct side *side, struct shape *shape, const uint64_t *words)
{
	bool narrowed = false;
	if (!shape->has_common)
		begin_common(shape, words);
	for (uint32_t w = 0; w < shape->layout.n_words; w++) {
		struct common *c = &shape->common[w];
		uint64_t mask = c->mask & ~(c->value ^ words[w]);
		if (mask == c->mask)
			continue;
		__atomic_store_n(&shape->single, NULL, __ATOMIC_RELEASE);
		__atomic_store_n(&c->mask, mask, __ATOMIC_RELEASE);
		narrowed = true;
	}
	if (narrowed)
		widen_dispatch(side, shape);
}

/* --- leaves --- */

static void link_leaf(struct shape *shape, struct leaf *leaf)
{
	uint32_t n_words = shape->layout.n_words;
	struct slot *slot = find_slot(shape->slots, shape->slot_size, leaf->words, n_words);
	struct leaf *head = chain_leaf(slot->chain), *before = NULL;
	shape->n_leaves++;
	__atomic_store_n(&shape->single, NULL, __ATOMIC_RELEASE);
	if (!slot->chain) {
		fill_slot(shape, shape->slots, slot, leaf->words, leaf);
		if (shape->n_leaves == 1)
			publish_single(shape, slot);
		return;
	}
	for (leaf->next = head; leaf->next && !leaf_before(leaf, leaf->next);
	     leaf->next = before->next)
		before = leaf->next;
	if (before)
		__atomic_store_n(&before->next, leaf, __ATOMIC_RELEASE);
	publish_chain(slot, before ? head : leaf);
}

static void unlink_leaf(struct shape *shape, struct leaf *leaf)
{
	struct slot *slot =
	        find_slot(shape->slots, shape->slot_size, leaf->words, shape->layout.n_words);
	struct leaf *head = chain_leaf(slot->chain), *before = head;
	shape->n_leaves--;
	__atomic_store_n(&shape->single, NULL, __ATOMIC_RELEASE);
	if (head == leaf) {
		publish_chain(slot, leaf->next);
		return;
	}
	while (before->next != leaf)
		before = before->next;
	__atomic_store_n(&before->next, leaf->next, __ATOMIC_RELEASE);
	publish_chain(slot, head);
}

static uint32_t leaf_size(const struct shape_split *split)
{
	return (uint32_t)sizeof(struct leaf) + 8 * split->layout.n_words +
	       split->n_residual * (uint32_t)sizeof(struct flt_term);
}

static struct leaf *last_leaf(struct flt_entry *entry)
{
	struct leaf *leaf = entry->first;
	for (uint32_t i = 0; i < entry->n_leaves; i++)
		leaf = leaf_next_of_entry(leaf);
	return leaf;
}

static void write_leaves(struct flt_entry *entry, const struct shape_split *split,
                         struct shape *shape, uint64_t rank)
{
	uint32_t n_words = split->layout.n_words;
	struct leaf *leaf = last_leaf(entry);
	for (uint32_t k = 0; k < split->n_keys; k++) {
		leaf->next = NULL;
		leaf->rank = rank;
		leaf->shape = shape;
		leaf->entry_offset = (uint32_t)((uint8_t *)leaf - (uint8_t *)entry);
		leaf->n_residual = (uint16_t)split->n_residual;
		leaf->size = (uint16_t)leaf_size(split);
		memcpy(leaf->words, split->keys[k], 8ul * n_words);
		memcpy(&leaf->words[n_words], split->residual,
		       split->n_residual * sizeof(struct flt_term));
		entry->n_leaves++;
		leaf = leaf_next_of_entry(leaf);
	}
}

/* --- entries --- */

static struct side *side_of(struct flt_table *table, uint32_t flags)
{
	return &table->sides[flags & FLT_TAP ? SIDE_TAP : SIDE_DECIDE];
}

/* Work space of an insert: too large for a stack. */
struct insertion {
	struct flt_table *table;
	struct side *side;
	const struct flt_entry_spec *spec;
	struct flt_error *error;
	struct flt_entry *entry;
	bool view_changed;
	uint32_t n_keys; /* of all conjunctions */
	struct shape_split split;
};

static int measure(struct insertion *in, uint32_t *size)
{
	*size = sizeof(struct flt_entry);
	for (uint32_t i = 0; i < in->spec->flow.n; i++) {
		flt_shape_split(&in->spec->flow.conjunctions[i], &in->split);
		*size += in->split.n_keys * leaf_size(&in->split);
		in->n_keys += in->split.n_keys;
	}
	return 0;
}

static void make_entry(struct insertion *in, uint32_t size)
{
	const struct flt_entry_spec *spec = in->spec;
	struct flt_entry *entry = table_alloc(in->table, size);
	in->entry = entry;
	if (!entry)
		return;
	entry->owner = spec->owner;
	entry->program = spec->program;
	entry->declined = spec->declined;
	entry->release = spec->release;
	entry->age = spec->age;
	entry->accept = spec->accept ? spec->accept : UINT32_MAX;
	entry->flags = spec->flags;
	entry->n_conjunctions = spec->flow.n;
	entry->size = size;
}

/* Prepares everything that can fail for one conjunction: shape, room for the keys, leaves. */
static int prepare_conjunction(struct insertion *in, const struct flt_conjunction *c)
{
	if (in->spec->flow.n > 1) /* else it is there from measuring */
		flt_shape_split(c, &in->split);
	uint64_t rank = (uint64_t)in->spec->priority << 32 | flt_conjunction_bits(c);
	struct shape *shape = get_shape(in->table, in->side, &in->split.layout, in->error);
	if (!shape)
		return FLT_E_LIMIT;
	if (!reserve_slots(in->table, shape, in->n_keys))
		return no_memory(in->error);
	if (!shape->n_leaves || rank > shape->best_rank) { /* a new one, or one that goes up */
		shape->best_rank = rank > shape->best_rank ? rank : shape->best_rank;
		in->view_changed = true;
	}
	if (!shape->has_common || rank < shape->worst_rank)
		__atomic_store_n(&shape->worst_rank, rank, __ATOMIC_RELEASE);
	for (uint32_t k = 0; k < in->split.n_keys; k++)
		narrow_common(in->side, shape, in->split.keys[k]);
	write_leaves(in->entry, &in->split, shape, rank);
	return 0;
}

static void drop_empty_shapes(struct flt_table *table, struct side *side)
{
	for (uint32_t i = side->n_shapes; i-- > 0;)
		if (!side->shapes[i]->n_leaves)
			drop_shape(table, side, side->shapes[i]);
}

static int prepare(struct insertion *in)
{
	uint32_t size;
	int code = measure(in, &size);
	if (!code)
		make_entry(in, size);
	if (!in->entry)
		return no_memory(in->error);
	for (uint32_t i = 0; i < in->spec->flow.n && !code; i++)
		code = prepare_conjunction(in, &in->spec->flow.conjunctions[i]);
	if (!code && in->view_changed && !publish_view(in->table, in->side))
		code = no_memory(in->error);
	if (code) {
		in->table->memory -= in->entry->size;
		flt_free(in->entry);
		drop_empty_shapes(in->table, in->side);
	}
	return code;
}

static void link_entry(struct insertion *in)
{
	struct leaf *leaf = in->entry->first;
	in->entry->sequence = in->table->sequence++;
	for (uint32_t i = 0; i < in->entry->n_leaves; i++) {
		link_leaf(leaf->shape, leaf);
		leaf = leaf_next_of_entry(leaf);
	}
	in->table->n_entries++;
	in->table->n_conjunctions += in->entry->n_conjunctions;
}

/* Between these the generation is odd: whoever sees something of the change sees that, too, or the
 * next generation, and keeps no verdict. */
static void begin_change(struct flt_table *table)
{
	for (struct flt_table *t = table; t; t = t->before)
		__atomic_store_n(&t->generation, t->generation + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

static void end_change(struct flt_table *table)
{
	for (struct flt_table *t = table; t; t = t->before)
		__atomic_store_n(&t->generation, t->generation + 1, __ATOMIC_RELEASE);
}

int flt_table_insert(struct flt_table *table, const struct flt_entry_spec *spec,
                     struct flt_entry **out, struct flt_error *error)
{
	*out = NULL;
	int code = flt_flow_validate(spec->flow, error);
	if (code)
		return code;
	struct insertion *in = flt_alloc_array(1, sizeof(*in));
	if (!in)
		return no_memory(error);
	in->table = table;
	in->side = side_of(table, spec->flags);
	in->spec = spec;
	in->error = error;
	begin_change(table);
	code = prepare(in);
	if (!code) {
		link_entry(in);
		*out = in->entry;
	}
	end_change(table);
	flt_free(in);
	return code;
}

static void release_entry(void *memory)
{
	struct flt_entry *entry = memory;
	if (entry->release)
		entry->release(entry->owner);
	flt_free(entry);
}

void flt_table_remove(struct flt_table *table, struct flt_entry *entry)
{
	struct side *side = side_of(table, entry->flags);
	struct leaf *leaf = entry->first;
	bool emptied = false;
	begin_change(table);
	for (uint32_t i = 0; i < entry->n_leaves; i++) {
		unlink_leaf(leaf->shape, leaf);
		emptied |= !leaf->shape->n_leaves;
		leaf = leaf_next_of_entry(leaf);
	}
	if (emptied)
		drop_empty_shapes(table, side);
	end_change(table);
	table->n_entries--;
	table->n_conjunctions -= entry->n_conjunctions;
	table->memory -= entry->size;
	flt_platform.retire(entry, release_entry);
}

/* --- tables --- */

int flt_table_create(struct flt_table **out, struct flt_error *error)
{
	struct flt_table *table = flt_alloc_array(1, sizeof(*table));
	*out = table;
	if (!table)
		return no_memory(error);
	table->memory = sizeof(*table);
	table->generation = 2;
	for (uint32_t i = 0; i < SIDES; i++) {
		if (!publish_view(table, &table->sides[i])) {
			flt_table_destroy(table);
			*out = NULL;
			return no_memory(error);
		}
	}
	return 0;
}

void flt_table_follow(struct flt_table *table, struct flt_table *before)
{
	table->before = before;
}

static void destroy_entry(struct flt_entry *entry)
{
	struct leaf *leaf = entry->first;
	for (uint32_t i = 0; i < entry->n_leaves; i++) {
		unlink_leaf(leaf->shape, leaf);
		leaf = leaf_next_of_entry(leaf);
	}
	flt_platform.retire(entry, release_entry);
}

static void destroy_entries(struct shape *shape)
{
	struct leaf *head;
	for (uint64_t i = 0; i <= shape->slots->mask; i++)
		while ((head = chain_leaf(slot_at(shape->slots, shape->slot_size, i)->chain)))
			destroy_entry(leaf_entry(head));
}

/* No reader is inside, so nothing is published any more. */
static void destroy_side(struct side *side)
{
	for (uint32_t s = 0; s < side->n_shapes; s++)
		destroy_entries(side->shapes[s]);
	for (uint32_t s = 0; s < side->n_shapes; s++)
		free_shape(side->shapes[s]);
	flt_free(side->view);
}

void flt_table_destroy(struct flt_table *table)
{
	for (uint32_t i = 0; i < SIDES; i++)
		destroy_side(&table->sides[i]);
	flt_free(table);
}

void flt_table_info(const struct flt_table *table, struct flt_table_info *info)
{
	*info = (struct flt_table_info){
	        .entries = table->n_entries,
	        .conjunctions = table->n_conjunctions,
	        .shapes = table->sides[SIDE_DECIDE].n_shapes + table->sides[SIDE_TAP].n_shapes,
	        .memory = table->memory,
	        .code_bytes = table->code_bytes,
	};
}
