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
	__u64 peer;   /* its address and port as they lie in a frame, state, period */
	__u32 theirs; /* the next number from them */
	__u32 ours;   /* the number that acknowledges all of ours */
};

enum {
	STATE_AT = 48,
	PERIOD_AT = 56,      /* of a record's: its low bits */
	CHANGES_MAX = 16384, /* replies of one period to segments that should not be */
	BACK_MAX = 8192,     /* how far back a request that comes again may lie */
	PERIOD_SHIFT = 30,   /* libos-tcp/static/src/cookie.c says what a cookie is */
	SAID_SHIFT = 23,
	NO_SCALE = 15,
	MSS_DEFAULT = 536,
	SCALE_MAX = 14,
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

/* A segment, in the machine's byte order but for who sent it. */
struct segment {
	__u64 peer;
	__u32 sequence, ack, n, header;
	__u16 window;
	__u8 flags;
};

static __always_inline __u64 peer_of(__u16 *w)
{
	return *long_at(w, W_SOURCE) | (__u64)w[W_L4] << 32;
}

static __always_inline struct record *record_of(__u64 peer)
{
	return &records[peer * rules.spread >> 52];
}

_Static_assert(FRONT_RECORDS == 1 << (64 - 52), "a record for each value");

static __always_inline int is_old(__u64 kept)
{
	return (__u8)(rules.period - (__u32)(kept >> PERIOD_AT)) >= FRONT_LIFE;
}

static __always_inline __u32 state_of(__u64 kept)
{
	return (__u8)(kept >> STATE_AT);
}

/* The state of a record that was read, for that peer; FREE: it is somebody else's, or too old. */
static __always_inline __u32 state_for(__u64 kept, __u64 peer)
{
	return (kept ^ peer) << (64 - STATE_AT) || is_old(kept) ? FREE : state_of(kept);
}

/* The period stays. */
static __always_inline void set_state(struct record *r, __u64 state)
{
	r->peer = (r->peer & ~(0xffull << STATE_AT)) | state << STATE_AT;
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
	set_state(r, PASSED);
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
	__u64 ip = ends + *long_at(w, W_IP) + *long_at(w, W_IP + 2) + *long_at(w, W_IP + 4), sum;
	if (fold_64(ip) != 0xffff)
		return 0;
	if (w[T_SUM] == fold_64(pseudo))
		return 1;
	if (n == HEADER_BYTES)
		sum = (__u64)*long_at(w, W_L4) + *long_at(w, T_SEQUENCE) + *long_at(w, T_ACK) +
		      *long_at(w, T_FLAGS) + *long_at(w, T_SUM);
	else
		sum = (__u64)exo_sum(context, AT_TCP, n);
	return fold_64(pseudo + sum) == 0xffff;
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
static __always_inline int take_options(__u16 *w, const __u16 *end, __u32 header, __u32 *mss,
                                        __u32 *scale)
{
	for (__u32 at = HEADER_BYTES; at < 60 && at < header; at += 4) {
		__u32 *option = (__u32 *)((__u8 *)w + AT_TCP + at), word;
		if ((__u8 *)(option + 1) > (__u8 *)end)
			return 0;
		word = bpf_ntohl(*option);
		if (word >> 16 == 0x0204)
			*mss = word & 0xffff;
		else if (word >> 8 == 0x010303)
			*scale = (word & 0xff) < SCALE_MAX ? word & 0xff : SCALE_MAX;
		else if (word == 0x0402080a || word == 0x0101080a)
			at += 8; /* timestamps */
		else if (word == 0x04020000 || word == 0)
			return 1;
		else if (word != 0x01010402)
			return 0;
	}
	return 1;
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
	__u64 end = (__u64)bpf_ntohl((__u32)s->peer) << 32 | bpf_ntohs((__u16)(s->peer >> 32));
	while (index > 0 && rules.sizes[index & 7] > mss)
		index--;
	said = index << 4 | scale;
	return period << PERIOD_SHIFT | said << SAID_SHIFT |
	       ((__u32)sip(1, 3, rules.key, end, (__u64)s->sequence << 32 | (period << 7 | said)) &
	        ((1u << SAID_SHIFT) - 1));
}

/* Not over somebody else's who still has to hear an answer, or to end. */
static __always_inline void record(const struct segment *s, struct record *r, __u32 state,
                                   __u32 ours)
{
	__u64 kept = r->peer;
	if (state == FREE && state_of(kept) == ANSWERED && !is_old(kept))
		return;
	r->peer = s->peer | (__u64)ASKED << STATE_AT | (__u64)rules.period << PERIOD_AT;
	r->theirs = s->sequence + 1;
	r->ours = ours + 1;
}

static __always_inline int answer_syn(struct xdp_md *context, const struct segment *s,
                                      struct record *r, __u32 state)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 mss = MSS_DEFAULT, scale = NO_SCALE, ours, header;
	__u64 rest;
	if (w + T_OPTIONS > end || s->n || !is_between_hosts(w) ||
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
	record(s, r, state, ours);
	return count(&counts.asked,
	             say(context, s, SYN | ACK, ours, s->sequence + 1, header, 0, rest));
}

static __always_inline int on_syn(struct xdp_md *context, const struct segment *s, struct record *r,
                                  __u32 state)
{
	if (state == PASSED)
		return XDP_PASS;
	/* RFC 5961, 4.2; after the end a newer one begins anew (RFC 6191). */
	if (state == ANSWERED || (state == ENDED && !before(r->theirs, s->sequence)))
		return challenge(context, s, r);
	return answer_syn(context, s, r, state);
}

/* ---- Requests ---- */

static __always_inline int is_same(const __u8 *text, const __u8 *bytes)
{
	const __u64 *a = (const __u64 *)text, *b = (const __u64 *)bytes;
	return a[0] == b[0] && a[1] == b[1];
}

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
	for (__u32 i = 0; i + 16 <= FRONT_REQUEST_MAX && i + 16 <= n; i += 16) {
		if (text + i + 16 > (__u8 *)end || !is_same(text + i, k->bytes + i))
			return -1;
	}
	last = text + (n - 16);
	if (last + 16 > (__u8 *)end || !is_same(last, k->bytes + (n - 16)))
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
static __always_inline int answer(struct xdp_md *context, const struct segment *s, struct record *r,
                                  int again)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	int place = find_known(w, end, s);
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
	set_state(r, ANSWERED);
	if (exo_arena_tail(&answers, (__u64)place << 12, context, AT_TCP + HEADER_BYTES, size))
		return XDP_DROP;
	count(again ? &counts.again : &counts.answered, 0);
	if (!again)
		__sync_fetch_and_add(&counts.bytes, size);
	return say(context, s, ACK | PSH | FIN, s->ack, theirs, HEADER_BYTES, size, k->sum);
}

/* ---- After the answer ---- */

/* In order: what follows the request is thrown away, as the answer said that it would be. */
static __always_inline int on_more(struct xdp_md *context, const struct segment *s,
                                   struct record *r, __u32 state)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	int fin = s->flags & FIN;
	/* They'll say it again when they have the answer. */
	if ((!s->n && !fin) || s->ack != r->ours || state == ENDED)
		return count(&counts.taken, XDP_DROP);
	if (w + T_OPTIONS > end || !is_right(context, w, s))
		return XDP_PASS; /* the stack drops and counts it */
	r->theirs = s->sequence + s->n + fin;
	if (!fin)
		return count(&counts.replied, say_ack(context, s, r));
	set_state(r, ENDED);
	return count(&counts.ended, say_ack(context, s, r));
}

/* The request again, alone or with what follows it: the answer was lost. */
static __always_inline int comes_again(const struct segment *s, const struct record *r)
{
	return s->n && r->theirs - s->sequence <= BACK_MAX &&
	       r->ours - s->ack <= FRONT_ANSWER_MAX + 1;
}

/* ---- All together ---- */

static __always_inline int on_reset(const struct segment *s, struct record *r, __u32 state)
{
	if (s->sequence == r->theirs && state != ENDED) /* RFC 5961, 3.2; RFC 1337 */
		set_state(r, FREE);
	return count(&counts.taken, XDP_DROP);
}

static __always_inline int on_segment(struct xdp_md *context, const struct segment *s,
                                      struct record *r, __u32 state)
{
	int fin = s->flags & FIN, again = state == ANSWERED;
	if (s->flags == SYN)
		return on_syn(context, s, r, state);
	if (s->flags & RST)
		return on_reset(s, r, state);
	if ((s->flags & ~(PSH | FIN)) != ACK)
		return state == ASKED ? give_up(r) : count(&counts.taken, XDP_DROP);
	if (state == ASKED) {
		if (s->sequence != r->theirs || s->ack != r->ours || fin || !s->n)
			return give_up(r);
	} else {
		if (s->sequence == r->theirs)
			return on_more(context, s, r, state);
		if (s->ack == r->ours)
			return challenge(context, s, r);
		if (!again || !comes_again(s, r))
			return count(&counts.taken, XDP_DROP);
		if (s->sequence + s->n != r->theirs || fin)
			return give_up(r);
	}
	return answer(context, s, r, again);
}

/* Most of what comes: an acknowledgement with nothing else, in a header without options. */
static __always_inline int on_ack(struct xdp_md *context, struct segment *s, struct record *r,
                                  __u32 state)
{
	if (state == ASKED && (s->sequence != r->theirs || s->ack != r->ours))
		return give_up(r);
	if (s->sequence != r->theirs && s->ack == r->ours)
		return challenge(context, s, r);
	return count(&counts.taken, XDP_DROP);
}

SEC("xdp")
int front(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct record *r;
	struct segment s;
	__u32 state;
	int n;
	if (!is_segment(w, end))
		return XDP_PASS;
	s.peer = peer_of(w);
	/* ECE and CWR mean nothing to who agrees to no ECN (RFC 3168, 6.1.1). */
	s.flags = *((__u8 *)(w + T_FLAGS) + 1) & ~(ECE | CWR);
	r = record_of(s.peer);
	state = state_for(r->peer, s.peer);
	if ((state == FREE || state == PASSED) && s.flags != SYN)
		return XDP_PASS;
	s.sequence = bpf_ntohl(*long_at(w, T_SEQUENCE));
	s.ack = bpf_ntohl(*long_at(w, T_ACK));
	if (w[T_FLAGS] == bpf_htons(0x5000 | ACK) && w[W_LENGTH] == bpf_htons(40))
		return on_ack(context, &s, r, state);
	n = segment_bytes(w);
	if (n < 0 || frame_bytes(context) < 14 + bpf_ntohs(w[W_LENGTH]))
		return XDP_PASS;
	s.n = (__u32)n;
	s.header = (__u32)header_bytes(w);
	s.window = bpf_ntohs(w[T_WINDOW]);
	return on_segment(context, &s, r, state);
}

char _license[] SEC("license") = "Dual BSD/GPL";
