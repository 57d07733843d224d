/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that the next one outdoes (exo/ring.h) are left out before anybody looks at them: a sender
 * of long answers gets hundreds of acknowledgements for each, a burst of which says what its last
 * one says.
 *
 * Who wrote the rules learns nothing from what is left out but what its own frames say: those
 * behind the first are compared in all bits that its verdict depends on, so they are its own, too,
 * or nothing is left out; and no byte behind a frame is looked at.
 */
#include "net_packet.h"

/* 16 bytes of a frame; so many can be read behind it as it takes: buffers are longer. */
typedef uint64_t piece __attribute__((vector_size(16), aligned(1), may_alias));

enum { PIECES = EXO_OUTDONE_BYTES / sizeof(piece) };

static inline piece piece_at(const uint8_t *bytes, size_t i)
{
	return *(const piece *)(const void *)(bytes + i * sizeof(piece));
}

/* What frames are compared with: in registers, where one after the other is. */
struct model {
	piece bits[PIECES], mask[PIECES];
};

static inline __attribute__((always_inline)) struct model make_model(const uint8_t *bits,
                                                                     const uint8_t *mask)
{
	struct model model;

#pragma GCC unroll 5
	for (size_t i = 0; i < PIECES; i++) {
		model.bits[i] = piece_at(bits, i);
		model.mask[i] = piece_at(mask, i);
	}
	return model;
}

/* Whether bytes are the same under the mask. */
static inline __attribute__((always_inline)) bool agree(const struct model *model,
                                                        const uint8_t *bytes)
{
	piece differ = {0};

#pragma GCC unroll 5
	for (size_t i = 0; i < PIECES; i++)
		differ |= (piece_at(bytes, i) ^ model->bits[i]) & model->mask[i];
	return (differ[0] | differ[1]) == 0;
}

_Static_assert(EXO_OUTDONE_BYTES == PIECES * sizeof(piece) &&
                       (int)EXO_OUTDONE_BYTES >= (int)FLT_DIGEST_BYTES,
               "a frame is compared as a whole, and so is what verdicts depend on");

static inline uint32_t load_32(const uint8_t *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return __builtin_bswap32(word);
}

/* How many of the n frames are outdone, from the first on, by a rule for frames of its length. */
static unsigned count(const struct exo_outdone *rule, struct rte_mbuf *const *mbufs, unsigned n)
{
	const uint8_t *const first = rte_pktmbuf_mtod(mbufs[0], const uint8_t *);
	const struct model model = make_model(first, rule->same);
	const uint32_t length = mbufs[0]->pkt_len, at = rule->number;
	const uint64_t told = mbufs[0]->ol_flags;
	uint32_t number = load_32(first + at);
	unsigned i = 1;

	for (; i < n; i++) {
		const uint8_t *next = rte_pktmbuf_mtod(mbufs[i], const uint8_t *);
		uint32_t higher;

		if (mbufs[i]->pkt_len != length || mbufs[i]->ol_flags != told ||
		    !mbuf_is_plain(mbufs[i]) || !agree(&model, next))
			break;
		higher = load_32(next + at);
		if ((int32_t)(higher - number) <= 0)
			break;
		number = higher;
	}
	return i - 1;
}

static bool is_about(const struct exo_outdone *rule, const struct rte_mbuf *mbuf)
{
	struct model model;

	if (mbuf->pkt_len < rule->least || mbuf->pkt_len > rule->most)
		return false;
	model = make_model(rule->value, rule->mask);
	return agree(&model, rte_pktmbuf_mtod(mbuf, const uint8_t *));
}

/* The rule for a frame; NULL: there is none. */
static const struct exo_outdone *find_rule(const struct net_outdone *outdone,
                                           const struct rte_mbuf *mbuf)
{
	for (uint32_t i = 0; i < outdone->n; i++)
		if (is_about(&outdone->rules[i], mbuf))
			return &outdone->rules[i];
	return NULL;
}

/* Frames of one length, which belong to the part. */
static void leave_out(struct net_binding_core *part, struct rte_mbuf **mbufs, unsigned n)
{
	struct net_ring *ring = part->ring;
	uint32_t left_out = __atomic_load_n(&ring->left_out, __ATOMIC_RELAXED);

	if (__atomic_load_n(&ring->response->tail, __ATOMIC_RELAXED) == ring->response_head)
		left_out = 0;
	__atomic_store_n(&ring->left_out, left_out + n, __ATOMIC_RELAXED);
	net_count_matched(part, n, (uint64_t)n * mbufs[0]->pkt_len);
	part->counters->outdone_packets += n;
	port_free_plain(mbufs, n);
}

unsigned outdone_drop(struct net_binding_core *part, const struct net_outdone *outdone,
                      const struct flt_verdict *verdict, struct rte_mbuf **mbufs, unsigned n)
{
	const struct exo_outdone *rule =
	        mbuf_is_plain(mbufs[0]) ? find_rule(outdone, mbufs[0]) : NULL;
	unsigned left;

	if (!rule || (verdict && !flt_cache_follows(verdict, rule->same)))
		return 0;
	left = count(rule, mbufs, n);
	if (left > 0)
		leave_out(part, mbufs, left);
	return left;
}
