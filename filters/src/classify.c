/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The decision structure: the readers' side.
 *
 * A burst goes through the shapes one after another, best first, each frame only where it could
 * find something; within a shape all frames' keys are made, then all slots are fetched ahead, then
 * all are compared. What a frame has found so far is its best leaf. Programs are asked only at the
 * end, of the winner; where one declines, the frame goes through the shapes again by itself for the
 * leaf that comes next in the total order.
 */
#include <flt/flowset.h>

#include "table_internal.h"

enum {
	PROBE_BYTES_MAX = 8 + 8 * SHAPE_WORDS_MAX,
	CACHE_LINE = 64,
};

/* --- chains
 * ------------------------------------------------------------------------------------------------------
 */

static struct leaf *load_leaf(struct leaf *const *link)
{
	return __atomic_load_n(link, __ATOMIC_ACQUIRE);
}

static bool residual_holds(const struct leaf *leaf, uint32_t n_words, const struct flt_frame *frame)
{
	const struct flt_term *terms = leaf_residual(leaf, n_words);
	for (uint32_t i = 0; i < leaf->n_residual; i++)
		if (!flt_term_match(&terms[i], frame))
			return false;
	return true;
}

/* The first leaf of the chain from `leaf` on whose residual terms hold. */
static const struct leaf *first_match(const struct leaf *leaf, uint32_t n_words,
                                      const struct flt_frame *frame)
{
	while (leaf && leaf->n_residual && !residual_holds(leaf, n_words, frame))
		leaf = load_leaf(&leaf->next);
	return leaf;
}

static inline bool same_key(const uint64_t *a, const uint64_t *b, uint32_t n)
{
	uint64_t differ = 0;
	for (uint32_t i = 0; i < n; i++)
		differ |= a[i] ^ b[i];
	return !differ;
}

/*
 * The chain behind a slot. *owner is the answer where the chain's only leaf decides by itself, else
 * NULL.
 */
static inline const struct leaf *read_slot(const struct slot *slot, uintptr_t chain, void **owner)
{
	*owner = NULL;
	if (chain & CHAIN_TAG) {
		void *known = __atomic_load_n(&slot->owner, __ATOMIC_ACQUIRE);
		if (__atomic_load_n(&slot->chain, __ATOMIC_RELAXED) == chain)
			*owner = known;
	}
	return chain_leaf(chain);
}

/* The chain of a key, or NULL; *owner as above. */
static inline const struct leaf *find_chain(const struct slots *slots, uint32_t slot_size,
                                            const uint64_t *words, uint32_t n_words, uint64_t i,
                                            void **owner)
{
	*owner = NULL;
	for (;; i = (i + 1) & slots->mask) {
		const struct slot *slot =
		        (const struct slot *)(const void *)(slots->memory + i * slot_size);
		uintptr_t chain = __atomic_load_n(&slot->chain, __ATOMIC_ACQUIRE);
		if (!chain)
			return NULL;
		if (!same_key(slot->words, words, n_words))
			continue;
		return read_slot(slot, chain, owner);
	}
}

/* --- a burst
 * -------------------------------------------------------------------------------------------------------
 */

struct burst {
	const struct flt_frame *frames;
	uint32_t n;
	const struct leaf *best[FLT_TABLE_BURST_MAX];
	void *owner[FLT_TABLE_BURST_MAX];   /* of best, where that is the whole answer; else NULL */
	uint64_t rank[FLT_TABLE_BURST_MAX]; /* of best */
	struct flt_verdict *sole;           /* with one shape an owner is the verdict; else NULL */
	uint32_t n_best;                    /* frames that were given a best leaf, at least */
	const uint8_t *choice;              /* the frames to look up: all, or active */
	uint8_t active[FLT_TABLE_BURST_MAX];
	uint8_t counts[BLOCK_SHAPES];
	uint8_t lists[BLOCK_SHAPES][FLT_TABLE_BURST_MAX]; /* frames for each shape of a block */
	uint64_t position[FLT_TABLE_BURST_MAX];
	const uint64_t *kept[FLT_TABLE_BURST_MAX]; /* probes that the Bloom filter lets pass */
	const struct leaf *chains[FLT_TABLE_BURST_MAX];
	uint64_t probes[FLT_TABLE_BURST_MAX * PROBE_BYTES_MAX / 8];
};

static uint32_t make_probes(struct burst *b, const struct shape *shape, uint32_t n_active)
{
	struct probe *first = (struct probe *)(void *)b->probes;
	struct probe *end =
	        shape->code ? shape->code(b->frames, b->choice, n_active, first, shape->common)
	                    : flt_shape_interpret(&shape->layout, b->frames, b->choice, n_active,
	                                          first, shape->common);
	return (uint32_t)(((uint64_t *)end - b->probes) / (1 + shape->layout.n_words));
}

/* A leaf's rank, without touching it where all of the shape's rank alike. Whoever sees the leaf
 * sees the worst rank that it made. */
static uint64_t rank_of(const struct view_shape *vs, const struct leaf *leaf)
{
	uint64_t worst = __atomic_load_n(&vs->shape->worst_rank, __ATOMIC_RELAXED);
	return worst == vs->best_rank ? worst : leaf->rank;
}

/* The frame's best leaf so far may have met its better. */
static inline void consider(struct burst *b, const struct view_shape *vs, uint64_t frame,
                            const struct leaf *leaf, void *owner, uint32_t n_words)
{
	if (!owner)
		leaf = first_match(leaf, n_words, &b->frames[frame]);
	if (!leaf)
		return;
	uint64_t rank = rank_of(vs, leaf);
	if (b->best[frame] && (rank < b->rank[frame] ||
	                       (rank == b->rank[frame] && !leaf_before(leaf, b->best[frame]))))
		return;
	b->best[frame] = leaf;
	b->owner[frame] = owner;
	b->rank[frame] = rank;
	b->n_best++;
}

static inline void found(struct burst *b, const struct view_shape *vs, uint64_t frame,
                         const struct leaf *leaf, void *owner, uint32_t n_words)
{
	if (owner && b->sole)
		b->sole[frame] = (struct flt_verdict){owner, UINT32_MAX, 1};
	else if (leaf)
		consider(b, vs, frame, leaf, owner, n_words);
}

/* Hashes the keys and fetches what will be looked at; those that the Bloom filter knows not to be
 * there go. */
static inline __attribute__((always_inline)) uint32_t look_ahead(struct burst *b,
                                                                 const struct slots *slots,
                                                                 uint32_t n, uint32_t n_words,
                                                                 uint32_t slot_size)
{
	const uint64_t *probe = b->probes;
	uint32_t kept = 0;
	for (uint32_t i = 0; i < n; i++, probe += 1 + n_words) {
		uint64_t hash = key_hash(probe + 1, n_words), position = hash & slots->mask;
		b->kept[kept] = probe;
		b->position[kept] = position;
		if (b->sole) {
			kept++;
		} else {
			uint64_t bits = bloom_bits(hash);
			uint64_t word = __atomic_load_n(bloom_word(slots, hash), __ATOMIC_RELAXED);
			if ((word & bits) != bits)
				continue;
			kept++;
		}
		__builtin_prefetch(slots->memory + position * slot_size);
	}
	return kept;
}

/* Compares the keys with the table; n_words is a constant where it is inlined. */
static inline __attribute__((always_inline)) void look_up(struct burst *b,
                                                          const struct view_shape *vs, uint32_t n,
                                                          uint32_t n_words, uint32_t slot_size)
{
	const struct slots *slots = __atomic_load_n(&vs->shape->slots, __ATOMIC_ACQUIRE);
	uint32_t n_chains = 0;
	n = look_ahead(b, slots, n, n_words, slot_size);
	for (uint32_t i = 0; i < n; i++) {
		const uint64_t *probe = b->kept[i];
		void *owner;
		const struct leaf *leaf =
		        find_chain(slots, slot_size, probe + 1, n_words, b->position[i], &owner);
		if (owner) {
			found(b, vs, probe[0], leaf, owner, n_words);
		} else if (leaf) {
			__builtin_prefetch(leaf);
			__builtin_prefetch((const uint8_t *)leaf + CACHE_LINE);
			b->chains[n_chains] = leaf;
			b->kept[n_chains++] = probe;
		}
	}
	for (uint32_t i = 0; i < n_chains; i++)
		found(b, vs, b->kept[i][0], b->chains[i], NULL, n_words);
}

/* Every frame that has the only key gets what is there. */
static void take_single(struct burst *b, const struct view_shape *vs, uint32_t n,
                        const struct slot *slot)
{
	uint32_t n_words = vs->shape->layout.n_words;
	const uint64_t *probe = b->probes;
	void *owner;
	const struct leaf *leaf =
	        read_slot(slot, __atomic_load_n(&slot->chain, __ATOMIC_ACQUIRE), &owner);
	for (uint32_t i = 0; i < n; i++, probe += 1 + n_words)
		found(b, vs, probe[0], leaf, owner, n_words);
}

static void visit_shape(struct burst *b, const struct view_shape *vs, uint32_t n_active)
{
	const struct shape *shape = vs->shape;
	const struct slot *single = __atomic_load_n(&shape->single, __ATOMIC_ACQUIRE);
	uint32_t n = make_probes(b, shape, n_active);
	/* Named before and after: then nothing has changed what the keys have in common between. */
	if (single && __atomic_load_n(&shape->single, __ATOMIC_ACQUIRE) == single) {
		take_single(b, vs, n, single);
		return;
	}
	switch (shape->layout.n_words) {
	case 1:
		look_up(b, vs, n, 1, 32);
		return;
	case 2:
		look_up(b, vs, n, 2, 32);
		return;
	case 3:
		look_up(b, vs, n, 3, 64);
		return;
	default:
		look_up(b, vs, n, shape->layout.n_words, shape->slot_size);
	}
}

static const uint8_t all_frames[FLT_TABLE_BURST_MAX] = {
        0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21,
        22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
        44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63};

/* The block's shapes that the frame could match. */
static uint64_t candidates(const struct dispatch *d, const struct flt_frame *frame)
{
	uint64_t shapes = UINT64_MAX;
	if (frame->len < d->least)
		return shapes;
	for (uint32_t k = 0; k < d->n; k++)
		shapes &=
		        __atomic_load_n(&d->shapes[k][frame->data[d->offset[k]]], __ATOMIC_RELAXED);
	return shapes;
}

/* Whether a key of the shape may have the frame's quick bytes. */
static inline bool is_quick(const struct shape *shape, const struct flt_frame *frame)
{
	uint32_t at = shape->quick_offset;
	uint16_t bytes;
	if (at == QUICK_NONE || frame->len < at + sizeof(bytes))
		return true;
	__builtin_memcpy(&bytes, frame->data + at, sizeof(bytes));
	return quick_has(__atomic_load_n(&shape->slots, __ATOMIC_ACQUIRE), bytes);
}

/* Puts each frame on the lists of the shapes that it could match. */
static void distribute(struct burst *b, const struct dispatch *d, const struct view_shape *vs,
                       uint64_t shapes)
{
	for (uint32_t i = 0; i < b->n; i++)
		for (uint64_t left = candidates(d, &b->frames[i]) & shapes; left;
		     left &= left - 1) {
			uint32_t s = (uint32_t)__builtin_ctzll(left);
			b->lists[s][b->counts[s]] = (uint8_t)i;
			b->counts[s] += is_quick(vs[s].shape, &b->frames[i]);
		}
}

/* Of a shape's list, the frames that could still find something better there. */
static uint32_t choose_active(struct burst *b, uint32_t s, uint64_t best_rank)
{
	uint32_t n = 0;
	b->choice = b->lists[s];
	if (!b->n_best)
		return b->counts[s];
	b->choice = b->active;
	for (uint32_t k = 0; k < b->counts[s]; k++) {
		uint8_t i = b->lists[s][k];
		b->active[n] = i;
		n += !b->best[i] || b->rank[i] <= best_rank;
	}
	return n;
}

static void visit_block(struct burst *b, const struct dispatch *d, const struct view_shape *shapes,
                        uint32_t n_shapes)
{
	for (uint32_t s = 0; s < n_shapes; s++)
		b->counts[s] = 0;
	distribute(b, d, shapes, n_shapes == BLOCK_SHAPES ? UINT64_MAX : (1ull << n_shapes) - 1);
	for (uint32_t s = 0; s < n_shapes; s++) {
		uint32_t n = choose_active(b, s, shapes[s].best_rank);
		if (n)
			visit_shape(b, &shapes[s], n);
	}
}

static void visit_shapes(struct burst *b, const struct view *view)
{
	b->choice = all_frames;
	if (view->n == 1)
		visit_shape(b, &view->shapes[0], b->n);
	for (uint32_t s = 0; view->blocks && s < view->n; s += BLOCK_SHAPES)
		visit_block(b, &view->blocks[s / BLOCK_SHAPES], &view->shapes[s],
		            flt_min_u32(view->n - s, BLOCK_SHAPES));
}

/* --- one frame, leaf after leaf
 * -------------------------------------------------------------------------------------- */

const struct leaf *flt_shape_chain(const struct shape *shape, const struct flt_frame *frame)
{
	uint64_t words[1 + SHAPE_WORDS_MAX];
	static const uint8_t active = 0;
	struct probe *probe = (struct probe *)(void *)words;
	if (flt_shape_interpret(&shape->layout, frame, &active, 1, probe, shape->common) == probe)
		return NULL;
	uint32_t n_words = shape->layout.n_words;
	const struct slots *slots = __atomic_load_n(&shape->slots, __ATOMIC_ACQUIRE);
	void *owner;
	return find_chain(slots, shape->slot_size, words + 1, n_words,
	                  key_hash(words + 1, n_words) & slots->mask, &owner);
}

/* Whether the frame satisfies a leaf. */
static bool leaf_holds(const struct leaf *leaf, const struct flt_frame *frame)
{
	const struct shape *shape = leaf->shape;
	uint64_t words[1 + SHAPE_WORDS_MAX];
	static const uint8_t active = 0;
	static const struct common none[SHAPE_WORDS_MAX];
	struct probe *probe = (struct probe *)(void *)words;
	uint32_t n_words = shape->layout.n_words;
	if (flt_shape_interpret(&shape->layout, frame, &active, 1, probe, none) == probe)
		return false;
	return same_key(words + 1, leaf->words, n_words) && residual_holds(leaf, n_words, frame);
}

/* Of an entry's leaves that hold for a frame, the first in the order speaks for it. */
static bool speaks_for_entry(const struct leaf *leaf, const struct flt_frame *frame)
{
	const struct flt_entry *entry = leaf_entry(leaf);
	const struct leaf *other = entry->first;
	for (uint32_t i = 0; i < entry->n_leaves; i++, other = leaf_next_of_entry(other)) {
		if (other == leaf)
			continue;
		if ((other->rank > leaf->rank || (other->rank == leaf->rank && other < leaf)) &&
		    leaf_holds(other, frame))
			return false;
	}
	return true;
}

/* The leaf that comes first behind `after` (NULL: first of all). */
static const struct leaf *next_leaf(const struct view *view, const struct flt_frame *frame,
                                    const struct leaf *after)
{
	const struct leaf *best = NULL;
	for (uint32_t s = 0; s < view->n; s++) {
		const struct shape *shape = view->shapes[s].shape;
		if (best && best->rank > view->shapes[s].best_rank)
			break;
		const struct leaf *leaf = flt_shape_chain(shape, frame);
		while (leaf && after && (leaf == after || !leaf_before(after, leaf)))
			leaf = load_leaf(&leaf->next);
		for (; leaf; leaf = load_leaf(&leaf->next)) {
			leaf = first_match(leaf, shape->layout.n_words, frame);
			if (!leaf || (best && !leaf_before(leaf, best)))
				break;
			if (speaks_for_entry(leaf, frame)) {
				best = leaf;
				break;
			}
		}
	}
	return best;
}

static uint32_t ask(const struct flt_entry *entry, const struct flt_frame *frame)
{
	return entry->program ? flt_program_run(entry->program, frame) : (uint32_t)entry->accept;
}

/* The same for a frame on its way; the owner hears of a refusal. */
static uint32_t ask_and_tell(const struct flt_entry *entry, const struct flt_frame *frame)
{
	uint32_t accept = ask(entry, frame);
	if (!accept && entry->declined)
		entry->declined(entry->owner);
	return accept;
}

/* --- deciding
 * ----------------------------------------------------------------------------------------------------------
 */

/* From a frame's best leaf on, the first whose program (if it has one) accepts. */
static struct flt_verdict settle(const struct view *view, const struct flt_frame *frame,
                                 const struct leaf *leaf)
{
	for (; leaf; leaf = next_leaf(view, frame, leaf)) {
		const struct flt_entry *entry = leaf_entry(leaf);
		uint32_t accept = ask_and_tell(entry, frame);
		if (accept)
			return (struct flt_verdict){entry->owner, accept, 0};
	}
	return (struct flt_verdict){NULL, 0, 0};
}

/* The verdict for a frame that has a best leaf. */
static struct flt_verdict verdict_of(const struct burst *b, const struct view *view, uint32_t i)
{
	const struct flt_entry *entry;
	if (b->owner[i])
		return (struct flt_verdict){b->owner[i], UINT32_MAX, 1};
	entry = leaf_entry(b->best[i]);
	if (flt_likely(!entry->program))
		return (struct flt_verdict){entry->owner, (uint32_t)entry->accept, 1};
	return settle(view, &b->frames[i], b->best[i]);
}

static void decide(const struct view *view, const struct flt_frame *frames, uint32_t n,
                   struct flt_verdict *verdicts)
{
	struct burst b;
	b.frames = frames;
	b.n = n;
	b.n_best = 0;
	b.sole = view->n == 1 ? verdicts : NULL;
	for (uint32_t i = 0; i < n; i++) { /* a call costs more than a short burst's few stores */
		b.best[i] = NULL;
		verdicts[i] = (struct flt_verdict){NULL, 0, 1};
	}
	visit_shapes(&b, view);
	for (uint32_t i = 0; b.n_best && i < n; i++)
		if (b.best[i])
			verdicts[i] = verdict_of(&b, view, i);
}

/* --- taps
 * --------------------------------------------------------------------------------------------------------------
 */

static void tell_taps(const struct view *view, const struct flt_frame *frame, uint32_t index,
                      const struct flt_tap_sink *taps)
{
	for (uint32_t s = 0; s < view->n; s++) {
		const struct shape *shape = view->shapes[s].shape;
		const struct leaf *leaf = flt_shape_chain(shape, frame);
		for (; leaf; leaf = load_leaf(&leaf->next)) {
			leaf = first_match(leaf, shape->layout.n_words, frame);
			if (!leaf)
				break;
			if (!speaks_for_entry(leaf, frame))
				continue;
			const struct flt_entry *entry = leaf_entry(leaf);
			uint32_t accept = ask_and_tell(entry, frame);
			if (accept)
				taps->matched(taps->arg, index, entry->owner, accept);
		}
	}
}

static const struct view *load_view(const struct flt_table *table, uint32_t side)
{
	return __atomic_load_n(&table->sides[side].view, __ATOMIC_ACQUIRE);
}

void flt_table_classify(const struct flt_table *table, const struct flt_frame *frames, uint32_t n,
                        struct flt_verdict *verdicts, const struct flt_tap_sink *taps)
{
	const struct view *view = load_view(table, SIDE_TAP);
	decide(load_view(table, SIDE_DECIDE), frames, n, verdicts);
	if (taps && view->n)
		for (uint32_t i = 0; i < n; i++)
			tell_taps(view, &frames[i], i, taps);
}

/* --- everything that matches
 * --------------------------------------------------------------------------------------------- */

void flt_table_match_all(const struct flt_table *table, const struct flt_frame *frame,
                         int (*visit)(void *arg, void *owner, uint32_t bits, uint32_t accept),
                         void *arg)
{
	const struct view *views[SIDES] = {load_view(table, SIDE_DECIDE),
	                                   load_view(table, SIDE_TAP)};
	const struct leaf *next[SIDES];
	for (uint32_t s = 0; s < SIDES; s++)
		next[s] = next_leaf(views[s], frame, NULL);
	while (next[SIDE_DECIDE] || next[SIDE_TAP]) {
		uint32_t s = !next[SIDE_DECIDE] ||
		             (next[SIDE_TAP] && leaf_before(next[SIDE_TAP], next[SIDE_DECIDE]));
		const struct leaf *leaf = next[s];
		uint32_t accept = ask(leaf_entry(leaf), frame);
		if (accept && visit(arg, leaf_entry(leaf)->owner, (uint32_t)leaf->rank, accept))
			return;
		next[s] = next_leaf(views[s], frame, leaf);
	}
}
