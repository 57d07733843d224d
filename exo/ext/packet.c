/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running a packet handler, inside a poll. The handler sees the frame in the NIC's own buffer where
 * that is the only reference to it and lies in one piece; else a copy. What lies in the buffer
 * around the frame may be somebody else's: it is zeroed before the frame grows over it (flt's
 * helpers do that).
 *
 * Code that calls nothing is entered from the burst itself, with the frame alone; what is not an
 * answer like one before goes the long way then (answer.c). A burst's answers leave together.
 *
 * Own counters of a core: nobody else writes them.
 */
#include "../core/net_packet.h"

#include <rte_ether.h>

#include "handler.h"

/* ---- Running ---- */

/* A copy that is the handler's alone; NULL: there is no buffer, or the frame is larger than one. */
static struct rte_mbuf *copy_of(const struct net_packet *packet)
{
	struct rte_mbuf *mbuf = port_buffer(packet->port, packet->length);
	const void *from;
	void *to;

	if (!mbuf || mbuf->nb_segs > 1) {
		rte_pktmbuf_free(mbuf);
		return NULL;
	}
	to = rte_pktmbuf_mtod(mbuf, void *);
	from = rte_pktmbuf_read(packet->mbuf, 0, packet->length, to);
	if (from != to)
		memcpy(to, from, packet->length);
	return mbuf;
}

/* One run in EXO_EXT_SAMPLE, or each one that is interpreted. */
static __attribute__((noinline)) uint32_t enter_timed(struct net_quick *quick,
                                                      struct flt_xdp_buff *buff)
{
	const struct ext_handler *h = (const struct ext_handler *)quick->handler;
	struct ext_count *count = (struct ext_count *)quick;
	uint64_t begin = machine_tsc();
	uint32_t action = flt_program_run_xdp(h->program, buff);

	count->ticks += machine_tsc() - begin;
	count->timed++;
	quick->turns = quick->code ? EXO_EXT_SAMPLE - 1 : 0;
	return action;
}

/* Runs the handler on what lies in a buffer, whose data is filled in here. */
static inline __attribute__((always_inline)) uint32_t enter(struct net_quick *quick,
                                                            struct rte_mbuf *mbuf,
                                                            struct flt_xdp_buff *buff)
{
	uint8_t *const data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint8_t *const end = data + mbuf->data_len;
	uint32_t action;

	buff->data = buff->fresh = data;
	buff->data_end = end;
	buff->hard_start = mbuf->buf_addr;
	buff->hard_end = buff->hard_start + mbuf->buf_len;
	action = __builtin_expect(--quick->turns >= 0, 1) ? (uint32_t)quick->code(buff)
	                                                  : enter_timed(quick, buff);
	if (buff->data != data || buff->data_end != end) {
		mbuf->data_off = (uint16_t)(buff->data - buff->hard_start);
		mbuf->pkt_len = mbuf->data_len = (uint16_t)(buff->data_end - buff->data);
	}
	return action;
}

/* What a handler's result asks for, but for a plain answer. → whether the frame, as it now is, is
 * to be delivered. */
static __attribute__((noinline)) bool act(unsigned core, const struct ext_handler *h,
                                          struct ext_count *count, struct net_packet *packet,
                                          struct rte_mbuf *mbuf, uint32_t action,
                                          struct flt_xdp_buff *buff)
{
	if (action & EXO_HANDLER_WAKE) {
		count->woken++;
		env_post(h->env, UINT32_MAX, EXO_EVENT_HANDLER);
	}
	switch (action & EXO_HANDLER_ACTION) {
	case FLT_XDP_REDIRECT:
		flt_program_redirected(buff);
		ext_answer(core, h, count, packet, mbuf, buff->redirect_ifindex, action);
		return false;
	case FLT_XDP_TX:
		ext_answer(core, h, count, packet, mbuf, packet->port, action);
		return false;
	case FLT_XDP_PASS:
		count->passed++;
		packet->length = mbuf->pkt_len;
		return true;
	default:
		return false;
	}
}

static inline bool run_and_act(unsigned core, const struct ext_handler *h, struct ext_count *count,
                               struct net_packet *packet, struct rte_mbuf *mbuf)
{
	struct flt_xdp_buff buff = {.ingress_ifindex = packet->port};
	uint32_t action = enter(&count->quick, mbuf, &buff);

	count->runs++;
	if (action != FLT_XDP_TX)
		return act(core, h, count, packet, mbuf, action, &buff);
	ext_answer(core, h, count, packet, mbuf, packet->port, action);
	return false;
}

/* The handler gets a copy, since others have the frame, too, or it lies in pieces or elsewhere. */
static __attribute__((noinline)) bool run_on_copy(unsigned core, const struct ext_handler *h,
                                                  struct ext_count *count,
                                                  struct net_packet *packet)
{
	struct rte_mbuf *copy = ext_answer_room(core) ? copy_of(packet) : NULL;
	bool deliver;

	if (!copy) {
		count->lost++;
		return true; /* to its environment, as it came */
	}
	copy->ol_flags = packet->mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	deliver = run_and_act(core, h, count, packet, copy);
	if (deliver) /* what was made of it; who else holds the frame keeps it as it came */
		packet->mbuf = copy;
	ext_answer_spent(core, copy);
	return deliver;
}

bool ext_packet_run(struct net_handler *base, unsigned core, struct net_packet *packet)
{
	struct ext_handler *h = (struct ext_handler *)base;
	struct rte_mbuf *mbuf = packet->mbuf;
	struct ext_count *count = &h->counts[core];

	/* Bytes that lie elsewhere are a sender's own memory, or frames that change hands. */
	if (rte_mbuf_refcnt_read(mbuf) != 1 || mbuf->nb_segs != 1 || !RTE_MBUF_DIRECT(mbuf))
		return run_on_copy(core, h, count, packet);
	return run_and_act(core, h, count, packet, mbuf);
}

/* ---- Bursts ---- */

static __attribute__((noinline)) void lose(struct net_quick *quick, struct rte_mbuf *mbuf)
{
	struct ext_count *count = (struct ext_count *)quick;

	quick->answered--;
	count->runs++;
	count->lost++;
	rte_pktmbuf_free(mbuf);
}

static inline void send_answers(const struct net_queue *queue, struct rte_mbuf **mbufs,
                                struct net_quick *const of[], unsigned n)
{
	for (unsigned sent = queue->send(queue->sent, mbufs, (uint16_t)n); sent < n; sent++)
		lose(of[sent], mbufs[sent]);
}

_Static_assert(offsetof(struct ext_count, quick) == 0, "one is found by the other");

/* What is left to do where quick code did not answer, or not as it did before. Verdicts that are
 * kept are of whole frames: no program was asked. */
static __attribute__((noinline)) void finish_quick(const struct net_queue *queue,
                                                   const struct net_quick *quick,
                                                   struct rte_mbuf *mbuf, uint32_t action)
{
	struct ext_handler *h = (struct ext_handler *)quick->handler;
	struct flt_xdp_buff buff;
	struct net_packet packet;

	h->counts[queue->core].runs++;
	net_count_matched(quick->part, 1, mbuf->pkt_len);
	demux_describe(&packet, mbuf, queue->port);
	if (act(queue->core, h, &h->counts[queue->core], &packet, mbuf, action, &buff))
		demux_put(queue->core, &packet, quick->part->binding, UINT32_MAX);
	if (packet.own)
		port_free(&mbuf, 1);
	net_finish(queue->core); /* before what may be answered next */
}

/* Whether that verdict is also the next frame's, which is plain. */
static inline bool is_alike(const struct flt_verdict *verdict, const struct rte_mbuf *mbuf)
{
	return mbuf_is_plain(mbuf) &&
	       flt_cache_alike(verdict, rte_pktmbuf_mtod(mbuf, const uint8_t *), mbuf->pkt_len);
}

/* Lets quick code have a frame. → that code; NULL: there is none, or this run is one to be timed,
 * or one has to `search` for it; *verdict is then that of the frame, which is plain, or NULL. */
static inline __attribute__((always_inline)) struct net_quick *run_quick(
        struct net_queue *queue, uint64_t generation, const struct rte_mbuf *mbuf, bool search,
        const struct flt_verdict **verdict, uint32_t *action)
{
	uint8_t *data = rte_pktmbuf_mtod(mbuf, uint8_t *);
	uint32_t length = mbuf->pkt_len;
	const struct flt_verdict *found;
	struct net_quick *quick;

	*verdict = NULL;
	if (!mbuf_is_plain(mbuf))
		return NULL;
	found = search ? flt_cache_find(queue->cache, generation, data, length)
	               : flt_cache_last(queue->cache, generation, data, length);
	if (!found)
		return NULL;
	quick = net_quick_of(found);
	/* What is known of a frame that quick code gets asks for nothing when it leaves. */
	if (!quick || (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_BAD) || --quick->turns < 0) {
		__asm__("" : "+r"(found)); /* not to be worked out where it is of no use */
		*verdict = found;
		return NULL;
	}
	queue->buff.data = data;
	queue->buff.data_end = data + length;
	*action = (uint32_t)quick->code(&queue->buff);
	return quick;
}

/* Whether what quick code wants to send of the frame may leave: then it is an answer. */
static inline __attribute__((always_inline)) bool is_answer(const struct net_queue *queue,
                                                            struct net_quick *quick,
                                                            struct rte_mbuf *mbuf)
{
	const uint8_t *data = queue->buff.data;
	uint32_t length = mbuf->pkt_len;

	if (quick->from != queue || length - quick->guard.least > quick->more ||
	    !flt_brief_match(&quick->guard, data, 0) || loop_is_own(queue->mac, data))
		return false;
	mbuf->ol_flags = 0;
	quick->answered++;
	net_count_matched(quick->part, 1, length);
	return true;
}

/* Beside FLT_XDP_TX: a checksum is to be filled in. No handler's result means anything by it. */
enum { ACTION_OPEN = 1 << 16 };

/* Lets any handler have a plain frame, and so also one whose checksum was left open. → what
 * FLT_XDP_TX alone says asks for nothing when it leaves. */
static inline __attribute__((always_inline)) uint32_t run_here(struct net_queue *queue,
                                                               struct net_quick *quick,
                                                               struct rte_mbuf *mbuf)
{
	uint32_t action = enter(quick, mbuf, &queue->buff);

	if (action == FLT_XDP_PASS)
		return action;
	if (action == (FLT_XDP_TX | EXO_HANDLER_SUMMED)) {
		mbuf->ol_flags = 0;
		return FLT_XDP_TX;
	}
	if (action == FLT_XDP_TX && (mbuf->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_BAD))
		return FLT_XDP_TX | ACTION_OPEN;
	return action;
}

/* The handler wants nothing of it. */
static inline void drop(struct net_queue *queue, struct net_quick *quick, struct rte_mbuf *mbuf)
{
	((struct ext_count *)quick)->runs++;
	net_count_matched(quick->part, 1, mbuf->pkt_len);
	port_free_lone(queue, mbuf);
}

/* Frames on their way through handlers. */
struct round {
	struct net_queue *queue;
	unsigned n_answers, n_passed;
	struct rte_mbuf **answers;       /* at the front of the list */
	struct net_quick *of[NET_BURST]; /* whose they are */
	struct net_quick *passes;        /* whose all of these are */
	struct rte_mbuf *passed[NET_BURST];
};

/* The frame was passed on and delivered. */
static inline void count_passed(struct net_quick *quick, unsigned n)
{
	struct ext_count *count = (struct ext_count *)quick;

	count->runs += n;
	count->passed += n;
}

/* Delivers what is passed on, as far as that is easy. → how many. */
static inline unsigned give(struct round *round)
{
	struct net_binding_core *part = round->passes->part;
	unsigned n = round->n_passed;

	if (n > 1 || !ring_deliver_lone(round->queue, round->passed[0], part))
		n = demux_give(round->queue, round->passed, n, part);
	count_passed(round->passes, n);
	return n;
}

/* Before something else can be sent or delivered. */
static inline void flush(struct round *round)
{
	unsigned given;

	if (round->n_answers > 0)
		send_answers(round->queue, round->answers, round->of, round->n_answers);
	round->n_answers = 0;
	if (round->n_passed == 0)
		return;
	given = give(round);
	for (; given < round->n_passed; given++)
		finish_quick(round->queue, round->passes, round->passed[given], FLT_XDP_PASS);
	round->n_passed = 0;
}

/* What waits together. false: it does not. */
static inline __attribute__((always_inline)) bool keep(struct round *round, struct net_quick *quick,
                                                       struct rte_mbuf *mbuf, uint32_t action)
{
	if (__builtin_expect(action == FLT_XDP_TX && is_answer(round->queue, quick, mbuf), 1)) {
		round->answers[round->n_answers] = mbuf;
		round->of[round->n_answers++] = quick;
	} else if (action == FLT_XDP_PASS && (round->passes == quick || round->n_passed == 0)) {
		round->passes = quick;
		round->passed[round->n_passed++] = mbuf;
	} else if (action == FLT_XDP_DROP) {
		drop(round->queue, quick, mbuf);
	} else {
		return false;
	}
	return true;
}

/* What does not wait, behind what does. Verdicts may change. */
static __attribute__((noinline)) void leave(struct round *round, struct net_quick *quick,
                                            struct rte_mbuf **mbuf, uint32_t action)
{
	flush(round);
	finish_quick(round->queue, quick, *mbuf, action);
	round->answers = mbuf + 1;
}

/* Runs a handler on the first frame and on those in a row that are alike; `verdict`: theirs. →
 * behind them. */
static __attribute__((noinline)) struct rte_mbuf **run_alike(struct round *round,
                                                             struct net_quick *quick,
                                                             const struct flt_verdict *verdict,
                                                             struct rte_mbuf **mbufs,
                                                             struct rte_mbuf **end)
{
	struct net_queue *queue = round->queue;

	do {
		struct rte_mbuf *mbuf;
		uint32_t action;

		if (end - mbufs >= OUTDONE_LIKELY)
			mbufs += net_drop_outdone(quick->part, verdict, mbufs,
			                          (unsigned)(end - mbufs));
		mbuf = *mbufs;
		action = run_here(queue, quick, mbuf);
		if (!keep(round, quick, mbuf, action)) {
			leave(round, quick, mbufs, action);
			return mbufs + 1;
		}
	} while (++mbufs < end && is_alike(verdict, *mbufs));
	return mbufs;
}

/* Frames of handlers are answered in one go: those that leave like others before leave together,
 * and those that are passed on are delivered together. */
static __attribute__((noinline)) void answer_frames(struct net_queue *queue,
                                                    struct rte_mbuf **mbufs, unsigned n)
{
	uint64_t generation = flt_table_generation(queue->tables);
	struct rte_mbuf **end = mbufs + n;
	struct round round;

	round.queue = queue;
	round.answers = mbufs;
	round.n_answers = round.n_passed = 0;
	round.passes = NULL;
	while (mbufs < end) {
		const struct flt_verdict *verdict;
		struct net_quick *handled;
		uint32_t action;
		struct net_quick *quick =
		        run_quick(queue, generation, *mbufs, true, &verdict, &action);

		if (quick) {
			if (!keep(&round, quick, *mbufs, action))
				leave(&round, quick, mbufs, action);
			mbufs++;
		} else if (verdict && (handled = net_handled_by(verdict->owner))) {
			mbufs = run_alike(&round, handled, verdict, mbufs,
			                  net_quick_of(verdict) ? mbufs + 1 : end);
		} else {
			flush(&round);
			mbufs += demux_some(queue, mbufs, (unsigned)(end - mbufs), generation,
			                    verdict);
			round.answers = mbufs;
		}
	}
	flush(&round);
}

/* A lone frame of a handler whose code calls something. */
static __attribute__((noinline)) void answer_called(struct net_queue *queue,
                                                    struct net_quick *quick, struct rte_mbuf *mbuf)
{
	uint32_t action = run_here(queue, quick, mbuf);

	if (__builtin_expect(action == FLT_XDP_TX, 1) && is_answer(queue, quick, mbuf)) {
		if (__builtin_expect(queue->send(queue->sent, &mbuf, 1) == 0, 0))
			lose(quick, mbuf);
	} else if (action == FLT_XDP_DROP) {
		drop(queue, quick, mbuf);
	} else if (action == FLT_XDP_PASS && ring_deliver_lone(queue, mbuf, quick->part)) {
		count_passed(quick, 1);
	} else {
		finish_quick(queue, quick, mbuf, action);
	}
}

/* A lone frame that quick code did not take; NULL: it is like none before. */
static inline __attribute__((always_inline)) bool take_lone(struct net_queue *queue,
                                                            const struct flt_verdict *verdict,
                                                            struct rte_mbuf *mbuf)
{
	struct net_quick *quick;

	if (!verdict)
		return false;
	quick = net_handled_by(verdict->owner);
	if (!quick)
		return ring_deliver_lone(queue, mbuf, verdict->owner);
	answer_called(queue, quick, mbuf);
	return true;
}

/* The same for one frame, where all is as usual. */
static inline __attribute__((always_inline)) void answer_lone(struct net_queue *queue,
                                                              struct rte_mbuf **mbufs, unsigned one)
{
	uint64_t generation = flt_table_generation(queue->tables);
	const struct flt_verdict *verdict;
	struct net_quick *quick;
	uint32_t action;

	/* A name for who follows a machine from outside: a frame came. */
	__asm__ volatile(".globl net_poll.lone\nnet_poll.lone:");
	quick = run_quick(queue, generation, *mbufs, false, &verdict, &action);
	if (!quick) {
		if (!take_lone(queue, verdict, *mbufs))
			answer_frames(queue, mbufs, one);
	} else if (__builtin_expect(action != FLT_XDP_TX, 0))
		finish_quick(queue, quick, *mbufs, action);
	else if (__builtin_expect(!is_answer(queue, quick, *mbufs), 0))
		finish_quick(queue, quick, *mbufs, FLT_XDP_TX);
	else if (__builtin_expect(queue->send(queue->sent, mbufs, 1) == 0, 0))
		lose(quick, *mbufs);
}

/* The core's, but for frames that are answered where they came. */
unsigned net_poll(unsigned core, unsigned budget)
{
	return net_poll_by(core, budget, answer_lone, answer_frames);
}
