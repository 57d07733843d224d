/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside the decision structure.
 *
 * A *shape* says which header bits some conjunctions test: a list of fields under masks. The values
 * they are compared with are a *key* in the shape's hash table, so that all conjunctions of one
 * shape are answered by one probe. The code that makes a frame's key is compiled once per shape.
 * What a key can't hold (negations, the exact ends of ranges, the frame's length) is *residual*:
 * terms that are checked behind the probe.
 *
 * A range of n values becomes one or two keys: the numbers are cut into aligned blocks of the
 * smallest power of two that is at least n, of which it touches at most two; the field's mask
 * leaves the block's number, and the ends are residual.
 *
 * A *leaf* is one key of one conjunction of one entry. Leaves with equal keys are chained, first in
 * the total order first. An entry and its leaves are one piece of memory.
 *
 * Deciding entries and taps live on two *sides* with tables of their own. Each side publishes a
 * *view*: its shapes, those whose best leaf ranks highest first, in blocks of 64. Cost must not be
 * the sum over the shapes; four things keep a frame from most of them:
 *
 *   - a block's *dispatch*: a few bytes of the frame (EtherType, protocol, version …), chosen so
 *     that they tell the block's shapes apart, each with a table of which shapes some key allows
 *     that byte for. The intersection is where the frame is looked up;
 *   - of each shape, two bytes of the frame that its keys hold whole (of an address, where there
 *     is one) are looked up in a bitmap of those that some key has, before its key is made;
 *   - a frame is not looked up in shapes that rank below what it already has;
 *   - each shape's keys are in a Bloom filter of one cache line per key, so that a miss seldom
 *     touches the hash table.
 *
 * A view of one shape needs none of them. A shape with one key needs no hash table either: what all
 * its keys have in common is that key.
 *
 * Readers take no lock. Everything they reach is published by a store with release order: views,
 * hash tables and chains. A slot of a hash table never changes its key; a key whose last leaf went
 * keeps its slot (its chain is the tombstone) until the table is rebuilt, so a reader never sees a
 * key beside another key's chain.
 */
#ifndef FLT_TABLE_INTERNAL_H
#define FLT_TABLE_INTERNAL_H

#include <flt/digest.h>
#include <flt/table.h>

#include "internal.h"

enum {
	SHAPE_WORDS_MAX = 8, /* 64-bit words of a key */
	SHAPES_MAX = 1024,   /* of one side */
	SHAPES_COMPILED_MAX = 256,
	BLOCK_SHAPES = 64,
	DISPATCH_BYTES_MAX = 6,
	QUICK_BYTES_MAX = 1 << 13, /* a bit for each value of two bytes */
	LEAVES_PER_CONJUNCTION_MAX = 4,
};

/* One field of a shape: bytes as they lie in the frame, under a mask in that order. */
struct shape_field {
	uint8_t base;
	uint8_t width;
	uint8_t word;  /* of the key it goes to; only if mask is not 0 */
	uint8_t shift; /* bits within the word */
	uint16_t offset;
	uint16_t msh;
	uint32_t mask; /* in network order, as a term has it; 0: the field must exist */
};

struct shape_layout {
	uint32_t n_fields;
	uint32_t n_words; /* at least 1 */
	struct shape_field fields[FLT_CONJUNCTION_TERMS_MAX];
};

/* A conjunction taken apart: its layout, its keys and what is left over. */
struct shape_split {
	struct shape_layout layout;
	uint32_t n_keys;
	uint64_t keys[LEAVES_PER_CONJUNCTION_MAX][SHAPE_WORDS_MAX];
	uint32_t n_residual;
	struct flt_term residual[2 * FLT_CONJUNCTION_TERMS_MAX];
};

/* A frame's key for a shape, as the first stage leaves it; n_words words follow. */
struct probe {
	uint64_t frame; /* its number in the burst */
	uint64_t words[];
};

/* Bits that all keys of a shape have in common: what differs there needs no probe. */
struct common {
	uint64_t mask;
	uint64_t value;
};

/* Writes the keys of the active frames that have all fields; returns the end of what it wrote. */
typedef struct probe *shape_code(const struct flt_frame *frames, const uint8_t *active, uint64_t n,
                                 struct probe *out, const struct common *common);

struct leaf {
	struct leaf *next; /* of its chain; readers */
	uint64_t rank;     /* priority << 32 | constrained bits */
	struct shape *shape;
	uint32_t entry_offset; /* back to its entry */
	uint16_t n_residual;
	uint16_t size;    /* bytes of the whole leaf */
	uint64_t words[]; /* the key; behind it the residual terms */
};

struct slots {
	uint64_t mask; /* slots - 1 */
	uint64_t used; /* slots with a key, tombstones too; writer */
	size_t bytes;
	uint8_t *memory; /* aligned to a cache line */
	uint64_t *bloom; /* a byte for each slot, in words; behind them */
	uint8_t *quick;  /* a bit for each value of the quick bytes, modulo its size; behind that */
	uint32_t quick_mask;
	uint8_t raw[];
};

struct shape {
	struct slots *slots; /* readers */
	struct slot *single; /* the only key's, while `common` is that key; readers */
	shape_code *code;    /* NULL: interpreted */
	size_t code_size;
	uint16_t quick_offset;           /* of two bytes of the frame; QUICK_NONE */
	uint8_t quick_word, quick_shift; /* where they stand in the key */
	uint32_t slot_size;
	uint32_t n_leaves;
	uint64_t best_rank;  /* at least that of every leaf */
	uint64_t worst_rank; /* at most that of every leaf; readers */
	bool has_common;
	struct shape_layout layout;
	struct common common[SHAPE_WORDS_MAX];
};

/* Which of 64 shapes a frame could match, by some of its bytes. Bits are only ever added. */
struct dispatch {
	uint32_t n;
	uint32_t least; /* bytes that a frame must have to be judged; a shorter one could match all
	                 */
	uint16_t offset[DISPATCH_BYTES_MAX];
	uint64_t shapes[DISPATCH_BYTES_MAX][256];
};

struct view_shape {
	struct shape *shape;
	uint64_t best_rank;
};

struct view {
	uint32_t n;
	struct dispatch *blocks; /* of each 64 shapes; NULL: there is only one shape */
	size_t bytes;
	struct view_shape shapes[];
};

struct side {
	struct view *view; /* readers */
	uint32_t n_shapes;
	struct shape *shapes[SHAPES_MAX]; /* writer */
};

/* What a lookup needs stands together with the first leaf, within a cache line where it can. */
struct flt_entry {
	void (*declined)(void *owner);
	void (*release)(void *owner);
	uint64_t sequence;
	uint32_t flags;
	uint32_t n_leaves;
	uint32_t n_conjunctions;
	uint32_t size;
	uint64_t age;
	void *owner;
	const struct flt_program *program;
	uint64_t accept;
	struct leaf first[]; /* leaves follow each other */
};

enum { SIDE_DECIDE, SIDE_TAP, SIDES };

struct flt_table {
	uint64_t generation;      /* atomic; odd while something changes */
	struct flt_table *before; /* whose generation counts changes of this one, too; or NULL */
	struct side sides[SIDES];
	uint64_t sequence;
	uint32_t n_entries;
	uint32_t n_conjunctions;
	uint32_t code_bytes;
	size_t memory;
};

/*
 * A slot of a hash table: a key, its chain, and the chain's owner. The chain's address carries a
 * tag where its only leaf decides by itself, for all bytes, without residual terms or a program:
 * `owner` is then all that a lookup needs. A key without leaves keeps its slot with the tag alone:
 * its tombstone.
 */
struct slot {
	uintptr_t chain; /* readers; 0: the slot is empty */
	void *owner;     /* only valid between two equal loads of a tagged chain */
	uint64_t words[];
};

enum { CHAIN_TAG = 1 };

static inline struct leaf *chain_leaf(uintptr_t chain)
{
	return (struct leaf *)(chain & ~(uintptr_t)CHAIN_TAG);
}

static inline struct flt_entry *leaf_entry(const struct leaf *leaf)
{
	return (struct flt_entry *)(void *)((uint8_t *)(uintptr_t)leaf - leaf->entry_offset);
}

static inline struct leaf *leaf_next_of_entry(const struct leaf *leaf)
{
	return (struct leaf *)(void *)((uint8_t *)(uintptr_t)leaf + leaf->size);
}

static inline const struct flt_term *leaf_residual(const struct leaf *leaf, uint32_t n_words)
{
	return (const struct flt_term *)(const void *)&leaf->words[n_words];
}

/* Whether a goes before b in the total order. */
static inline bool leaf_before(const struct leaf *a, const struct leaf *b)
{
	const struct flt_entry *x = leaf_entry(a), *y = leaf_entry(b);
	if (a->rank != b->rank)
		return a->rank > b->rank;
	return x->age != y->age ? x->age < y->age : x->sequence < y->sequence;
}

/* The Bloom filter's word for a hash, and two bits in it; the table's place is in the low bits. */
static inline uint64_t *bloom_word(const struct slots *slots, uint64_t hash)
{
	return &slots->bloom[(hash >> 26) & (slots->mask >> 3)];
}

static inline uint64_t bloom_bits(uint64_t hash)
{
	return 1ull << (hash >> 58) | 1ull << (hash >> 52 & 63);
}

enum { QUICK_NONE = UINT16_MAX };

/* Whether some key of the shape may have these two bytes (as loaded). */
static inline bool quick_has(const struct slots *slots, uint32_t bytes)
{
	uint32_t bit = bytes & slots->quick_mask;
	return __atomic_load_n(&slots->quick[bit / 8], __ATOMIC_RELAXED) >> (bit % 8) & 1;
}

/* A keyed hash of n words: 128-bit products, folded. */
static inline uint64_t key_hash(const uint64_t *words, uint32_t n)
{
	uint64_t h = flt_platform.hash_seed ^ 0x9e3779b97f4a7c15u;
	for (uint32_t i = 0; i < n; i += 2) {
		uint64_t a = words[i] ^ h;
		uint64_t b = (i + 1 < n ? words[i + 1] : 0) ^ 0xbf58476d1ce4e5b9u;
		unsigned __int128 product = (unsigned __int128)a * b;
		h = (uint64_t)product ^ (uint64_t)(product >> 64);
	}
	return h;
}

/* shape.c: takes a valid conjunction apart. */
void flt_shape_split(const struct flt_conjunction *conjunction, struct shape_split *split);
bool flt_shape_layout_equal(const struct shape_layout *a, const struct shape_layout *b);
/* shape.c: the first stage without compiled code. */
struct probe *flt_shape_interpret(const struct shape_layout *layout, const struct flt_frame *frames,
                                  const uint8_t *active, uint64_t n, struct probe *out,
                                  const struct common *common);
/* dispatch.c: fills in a block for n shapes, at most 64. */
void flt_dispatch_make(struct dispatch *dispatch, const struct view_shape *shapes, uint32_t n);
/* Adds what the shape's keys have in common now. */
void flt_dispatch_add(struct dispatch *dispatch, const struct shape *shape, uint32_t number);

/* classify.c: the frame's leaves in a shape, first in the total order first. */
const struct leaf *flt_shape_chain(const struct shape *shape, const struct flt_frame *frame);

/* shape_jit.c */
int flt_shape_compile(const struct shape_layout *layout, shape_code **code, size_t *size);

#endif
