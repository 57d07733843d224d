/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in front of libos-tcp at both edges of a connection's life, where the stack has nothing to
 * decide: SYN is answered and remembered, its acknowledgement noted, and where all has been said,
 * what is left to hear is heard:
 *
 *     SYN                      → SYN, ACK; a record, with all that the options agree on
 *     the ACK of that          → nothing, where the peer speaks first
 *     the ACK of our last byte → nothing
 *     their FIN behind that    → ACK
 *
 * The stack makes the connection of the record when the first data comes, for half the trips into
 * its environment. It is the stack that says what is (handlers/edge.h): a SYN for endpoints that it
 * may have to do with is its own, as is whatever looks in any way unusual here, or where a record
 * is another's. It looks after records once a second for two seconds after a SYN came to it, and
 * takes those that are old, for answers that were lost are to be sent again: so a SYN in each
 * second is passed on to it.
 *
 * Initial sequence numbers are the stack's own (RFC 6528). What an environment could do with wrong
 * rules it can do with packets of its own.
 */
#include "../include/handlers/edge.h"
#include "tcp.h"

struct edge_rules rules SEC(".data.rules") = {.can = 0};
struct edge_counts counts SEC(".bss.counts");
__u64 passed SEC(".bss.passed"); /* when a SYN was last passed on; 0: never */
/* For each line: bare acknowledgements that are looked at; who has sent more has a long connection,
 * whose end is the stack's to hear. */
__u8 young[EDGE_LINES] SEC(".bss.young");

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(max_entries, EDGE_FRAMES);
} arena SEC(".maps");

enum {
	SECOND = 1000000000,
	SCALE_MAX = 14,
	YOUNG = 8,
	AT_LINES = EDGE_PLACES,
	AT_HEARD = sizeof(struct edge_asked),
	AT_CLOSING = 64,
	AT_CLOSED = AT_CLOSING + sizeof(struct edge_closing),
	STAMPED = HEADER_BYTES + 12,
	TIMESTAMPS = 0x0101080a, /* RFC 7323, appendix A */
};

/* A segment with nothing but a header, in the machine's byte order but for who sent it. */
struct segment {
	__u64 peer;
	__u32 sequence, ack, header;
};

/* What is in a line of one that ends. */
struct end {
	struct edge_closing closing;
	struct edge_closed closed;
};

/* What a SYN offers, as far as we can do that, too. */
struct offer {
	__u32 mss, scale, stamp, flags;
};

static __always_inline int count(__u64 *counter, int action)
{
	__sync_fetch_and_add(counter, 1);
	return action;
}

static __always_inline int pass(void)
{
	return count(&counts.passed, XDP_PASS);
}

static __always_inline __u64 place_of(__u64 peer)
{
	return peer * rules.spread >> EDGE_PLACE_SHIFT;
}

static __always_inline __u64 number_of(__u64 peer)
{
	return peer * rules.spread >> EDGE_LINE_SHIFT & (EDGE_LINES - 1);
}

static __always_inline __u64 line_of(__u64 peer)
{
	return AT_LINES + number_of(peer) * sizeof(struct edge_line);
}

static __always_inline const struct edge_door *find_door(__u16 *w)
{
	for (__u32 i = 0; i < EDGE_DOORS && w[W_L4 + 1] && w[W_L4]; i++) /* ports are no 0 */
		if (rules.doors[i].port == w[W_L4 + 1])
			return &rules.doors[i];
	return 0;
}

/* ---- In ---- */

static __always_inline __u64 sum_of_ends(__u16 *w)
{
	return (__u64)*long_at(w, W_SOURCE) + *long_at(w, W_TARGET);
}

/* Both checksums are right; or TCP's covers the pseudo-header alone, as hosts leave it to a NIC
 * that was never there. */
static __always_inline int is_right(struct xdp_md *context, __u16 *w, const struct segment *s)
{
	__u32 n = s->header;
	__u64 ends = sum_of_ends(w), pseudo = ends + bpf_htons(TCP) + bpf_htons((__u16)n);
	__u64 ip = ends + *long_at(w, W_IP) + *long_at(w, W_IP + 2) + *long_at(w, W_IP + 4);
	if (fold_64(ip) != 0xffff)
		return 0;
	return w[T_SUM] == fold_64(pseudo) ||
	       fold_64(pseudo + (__u64)exo_sum(context, AT_TCP, n)) == 0xffff;
}

/* An address that is some host's (RFC 1122, 3.2.1.3), and a frame that is for this one. */
static __always_inline int is_between_hosts(__u16 *w)
{
	__u32 first = *(__u8 *)(w + W_SOURCE);
	const __u16 *mac = (const __u16 *)rules.mac;
	return first != 0 && first != 127 && first < 224 && w[0] == mac[0] && w[1] == mac[1] &&
	       w[2] == mac[2];
}

/* The options of a SYN in the layouts that hosts use, word by word. 0: another one. */
static __always_inline int take_options(__u16 *w, const __u16 *end, __u32 header, struct offer *o)
{
	for (__u32 at = HEADER_BYTES; at < 60 && at < header; at += 4) {
		__u32 *option = (__u32 *)((__u8 *)w + AT_TCP + at), word;
		if ((__u8 *)(option + 1) > (__u8 *)end)
			return 0;
		word = bpf_ntohl(*option);
		if (word >> 16 == 0x0204) {
			o->mss = word & 0xffff;
		} else if (word >> 8 == 0x010303) {
			o->scale = (word & 0xff) < SCALE_MAX ? word & 0xff : SCALE_MAX;
			o->flags |= EDGE_SCALING;
		} else if (word == 0x0402080a || word == TIMESTAMPS) {
			if ((__u8 *)(option + 3) > (__u8 *)end)
				return 0;
			o->stamp = bpf_ntohl(option[1]);
			o->flags |=
			        word == TIMESTAMPS ? EDGE_TIMESTAMPS : EDGE_TIMESTAMPS | EDGE_SACK;
			at += 8;
		} else if (word == 0x01010402) {
			o->flags |= EDGE_SACK;
		} else {
			return 0;
		}
	}
	o->flags &= rules.can;
	return 1;
}

/* The timestamp of a segment that is no SYN. 0: it has other options than it should. */
static __always_inline int take_stamp(__u16 *w, const __u16 *end, const struct segment *s,
                                      __u32 stamped, __u32 *stamp)
{
	*stamp = 0;
	if (!stamped)
		return s->header == HEADER_BYTES;
	if (s->header != STAMPED || w + T_OPTIONS + 6 > end ||
	    *long_at(w, T_OPTIONS) != bpf_htonl(TIMESTAMPS))
		return 0;
	*stamp = bpf_ntohl(*long_at(w, T_OPTIONS + 2));
	return 1;
}

/* ---- Out ---- */

/* Turns the frame around, which has the right size already and no payload: `rest` is the sum of
 * what stands behind its first 20 bytes of TCP header. → an action. */
static __always_inline int say(struct xdp_md *context, __u32 flags, __u32 sequence, __u32 ack,
                               __u32 window, __u32 header, __u64 rest)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u64 ends, sum;
	__u32 two;
	__u16 port;
	if (w + T_OPTIONS > end)
		return XDP_DROP;
	swap_ethernet(w);
	ends = sum_of_ends(w);
	w[W_IP] = bpf_htons(0x4500);
	w[W_LENGTH] = bpf_htons((__u16)(20 + header));
	*long_at(w, W_LENGTH + 1) = bpf_htonl(0x4000); /* don't fragment: the number is free */
	w[W_TTL] = bpf_htons(64 << 8 | TCP);
	w[W_IP_SUM] = (__u16)~fold_64(ends + w[W_IP] + w[W_LENGTH] + w[W_FRAGMENT] + w[W_TTL]);
	two = *long_at(w, W_SOURCE);
	*long_at(w, W_SOURCE) = *long_at(w, W_TARGET);
	*long_at(w, W_TARGET) = two;
	port = w[W_L4];
	w[W_L4] = w[W_L4 + 1];
	w[W_L4 + 1] = port;
	*long_at(w, T_SEQUENCE) = bpf_htonl(sequence);
	*long_at(w, T_ACK) = bpf_htonl(ack);
	w[T_FLAGS] = bpf_htons((__u16)(header >> 2 << 12 | flags));
	w[T_WINDOW] = bpf_htons((__u16)window);
	w[T_URGENT] = 0;
	sum = ends + rest + *long_at(w, W_L4) + *long_at(w, T_SEQUENCE) + *long_at(w, T_ACK) +
	      *long_at(w, T_FLAGS) + bpf_htons(TCP) + bpf_htons((__u16)header);
	w[T_SUM] = (__u16)~fold_64(sum);
	return XDP_TX | SUMMED;
}

static __always_inline int fits(struct xdp_md *context, __u32 header)
{
	return frame_bytes(context) == AT_TCP + header || !fit(context, header, 0);
}

static __always_inline __u32 milliseconds(__u64 now)
{
	return (__u32)(now / 1000000);
}

/* NOP NOP timestamps; → 1, and their sum is added. */
static __always_inline int put_stamps(struct xdp_md *context, __u32 first, __u32 value, __u32 echo,
                                      __u32 at, __u64 *rest)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	if (w + at + 6 > end)
		return 0;
	*long_at(w, at) = bpf_htonl(first);
	*long_at(w, at + 2) = bpf_htonl(value);
	*long_at(w, at + 4) = bpf_htonl(echo);
	*rest += (__u64)*long_at(w, at) + *long_at(w, at + 2) + *long_at(w, at + 4);
	return 1;
}

/* ---- Beginning ---- */

/* SipHash-2-4 of the endpoints, as the stack has them: local address and the other, then ports. */
static __always_inline __u64 hash_ends(__u16 *w)
{
	struct flt_sip s = flt_sip_begin(rules.key);
	flt_sip_take(&s, 2, *long_at(w, W_TARGET) | (__u64)*long_at(w, W_SOURCE) << 32);
	flt_sip_take(&s, 2, bpf_ntohs(w[W_L4 + 1]) | (__u32)bpf_ntohs(w[W_L4]) << 16 | 12ull << 56);
	return flt_sip_end(&s, 4);
}

/* The SYN is new. */
static __always_inline void remember(struct edge_asked *a, __u16 *w, const struct segment *s,
                                     const struct offer *o, const struct edge_door *door, __u64 now)
{
	__u64 hash = hash_ends(w);
	__u32 stamped = o->flags & EDGE_TIMESTAMPS;
	a->peer = s->peer;
	a->irs = s->sequence;
	a->iss = (__u32)hash + (__u32)(now >> 6);
	a->stamp = o->stamp;
	a->offset = (__u32)(hash >> 32);
	a->us = (__u32)(now / 1000);
	a->mss = (__u16)o->mss;
	a->window = bpf_ntohs(w[T_WINDOW]);
	a->own_window = door->window[stamped];
	a->scale = (__u8)o->scale;
	a->own_scale = (__u8)(o->flags | (o->flags & EDGE_SCALING ? door->scale[stamped] << 4 : 0));
	a->check = edge_check(a);
}

static __always_inline int write_options(struct xdp_md *context, const struct edge_asked *a,
                                         __u32 mss, __u32 value, __u64 *rest)
{
	__u32 flags = a->own_scale & 15, *option;
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	if (w + T_OPTIONS + 2 > end)
		return 0;
	option = long_at(w, T_OPTIONS);
	*option = bpf_htonl(2 << 24 | 4 << 16 | mss);
	*rest += *option++;
	if (flags & EDGE_TIMESTAMPS) {
		if (!put_stamps(context, flags & EDGE_SACK ? 0x0402080a : TIMESTAMPS, value,
		                a->stamp, T_OPTIONS + 2, rest))
			return 0;
		option += 3;
	} else if (flags & EDGE_SACK) {
		if (option + 1 > (__u32 *)end)
			return 0;
		*option = bpf_htonl(0x01010402);
		*rest += *option++;
	}
	if (!(flags & EDGE_SCALING))
		return 1;
	if (option + 1 > (__u32 *)end)
		return 0;
	*option = bpf_htonl(1 << 24 | 3 << 16 | 3 << 8 | a->own_scale >> 4);
	*rest += *option;
	return 1;
}

static __always_inline __u32 options_bytes(__u32 flags)
{
	return 4u +
	       (flags & EDGE_TIMESTAMPS ? 12
	        : flags & EDGE_SACK     ? 4
	                                : 0) +
	       (flags & EDGE_SCALING ? 4 : 0);
}

static __always_inline int answer_syn(struct xdp_md *context, const struct edge_asked *a, __u32 mss,
                                      __u64 now)
{
	__u32 header = HEADER_BYTES + options_bytes(a->own_scale & 15);
	__u64 rest = 0;
	if (!fits(context, header) ||
	    !write_options(context, a, mss, milliseconds(now) + a->offset, &rest))
		return XDP_DROP;
	return count(&counts.asked,
	             say(context, SYN | ACK, a->iss, a->irs + 1, a->own_window, header, rest));
}

/* Whether the stack may have something to do with who sends it. */
static __always_inline int is_held(__u64 peer)
{
	__u8 held = 1;
	return exo_arena_read(&arena, place_of(peer), &held, 1) || held;
}

static __always_inline int on_syn(struct xdp_md *context, const struct segment *s,
                                  const struct edge_door *door)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct offer offer = {.mss = 0};
	struct edge_asked a;
	__u64 now, line = line_of(s->peer);
	__u32 mss = door->mss;
	if (w + T_OPTIONS > end || !is_between_hosts(w) ||
	    !take_options(w, end, s->header, &offer) || is_held(s->peer) ||
	    exo_arena_read(&arena, line, &a, sizeof a) || !is_right(context, w, s))
		return pass();
	now = bpf_ktime_get_ns();
	if (!passed || now - passed >= SECOND) {
		passed = now;
		return pass();
	}
	if (a.peer == 0) {
		remember(&a, w, s, &offer, door, now);
		if (exo_arena_write(&arena, line, &a, sizeof a))
			return pass();
		young[number_of(s->peer)] = YOUNG;
	} else if (a.peer != s->peer || a.irs != s->sequence || a.stamp != offer.stamp ||
	           a.check != edge_check(&a)) {
		return pass();
	}
	return answer_syn(context, &a, mss, now);
}

/* The acknowledgement of our SYN. Whether the record is whole the stack sees. */
static __always_inline int on_opened(struct xdp_md *context, const struct segment *s,
                                     const struct edge_asked *a, struct edge_heard *h)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 stamp, first = h->iss != a->iss;
	if (w + T_OPTIONS > end || s->sequence != a->irs + 1 || s->ack != a->iss + 1 ||
	    !take_stamp(w, end, s, a->own_scale & EDGE_TIMESTAMPS, &stamp) ||
	    (__s32)(stamp - (first ? a->stamp : h->stamp)) < 0 || !is_right(context, w, s))
		return pass();
	if (first)
		h->us = (__u32)(bpf_ktime_get_ns() / 1000);
	h->iss = a->iss;
	h->stamp = stamp;
	h->window = bpf_ntohs(w[T_WINDOW]);
	h->unused = 0;
	if (exo_arena_write(&arena, line_of(s->peer) + AT_HEARD, h, sizeof *h))
		return pass();
	return count(&counts.heard, XDP_DROP);
}

/* ---- End ---- */

static __always_inline int answer_fin(struct xdp_md *context, const struct segment *s,
                                      const struct edge_closing *c, __u32 stamp)
{
	__u64 rest = 0, now = bpf_ktime_get_ns();
	if (!fits(context, s->header) ||
	    (s->header == STAMPED && !put_stamps(context, TIMESTAMPS, milliseconds(now) + c->offset,
	                                         stamp, T_OPTIONS, &rest)))
		return XDP_DROP;
	return count(&counts.ended,
	             say(context, ACK, c->ours, c->theirs + 1, c->window, s->header, rest));
}

/* What acknowledges all of ours, with or without their end. */
static __always_inline int on_closing(struct xdp_md *context, const struct segment *s,
                                      struct end *e, __u32 fin)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct edge_closing *c = &e->closing;
	__u32 stamp;
	if (w + T_OPTIONS > end || c->peer != s->peer || s->sequence != c->theirs ||
	    s->ack != c->ours || !take_stamp(w, end, s, c->flags & EDGE_TIMESTAMPS, &stamp) ||
	    (__s32)(stamp - c->stamp) < 0 || !is_right(context, w, s))
		return pass();
	e->closed.news =
	        (e->closed.tag == c->tag ? e->closed.news : 0) | (fin ? EDGE_ENDED : EDGE_ACKED);
	e->closed.tag = c->tag;
	e->closed.stamp = stamp;
	e->closed.unused = 0;
	if (exo_arena_write(&arena, line_of(s->peer) + AT_CLOSED, &e->closed, sizeof e->closed))
		return pass();
	return fin ? answer_fin(context, s, c, stamp) : count(&counts.heard, XDP_DROP);
}

/* ---- All together ---- */

static __always_inline int on_fin(struct xdp_md *context, const struct segment *s)
{
	struct end e;
	if (exo_arena_read(&arena, line_of(s->peer) + AT_CLOSING, &e, sizeof e))
		return pass();
	return on_closing(context, s, &e, 1);
}

static __always_inline int on_ack(struct xdp_md *context, const struct segment *s,
                                  const struct edge_door *door)
{
	struct {
		struct edge_asked asked;
		struct edge_heard heard;
		__u64 unused;
		struct end end;
	} line;
	if (exo_arena_read(&arena, line_of(s->peer), &line, sizeof line))
		return pass();
	if (line.asked.peer != s->peer)
		return on_closing(context, s, &line.end, 0);
	return door->peer_first ? on_opened(context, s, &line.asked, &line.heard) : pass();
}

/* Of a connection that has sent more than short ones do: the first question, for these are most of
 * what comes. */
static __always_inline int is_long(__u64 peer)
{
	__u8 *left = &young[number_of(peer)];
	if (!*left)
		return 1;
	--*left;
	return 0;
}

SEC("xdp")
int edge(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	const struct edge_door *door;
	struct segment s;
	__u32 flags;
	if (w + T_OPTIONS > end)
		return XDP_PASS;
	flags = *((__u8 *)(w + T_FLAGS) + 1);
	if (flags != ACK && flags != SYN && (flags & ~PSH) != (FIN | ACK))
		return XDP_PASS;
	s.peer = edge_peer(*long_at(w, W_SOURCE), *long_at(w, W_L4));
	if (flags == ACK && is_long(s.peer))
		return XDP_PASS;
	if (!is_segment(w, end) || *long_at(w, W_TARGET) != rules.address ||
	    segment_bytes(w) != 0 || frame_bytes(context) < 14 + bpf_ntohs(w[W_LENGTH]))
		return XDP_PASS;
	door = find_door(w);
	if (!door)
		return XDP_PASS;
	s.sequence = bpf_ntohl(*long_at(w, T_SEQUENCE));
	s.ack = bpf_ntohl(*long_at(w, T_ACK));
	s.header = (__u32)header_bytes(w);
	if (flags == SYN)
		return on_syn(context, &s, door);
	return flags == ACK ? on_ack(context, &s, door) : on_fin(context, &s);
}

char _license[] SEC("license") = "Dual BSD/GPL";
