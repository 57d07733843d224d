/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in front of a TCP stack that serves fixed content (libos-tcp/static) and keeps no
 * half-open connections: what needs no connection is done here, when the segment arrives.
 *
 *     SYN                → SYN, ACK with the stack's own cookie, and a record
 *     the ACK of that    → nothing
 *     a known request    → its answer, whole, and FIN, in one segment
 *     their ACK          → nothing
 *     their FIN          → ACK; the record is what TIME-WAIT is
 *
 * A known request is one that the stack has understood before: it has the same bytes, its answer
 * fits into one segment, and the connection ends behind it. Whatever else comes, the record is
 * given up and the segment passed on, and the stack takes the connection by its cookie as if nobody
 * had stood here: answers never change, so that it may even say them a second time.
 *
 * Who keeps no timers must not owe anything. A record never acknowledges what follows the request
 * before its answer was acknowledged: so it is always the peer who speaks again where a segment was
 * lost, and is answered again. Records that collide, or that two cores write at a time, lead to the
 * stack, too. Segments that nobody who is not on the path could have made (RFC 5961) change them.
 *
 * The environment keeps `rules` and `known` (handlers/front.h); `period` must not be more than one
 * behind.
 */
#include "../include/handlers/front.h"
#include "tcp.h"

enum state { FREE, ASKED, ANSWERED, ENDED, PASSED };

struct record {
	__u32 remote;
	__u16 port;
	__u8 state;
	__u8 period;  /* its low bits, when the record was made */
	__u32 theirs; /* the next number from them */
	__u32 ours;   /* the number that acknowledges all of ours */
};

enum {
	CHANGES_MAX = 16384, /* replies of one period to segments that should not be */
	BACK_MAX = 8192,     /* how far back a request that comes again may lie */
	PERIOD_SHIFT = 30,   /* libos-tcp/static/src/cookie.c says what a cookie is */
	SAID_SHIFT = 23,
	NO_SCALE = 15,
	MSS_DEFAULT = 536,
	SCALE_MAX = 14,
	OPTIONS_MAX = 8,
};

struct front_rules rules SEC(".data.rules") = {.period = 0};
struct front_known known[FRONT_PLACES] SEC(".data.known") = {{.size = 0}};
struct record records[FRONT_RECORDS] SEC(".bss.records");
struct front_counts counts SEC(".bss.counts");
struct {
	__u32 period, n;
} limit SEC(".bss.limit");

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(max_entries, FRONT_PLACES);
} answers SEC(".maps");

/* A segment, in the machine's byte order. */
struct segment {
	__u32 remote, sequence, ack, n, header;
	__u16 port, window;
	__u8 flags;
};

static __always_inline struct record *record_of(const struct segment *s)
{
	__u64 key = ((__u64)s->remote << 16 | s->port) * rules.spread;
	return &records[key >> 52];
}

_Static_assert(FRONT_RECORDS == 1 << (64 - 52), "a record for each value");

static __always_inline int is_old(const struct record *r)
{
	return (__u8)(rules.period - r->period) >= FRONT_LIFE;
}

static __always_inline int before(__u32 a, __u32 b)
{
	return (__s32)(a - b) < 0;
}

static __always_inline int count(__u64 *counter, int action)
{
	__sync_fetch_and_add(counter, 1);
	return action;
}

static __always_inline int give_up(struct record *r)
{
	r->state = PASSED;
	return XDP_PASS;
}

/* ---- In ---- */

static __always_inline __u64 sum_of_ends(__u16 *w)
{
	return (__u64)*long_at(w, W_SOURCE) + *long_at(w, W_TARGET);
}

/*
 * Both checksums are right; or TCP's covers the pseudo-header alone, as hosts leave it to a NIC
 * that was never there. (Of frames that were damaged on a wire, one in 2^16 passes by either rule.)
 */
static __always_inline int is_right(struct xdp_md *context, __u16 *w, const struct segment *s)
{
	__u32 n = s->header + s->n;
	__u64 ends = sum_of_ends(w), pseudo = ends + bpf_htons(TCP) + bpf_htons((__u16)n);
	__u64 ip = ends + *long_at(w, W_IP) + *long_at(w, W_IP + 2) + *long_at(w, W_IP + 4);
	long sum = exo_sum(context, AT_TCP, n);
	return fold_64(ip) == 0xffff && sum >= 0 &&
	       (fold_64(pseudo + (__u64)sum) == 0xffff || w[T_SUM] == fold_64(pseudo));
}

/* An address that is some host's (RFC 1122, 3.2.1.3), and a frame that is for this one. */
static __always_inline int is_between_hosts(__u16 *w, __u32 remote)
{
	__u32 first = remote >> 24;
	const __u16 *mac = (const __u16 *)rules.mac;
	return first != 0 && first != 127 && first < 224 && w[0] == mac[0] && w[1] == mac[1] &&
	       w[2] == mac[2];
}

/* The options of a SYN, OPTIONS_MAX at most. 0: more, or they are not well-formed. */
static __always_inline int take_options(__u16 *w, const __u16 *end, __u32 header, __u32 *mss,
                                        __u32 *scale)
{
	__u32 at = HEADER_BYTES;
	for (int i = 0; i < OPTIONS_MAX && at < header; i++) {
		__u8 *option = (__u8 *)w + AT_TCP + at;
		__u32 size;
		if (option + 1 > (__u8 *)end)
			return 0;
		if (option[0] == 0)
			return 1;
		if (option[0] == 1) {
			at++;
			continue;
		}
		if (option + 2 > (__u8 *)end)
			return 0;
		size = option[1];
		if (size < 2 || size > header - at)
			return 0;
		if (option[0] == 2 && size == 4) {
			if (option + 4 > (__u8 *)end)
				return 0;
			*mss = (__u32)option[2] << 8 | option[3];
		} else if (option[0] == 3 && size == 3) {
			if (option + 3 > (__u8 *)end)
				return 0;
			*scale = option[2] < SCALE_MAX ? option[2] : SCALE_MAX;
		}
		at += size;
	}
	return at >= header;
}

/* ---- Out ---- */

/* Turns the frame around, which has the right size already: `rest` is the sum of what stands behind
 * its first 20 bytes of TCP header. → an action. */
static __always_inline int say(struct xdp_md *context, const struct segment *s, __u32 flags,
                               __u32 sequence, __u32 ack, __u32 header, __u32 n, __u64 rest)
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
	w[W_LENGTH] = bpf_htons((__u16)(20 + header + n));
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
	w[T_WINDOW] = bpf_htons(rules.window);
	w[T_URGENT] = 0;
	sum = ends + rest + *long_at(w, W_L4) + *long_at(w, T_SEQUENCE) + *long_at(w, T_ACK) +
	      *long_at(w, T_FLAGS) + bpf_htons(TCP) + bpf_htons((__u16)(header + n));
	w[T_SUM] = (__u16)~fold_64(sum);
	return XDP_TX | SUMMED;
}

static __always_inline int fits(struct xdp_md *context, __u32 header, __u32 n)
{
	return frame_bytes(context) == AT_TCP + header + n || !fit(context, header, n);
}

static __always_inline int say_ack(struct xdp_md *context, const struct segment *s,
                                   const struct record *r)
{
	__u32 theirs = r->theirs, ours = r->ours;
	if (!fits(context, HEADER_BYTES, 0))
		return XDP_DROP;
	return say(context, s, ACK, ours, theirs, HEADER_BYTES, 0, 0);
}

/* To a segment that should not be, or that is old: it may be forged, so there is an end to it (RFC
 * 5961, 7). */
static __always_inline int challenge(struct xdp_md *context, const struct segment *s,
                                     const struct record *r)
{
	if (limit.period != rules.period) {
		limit.period = rules.period;
		limit.n = 0;
	}
	if (limit.n >= CHANGES_MAX)
		return count(&counts.taken, XDP_DROP);
	limit.n++;
	return count(&counts.replied, say_ack(context, s, r));
}

/* ---- SYN ---- */

/* As static_cookie_make has it. */
static __always_inline __u32 cookie(const struct segment *s, __u32 mss, __u32 scale)
{
	__u32 index = 7, period = rules.period, said;
	while (index > 0 && rules.sizes[index & 7] > mss)
		index--;
	said = index << 4 | scale;
	return period << PERIOD_SHIFT | said << SAID_SHIFT |
	       ((__u32)sip(2, 4, rules.key, (__u64)s->remote << 32 | s->port,
	                   (__u64)s->sequence << 32 | (period << 7 | said)) &
	        ((1u << SAID_SHIFT) - 1));
}

/* Nobody else's who may still want it. */
static __always_inline int is_free(const struct record *r)
{
	return r->state != ANSWERED || is_old(r);
}

static __always_inline int answer_syn(struct xdp_md *context, const struct segment *s,
                                      struct record *r, int mine)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 mss = MSS_DEFAULT, scale = NO_SCALE, ours, header;
	__u64 rest;
	if (w + T_OPTIONS > end || s->n || !is_between_hosts(w, s->remote) ||
	    !take_options(w, end, s->header, &mss, &scale) || !is_right(context, w, s))
		return XDP_PASS;
	ours = cookie(s, mss, scale);
	header = scale == NO_SCALE ? HEADER_BYTES + 4 : HEADER_BYTES + 8;
	if (!fits(context, header, 0))
		return XDP_DROP;
	w = (void *)(long)context->data;
	end = (void *)(long)context->data_end;
	if (w + T_OPTIONS + 2 > end)
		return XDP_DROP;
	*long_at(w, T_OPTIONS) = bpf_htonl(2 << 24 | 4 << 16 | rules.mss);
	rest = *long_at(w, T_OPTIONS);
	if (scale != NO_SCALE) {
		if (w + T_OPTIONS + 4 > end)
			return XDP_DROP;
		*long_at(w, T_OPTIONS + 2) = bpf_htonl(1 << 24 | 3 << 16 | 3 << 8);
		rest += *long_at(w, T_OPTIONS + 2);
	}
	if (mine || is_free(r)) {
		r->remote = s->remote;
		r->port = s->port;
		r->state = ASKED;
		r->period = (__u8)rules.period;
		r->theirs = s->sequence + 1;
		r->ours = ours + 1;
	}
	return count(&counts.asked,
	             say(context, s, SYN | ACK, ours, s->sequence + 1, header, 0, rest));
}

static __always_inline int on_syn(struct xdp_md *context, const struct segment *s, struct record *r,
                                  int mine)
{
	if (mine && r->state == PASSED)
		return XDP_PASS;
	/* RFC 5961, 4.2; after the end a newer one begins anew (RFC 6191). */
	if (mine &&
	    (r->state == ANSWERED || (r->state == ENDED && !before(r->theirs, s->sequence))))
		return challenge(context, s, r);
	return answer_syn(context, s, r, mine);
}

/* ---- Requests ---- */

/* The place of the request that the segment is; -1: it is none that is known. */
static __always_inline int find_known(__u16 *w, const __u16 *end, const struct segment *s)
{
	__u8 *text = (__u8 *)w + AT_TCP + s->header, *last;
	__u32 n = s->n, place;
	struct front_known *k;
	if (n < FRONT_REQUEST_LEAST || n > FRONT_REQUEST_MAX ||
	    text + FRONT_REQUEST_LEAST > (__u8 *)end)
		return -1;
	place = front_place((__u64 *)text) & (FRONT_PLACES - 1);
	k = &known[place];
	if (k->size != n)
		return -1;
	for (__u32 i = 0; i + 8 <= FRONT_REQUEST_MAX && i + 8 <= n; i += 8) {
		if (text + i + 8 > (__u8 *)end || *(__u64 *)(text + i) != *(__u64 *)(k->bytes + i))
			return -1;
	}
	last = text + (n - 8);
	if (last + 8 > (__u8 *)end || *(__u64 *)last != *(__u64 *)(k->bytes + (n - 8)))
		return -1;
	return (int)place;
}

/* Whether the peer takes the answer whole: what it said in its SYN is in the cookie, which this
 * segment acknowledges. */
static __always_inline int takes(const struct segment *s, __u32 size)
{
	__u32 said = (s->ack - 1) >> SAID_SHIFT & 0x7f, scale = said & 15;
	__u32 window = (__u32)s->window << (scale == NO_SCALE ? 0 : scale);
	return size <= rules.sizes[said >> 4 & 7] && size <= rules.mss && size <= window;
}

/* The request is as it was understood once, and follows what only the peer can know: so no bit of
 * the segment that matters is damaged, whatever its checksum. */
static __always_inline int answer(struct xdp_md *context, const struct segment *s, struct record *r)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	int again = r->state == ANSWERED, place = find_known(w, end, s);
	__u32 size, theirs = s->sequence + s->n;
	struct front_known *k;
	if (place < 0)
		return give_up(r);
	k = &known[place & (FRONT_PLACES - 1)];
	size = k->answer;
	if (size == 0 || size > FRONT_ANSWER_MAX || !takes(s, size) ||
	    (again && s->ack + size + 1 != r->ours))
		return give_up(r);
	r->theirs = theirs;
	r->ours = s->ack + size + 1;
	r->state = ANSWERED;
	if (exo_arena_tail(&answers, (__u64)place << 12, context, AT_TCP + HEADER_BYTES, size))
		return XDP_DROP;
	if (again)
		count(&counts.again, 0);
	else
		count(&counts.answered, 0);
	if (!again)
		__sync_fetch_and_add(&counts.bytes, size);
	return say(context, s, ACK | PSH | FIN, s->ack, theirs, HEADER_BYTES, size, k->sum);
}

/* ---- After the answer ---- */

/* In order: what follows the request is thrown away, as the answer said that it would be. */
static __always_inline int on_more(struct xdp_md *context, const struct segment *s,
                                   struct record *r)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	int fin = s->flags & FIN;
	/* They'll say it again when they have the answer. */
	if ((!s->n && !fin) || s->ack != r->ours || r->state == ENDED)
		return count(&counts.taken, XDP_DROP);
	if (w + T_OPTIONS > end || !is_right(context, w, s))
		return XDP_PASS; /* the stack drops and counts it */
	r->theirs = s->sequence + s->n + fin;
	if (!fin)
		return count(&counts.replied, say_ack(context, s, r));
	r->state = ENDED;
	return count(&counts.ended, say_ack(context, s, r));
}

static __always_inline int on_rest(struct xdp_md *context, const struct segment *s,
                                   struct record *r)
{
	if (s->sequence == r->theirs)
		return on_more(context, s, r);
	if (s->ack == r->ours)
		return challenge(context, s, r);
	/* The request again, alone or with what follows it: the answer was lost. */
	if (r->state == ANSWERED && s->n && r->theirs - s->sequence <= BACK_MAX &&
	    r->ours - s->ack <= FRONT_ANSWER_MAX + 1) {
		if (s->sequence + s->n == r->theirs && !(s->flags & FIN))
			return answer(context, s, r);
		return give_up(r);
	}
	return count(&counts.taken, XDP_DROP);
}

/* ---- All together ---- */

static __always_inline int on_reset(const struct segment *s, struct record *r)
{
	if (s->sequence == r->theirs && r->state != ENDED) /* RFC 5961, 3.2; RFC 1337 */
		r->state = FREE;
	return count(&counts.taken, XDP_DROP);
}

static __always_inline int on_asked(struct xdp_md *context, const struct segment *s,
                                    struct record *r)
{
	if (s->sequence != r->theirs || s->ack != r->ours || s->flags & FIN)
		return give_up(r);
	return s->n ? answer(context, s, r) : count(&counts.taken, XDP_DROP);
}

static __always_inline int on_segment(struct xdp_md *context, const struct segment *s)
{
	struct record *r = record_of(s);
	int mine = r->remote == s->remote && r->port == s->port && r->state != FREE && !is_old(r);
	if (s->flags == SYN)
		return on_syn(context, s, r, mine);
	if (!mine || r->state == PASSED)
		return XDP_PASS;
	if (s->flags & RST)
		return on_reset(s, r);
	if ((s->flags & ~(PSH | FIN)) != ACK)
		return r->state == ASKED ? give_up(r) : count(&counts.taken, XDP_DROP);
	return r->state == ASKED ? on_asked(context, s, r) : on_rest(context, s, r);
}

SEC("xdp")
int front(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct segment s;
	int n;
	if (!is_segment(w, end))
		return XDP_PASS;
	n = segment_bytes(w);
	if (n < 0 || frame_bytes(context) < 14 + bpf_ntohs(w[W_LENGTH]))
		return XDP_PASS;
	s.remote = bpf_ntohl(*long_at(w, W_SOURCE));
	s.port = bpf_ntohs(w[W_L4]);
	s.sequence = bpf_ntohl(*long_at(w, T_SEQUENCE));
	s.ack = bpf_ntohl(*long_at(w, T_ACK));
	s.n = (__u32)n;
	s.header = (__u32)header_bytes(w);
	s.window = bpf_ntohs(w[T_WINDOW]);
	s.flags = (__u8)bpf_ntohs(w[T_FLAGS]);
	return on_segment(context, &s);
}

char _license[] SEC("license") = "Dual BSD/GPL";
