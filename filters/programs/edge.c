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
 * Where a line is another's and the stack has no place for half-open connections either, SYN is
 * answered with the stack's own cookie, of MSS alone, and nothing is remembered (RFC 4987).
 *
 * Initial sequence numbers are the stack's own (RFC 6528). What an environment could do with wrong
 * rules it can do with packets of its own.
 */
#include "../include/handlers/edge.h"
#include "tcp.h"

struct edge_arena arena SEC(".bss.arena");
struct edge_rules rules SEC(".data.rules") = {.can = 0};
struct edge_counts counts SEC(".bss.counts");
__u64 passed SEC(".bss.passed"); /* when a SYN was last passed on; 0: never */

enum {
	SECOND = 1000000000,
	/* Bare acknowledgements that are looked at; who has sent more has a long connection, whose
	   end is the stack's to hear. */
	YOUNG = 8,
	STAMPED = HEADER_BYTES + 12,
};

_Static_assert(EDGE_TIMESTAMPS == OPTION_STAMPS && EDGE_SACK == OPTION_SACK &&
                       EDGE_SCALING == OPTION_SCALE,
               "what is seen is what can be");

/* What is read once, and what is written before or after other things: the arena's other writers
 * are on other cores, whose processors see stores in order. */
#define ONCE(place) (*(volatile __typeof__(place) *)&(place))
#define ORDER()     asm volatile("" ::: "memory")

/* Of whom a segment is, and where that is kept. */
struct sender {
	__u64 peer;
	__u64 mixed;
	struct edge_line *line;
};

static __always_inline int count(__u64 *counter, int action)
{
	__sync_fetch_and_add(counter, 1);
	return action;
}

/* What is the stack's: no action. It is counted where all ways meet. */
enum { PASS };

static __always_inline struct sender find_sender(__u32 source, __u32 ports)
{
	struct sender from = {.peer = edge_peer(source, ports)};
	from.mixed = from.peer * rules.spread;
	from.line = &arena.lines[from.mixed >> EDGE_LINE_SHIFT];
	STAY(from.line);
	return from;
}

/* NULL: that port is not open. */
static __always_inline const struct edge_door *find_door(__u32 ports)
{
	const struct edge_door *door;
	__u16 ours = (__u16)(ports >> 16);
	__u64 i = 0;
	while (i < EDGE_DOORS && rules.doors[i].port != ours)
		i++;
	if (i == EDGE_DOORS || !ours || !(__u16)ports) /* ports are no 0 */
		return 0;
	FORGET(i, ports);
	door = &rules.doors[i & (EDGE_DOORS - 1)];
	STAY(door);
	return door;
}

/* ---- In ---- */

/* The IP header's checksum is right, too. */
static __always_inline int is_whole(struct xdp_md *context, const struct segment *s)
{
	return is_sum(halves(*quad_at(s->w, W_IP)) + halves(*quad_at(s->w, W_TTL)) +
	              (s->ends >> 32)) &&
	       is_right(context, s);
}

/* The timestamp of a segment that is no SYN. 0: it has other options than it should. */
static __always_inline int take_stamp(const struct segment *s, __u32 stamped, __u32 *stamp)
{
	__u32 *option = (__u32 *)(s->w + T_OPTIONS);
	*stamp = 0;
	if (!stamped)
		return s->header == HEADER_BYTES;
	if (s->header != STAMPED || (__u8 *)(option + 3) > s->end)
		return 0;
	STAY(option);
	*stamp = bpf_ntohl(option[1]);
	return option[0] == bpf_htonl(WORD_STAMPS);
}

/* ---- Out ---- */

static __always_inline __u32 milliseconds(__u64 now)
{
	return (__u32)(now / 1000000);
}

/* Turns the frame around; then it has its size. → an action. */
static __always_inline int say(struct xdp_md *context, const struct segment *s, __u32 flags,
                               __u32 window, __u64 numbers, __u32 header, __u64 rest)
{
	__u64 from = *quad_at(s->w, 0) << 16 >> 16 | (__u64)bpf_htons(0x0800) << 48;
	turn(s, from, bpf_htons((__u16)flags) | bpf_htonl(window), numbers, header, 0, rest);
	if (s->end - (__u8 *)s->w != AT_TCP + header && fit(context, header, 0))
		return XDP_DROP;
	return XDP_TX | SUMMED;
}

/* NOP NOP timestamps; → 1, and their sum is added. */
static __always_inline int put_stamps(const struct segment *s, __u32 first, __u32 value, __u32 echo,
                                      __u32 at, __u64 *rest)
{
	__u32 *option = (__u32 *)(s->w + at), own = bpf_htonl(value), theirs = bpf_htonl(echo);
	if ((__u8 *)(option + 3) > s->end)
		return 0;
	STAY(option);
	option[0] = bpf_htonl(first);
	option[1] = own;
	option[2] = theirs;
	*rest += (__u64)bpf_htonl(first) + own + theirs;
	return 1;
}

/* ---- Beginning ---- */

/* SipHash-2-4 of the endpoints, as the stack has them: local address and the other, then ports. */
static __always_inline __u64 hash_ends(const struct segment *s)
{
	struct flt_sip sip = flt_sip_begin(rules.key);
	flt_sip_take(&sip, 2, s->ends >> 32 | s->ends << 32);
	flt_sip_take(&sip, 2, (__u32)bpf_ntohl(s->ports) | 12ull << 56);
	return flt_sip_end(&sip, 4);
}

/* The SYN is new. Whose it is is said last. */
static __always_inline void remember(struct edge_line *line, const struct segment *s, __u64 peer,
                                     const struct options *o, const struct edge_door *door,
                                     __u64 now)
{
	__u64 hash = hash_ends(s);
	__u32 flags = o->seen & rules.can, stamped = flags & EDGE_TIMESTAMPS;
	struct edge_asked a = {
	        .peer = peer,
	        .irs = first_of(s->numbers),
	        .iss = (__u32)hash + (__u32)(now >> 6),
	        .stamp = o->stamp,
	        .offset = (__u32)(hash >> 32),
	        .us = (__u32)(now / 1000),
	        .mss = (__u16)o->mss,
	        .window = bpf_ntohs((__u16)(s->rest >> 16)),
	        .own_window = door->window[stamped],
	        .scale = (__u8)o->scale,
	        .own_scale = (__u8)(flags | (flags & EDGE_SCALING ? door->scale[stamped] << 4 : 0)),
	};
	a.check = edge_check(&a);
	a.peer = 0;
	line->asked = a;
	ORDER();
	ONCE(line->asked.peer) = peer;
}

static __always_inline __u32 size_word(__u32 mss)
{
	return bpf_htonl(WORD_SIZE << 16 | mss);
}

static __always_inline __u32 scale_word(const struct edge_asked *a)
{
	return bpf_htonl(WORD_SCALE << 8 | a->own_scale >> 4);
}

/* All that there is. */
static __always_inline int put_all(const struct segment *s, const struct edge_asked *a, __u32 mss,
                                   __u32 value, __u64 *rest)
{
	__u32 *option = (__u32 *)(s->w + T_OPTIONS), size = size_word(mss), scale = scale_word(a);
	__u32 own = bpf_htonl(value), theirs = bpf_htonl(a->stamp);
	if ((__u8 *)(option + 5) > s->end)
		return 0;
	STAY(option);
	option[0] = size;
	option[1] = bpf_htonl(WORD_SACK_STAMPS);
	option[2] = own;
	option[3] = theirs;
	option[4] = scale;
	*rest = (__u64)size + bpf_htonl(WORD_SACK_STAMPS) + own + theirs + scale;
	return 1;
}

static __always_inline int write_options(const struct segment *s, const struct edge_asked *a,
                                         __u32 mss, __u32 value, __u64 *rest)
{
	__u32 flags = a->own_scale & 15, *option = (__u32 *)(s->w + T_OPTIONS);
	if (flags == (EDGE_TIMESTAMPS | EDGE_SACK | EDGE_SCALING))
		return put_all(s, a, mss, value, rest);
	if ((__u8 *)(option + 1) > s->end)
		return 0;
	*option = size_word(mss);
	*rest += *option++;
	if (flags & EDGE_TIMESTAMPS) {
		if (!put_stamps(s, flags & EDGE_SACK ? WORD_SACK_STAMPS : WORD_STAMPS, value,
		                a->stamp, T_OPTIONS + 2, rest))
			return 0;
		option += 3;
	} else if (flags & EDGE_SACK) {
		if ((__u8 *)(option + 1) > s->end)
			return 0;
		*option = bpf_htonl(WORD_SACK);
		*rest += *option++;
	}
	if (!(flags & EDGE_SCALING))
		return 1;
	if ((__u8 *)(option + 1) > s->end)
		return 0;
	*option = scale_word(a);
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

/* Makes room for the header where the frame has too little. 0: there is none. */
static __always_inline int stretch(struct xdp_md *context, struct segment *s, __u32 header)
{
	if (s->end - (__u8 *)s->w >= AT_TCP + header)
		return 1;
	if (fit(context, header, 0))
		return 0;
	s->w = (void *)(long)context->data;
	s->end = (void *)(long)context->data_end;
	return (__u8 *)(s->w + T_OPTIONS) <= s->end;
}

static __always_inline int answer_syn(struct xdp_md *context, struct segment *s,
                                      const struct edge_asked *a, __u32 mss, __u64 now)
{
	__u32 header = HEADER_BYTES + options_bytes(a->own_scale & 15);
	__u64 rest = 0;
	if (!stretch(context, s, header) ||
	    !write_options(s, a, mss, milliseconds(now) + a->offset, &rest))
		return XDP_DROP;
	return count(&counts.asked, say(context, s, SYN | ACK, a->own_window,
	                                pair(a->iss, a->irs + 1), header, rest));
}

/* Whether the record, which is the peer's, is of this SYN, too. */
static __always_inline int is_again(const struct edge_asked *asked, const struct segment *s,
                                    const struct options *o, __u64 peer)
{
	struct edge_asked a = *asked;
	return a.peer == peer && a.irs == first_of(s->numbers) && a.stamp == o->stamp &&
	       a.check == edge_check(&a);
}

/* As cookie_make has it, without timestamps to say more. */
static __always_inline __u32 cookie(const struct segment *s, __u32 mss, __u64 now)
{
	__u32 period = milliseconds(now) / EDGE_COOKIE_PERIOD_MS;
	__u32 index = edge_cookie_index(mss ? mss : 536), ports = bpf_ntohl(s->ports);
	struct flt_sip sip = flt_sip_begin(rules.cookie_key);
	flt_sip_take(&sip, 2, s->ends >> 32 | s->ends << 32);
	flt_sip_take(&sip, 2, (__u32)(ports << 16 | ports >> 16) | 4ull << 32);
	flt_sip_take(&sip, 2, (__u64)first_of(s->numbers) << 32 | period << 3 | index);
	flt_sip_take(&sip, 2, 24ull << 56);
	return edge_cookie(period, index, (__u32)flt_sip_end(&sip, 4));
}

static __always_inline int answer_cookie(struct xdp_md *context, struct segment *s,
                                         const struct options *o, const struct edge_door *door,
                                         __u64 now)
{
	__u32 size = size_word(door->mss), *option;
	__u64 numbers = pair(cookie(s, o->mss, now), first_of(s->numbers) + 1);
	if (!stretch(context, s, HEADER_BYTES + 4))
		return XDP_DROP;
	option = (__u32 *)(s->w + T_OPTIONS);
	if ((__u8 *)(option + 1) > s->end)
		return XDP_DROP;
	*option = size;
	return count(&counts.cookies,
	             say(context, s, SYN | ACK, door->window[0], numbers, HEADER_BYTES + 4, size));
}

static __always_inline int on_syn(struct xdp_md *context, struct segment *s,
                                  const struct sender *from)
{
	const struct edge_door *door = find_door(s->ports);
	struct edge_line *line = from->line;
	struct options offer = {.mss = 0};
	__u64 now, asker;
	/* The stack may have something to do with who sends it. */
	if (!door)
		return XDP_PASS;
	if (!is_between_hosts(s, *(const __u64 *)rules.mac) || !take_options(s, &offer) ||
	    arena.held[from->mixed >> EDGE_PLACE_SHIFT] || !is_whole(context, s))
		return PASS;
	now = bpf_ktime_get_ns();
	if (!passed || now - passed >= SECOND) {
		passed = now;
		return PASS;
	}
	asker = ONCE(line->asked.peer);
	if (asker == 0) {
		remember(line, s, from->peer, &offer, door, now);
		line->young = YOUNG;
	} else if (asker != from->peer && rules.cookies) {
		return answer_cookie(context, s, &offer, door, now);
	} else if (!is_again(&line->asked, s, &offer, from->peer)) {
		return PASS;
	}
	return answer_syn(context, s, &line->asked, door->mss, now);
}

/* The acknowledgement of our SYN. Whether the record is whole the stack sees. */
static __always_inline int on_opened(struct xdp_md *context, const struct segment *s,
                                     struct edge_line *line)
{
	const struct edge_asked *a = &line->asked;
	struct edge_heard *h = &line->heard;
	__u32 stamp, iss = ONCE(a->iss), us = h->us, last = h->stamp;
	if (s->numbers != pair(ONCE(a->irs) + 1, iss + 1) ||
	    !take_stamp(s, a->own_scale & EDGE_TIMESTAMPS, &stamp) || !is_whole(context, s))
		return PASS;
	if (ONCE(h->iss) != iss) {
		us = (__u32)(bpf_ktime_get_ns() / 1000);
		last = a->stamp;
	}
	if (before(stamp, last))
		return PASS;
	h->us = us;
	h->window = bpf_ntohs((__u16)(s->rest >> 16));
	h->unused = 0;
	ORDER();
	h->stamp = stamp;
	h->iss = iss;
	return count(&counts.heard, XDP_DROP);
}

/* ---- End ---- */

static __always_inline int answer_fin(struct xdp_md *context, const struct segment *s,
                                      const struct edge_closing *c, __u64 numbers, __u32 stamp)
{
	__u64 rest = 0, now;
	if (s->header == STAMPED) {
		now = bpf_ktime_get_ns();
		if (!put_stamps(s, WORD_STAMPS, milliseconds(now) + c->offset, stamp, T_OPTIONS,
		                &rest))
			return XDP_DROP;
	}
	return count(&counts.ended, say(context, s, ACK, c->window, numbers, s->header, rest));
}

/* What acknowledges all of ours, with or without their end. */
static __always_inline int on_closing(struct xdp_md *context, const struct segment *s,
                                      const struct sender *from, __u32 fin)
{
	const struct edge_closing *c = &from->line->closing;
	struct edge_closed *closed = &from->line->closed;
	__u32 stamp, theirs, ours, tag, news;
	if (ONCE(c->peer) != from->peer)
		return PASS;
	ORDER();
	theirs = ONCE(c->theirs);
	ours = ONCE(c->ours);
	if (s->numbers != pair(theirs, ours) ||
	    !take_stamp(s, c->flags & EDGE_TIMESTAMPS, &stamp) || before(stamp, c->stamp) ||
	    !is_whole(context, s))
		return PASS;
	tag = ONCE(c->tag);
	news = closed->tag == tag ? closed->news : 0;
	closed->stamp = stamp;
	closed->unused = 0;
	ORDER();
	closed->news = news | (fin ? EDGE_ENDED : EDGE_ACKED);
	closed->tag = tag;
	return fin ? answer_fin(context, s, c, pair(ours, theirs + 1), stamp)
	           : count(&counts.heard, XDP_DROP);
}

/* ---- All together ---- */

static __always_inline int on_ack(struct xdp_md *context, const struct segment *s,
                                  const struct sender *from)
{
	const struct edge_door *door;
	if (ONCE(from->line->asked.peer) != from->peer)
		return on_closing(context, s, from, 0);
	door = find_door(s->ports);
	return door && door->peer_first ? on_opened(context, s, from->line) : PASS;
}

/* Of a connection that has sent more than short ones do: the first question, for these are most of
 * what comes. */
static __always_inline int is_long(struct edge_line *line)
{
	__u8 left = line->young;
	if (left)
		line->young = left - 1;
	return left == 0;
}

static __always_inline int on_segment(struct xdp_md *context, struct segment *s,
                                      const struct sender *from)
{
	if (s->flags == SYN)
		return on_syn(context, s, from);
	return s->flags == ACK ? on_ack(context, s, from) : on_closing(context, s, from, 1);
}

SEC("xdp")
int edge(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data;
	struct segment s = {.end = (void *)(long)context->data_end};
	struct sender from;
	int action;
	if ((__u8 *)(w + T_OPTIONS) > s.end)
		return XDP_PASS;
	STAY(w);
	s.rest = *quad_at(w, T_FLAGS);
	s.flags = (__u8)(s.rest >> 8);
	if (s.flags != ACK && s.flags != SYN && (s.flags & ~PSH) != (FIN | ACK))
		return XDP_PASS;
	s.w = w;
	s.ends = *quad_at(w, W_SOURCE);
	s.ports = *long_at(w, W_L4);
	from = find_sender((__u32)s.ends, s.ports);
	if (s.flags == ACK && is_long(from.line))
		return XDP_PASS;
	s.header = (__u32)(s.rest >> 2) & 0x3c;
	if (!is_plain(w, TCP) || s.ends >> 32 != rules.address || s.header < HEADER_BYTES ||
	    w[W_LENGTH] != bpf_htons((__u16)(20 + s.header)) ||
	    s.end - (__u8 *)w < AT_TCP + s.header)
		return XDP_PASS;
	s.numbers = *quad_at(w, T_SEQUENCE);
	s.n = 0;
	action = on_segment(context, &s, &from);
	return action == PASS ? count(&counts.passed, XDP_PASS) : action;
}

char _license[] SEC("license") = "Dual BSD/GPL";
