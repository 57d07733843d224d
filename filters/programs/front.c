/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands in front of a TCP stack that serves fixed content (libos-tcp/static) and keeps no
 * half-open connections: requests that are known are answered here, when the segment arrives.
 *
 *     SYN                → SYN, ACK with the stack's own cookie, and a record
 *     the ACK of that    → nothing
 *     a known request    → its answer, whole; where the connection ends behind it, with FIN
 *     their ACK          → nothing
 *     their FIN          → ACK, or FIN and ACK; the record is what TIME-WAIT is
 *
 * A known request is one that the stack has understood before: it has the same bytes, and its
 * answer fits into one segment. Before the first one of a connection was answered, whatever else
 * comes is passed on, and the stack takes the connection by its cookie as if nobody had stood here.
 * Later it asks for the record (front_take), which says all there is to know: both next numbers,
 * what the SYN said, and which answer came last. So a connection can be handed over at any segment,
 * whatever is under way, and one that was silent for long is taken to be ended (front_age). From
 * then on everything of it is passed on.
 *
 * Who keeps no timers must not owe anything. A request is taken when it is the next one and all
 * that was said before is acknowledged; nothing behind it is acknowledged before its answer was. So
 * it is always the peer who speaks again where a segment was lost, and is answered again. Segments
 * that nobody who is not on the path could have made (RFC 5961) change records, or are passed on.
 *
 * A record belongs to a peer until it is forgotten, unless it is of a handshake or of a connection
 * that has ended: then another peer's SYN takes it over. Who finds none is served by the stack.
 * Cores that poll meet at records only by accident: one that is BUSY is another's, and its segment
 * is lost.
 *
 * The environment keeps `rules` and `known` (handlers/front.h); `period` must not be more than one
 * behind.
 */
#include "../include/handlers/front.h"
#include "tcp.h"

enum state {
	FREE,
	BUSY,
	ASKED,    /* SYN answered */
	KEPT,     /* requests answered; more may come */
	ANSWERED, /* the last one, with FIN */
	LAST,     /* their FIN, with ours */
	ENDED,
	GIVEN, /* the stack's */
};

/*
 * `who`: the record's number and 36 bits are all that there is of address and port, mixed; then
 * place, said, age and state.
 */
struct record {
	__u64 who;
	__u64 numbers; /* the next ones, as the peer's next segment has them: theirs, ours */
};

enum {
	TAG_BITS = 36,
	TAG_SHIFT = 64 - TAG_BITS,
	STATE = 15,
	AGE_SHIFT = 4,
	SAID_SHIFT = 8,
	PLACE_SHIFT = 16,
	CHANGES_MAX = 16384, /* replies of one period to segments that should not be */
	BACK_MAX = 8192,     /* how far back a request that comes again may lie */
	AHEAD_MAX = 8192,    /* what lies farther ahead is nobody's (the window) */
	PERIOD_SHIFT = 30,   /* libos-tcp/static/src/cookie.c says what a cookie is */
	COOKIE_SAID_SHIFT = 23,
	NO_SCALE = 15,
	MSS_DEFAULT = 536,
	SCALE_MAX = 14,
	/* When a record is forgotten, or (KEPT) handed over: a digit for each state. */
	AGES = 0x84882800,
};

_Static_assert(FRONT_RECORDS == 1 << (48 - TAG_BITS), "a record for each number");
_Static_assert(FRONT_PLACES == 16, "a place is four bits of a record");

struct front_rules rules SEC(".data.rules") = {.period = 0};
struct front_known known[FRONT_PLACES] SEC(".data.known") = {{.size = 0}};
struct record records[FRONT_RECORDS] SEC(".bss.records");
__u64 macs[FRONT_RECORDS] SEC(".bss.macs"); /* of peers that stay */
struct front_counts counts SEC(".bss.counts");
struct front_taken taken SEC(".bss.taken");
__u64 old SEC(".bss.old");
struct {
	__u32 period, n;
} limit SEC(".bss.limit");

struct {
	__uint(type, MAP_TYPE_ARENA);
	__uint(max_entries, FRONT_PLACES);
} answers SEC(".maps");

/* A segment: its fields as they lie in the frame, and what they say. */
struct segment {
	struct record *r;
	__u64 kept;    /* the record's `who` when the segment came */
	__u64 tag;     /* where the peer's stands in one */
	__u64 ends;    /* addresses, theirs first */
	__u64 numbers; /* theirs, the one that they acknowledge */
	__u64 rest;    /* flags, window, checksum, urgent pointer */
	__u32 ports;   /* theirs first */
	__u32 n, header;
	__u32 place; /* the record's number */
	__u8 flags, state;
};

static __always_inline __u64 *quad_at(__u16 *words, int i)
{
	return (__u64 *)(words + i);
}

static __always_inline __u32 first_of(__u64 numbers)
{
	return bpf_ntohl((__u32)numbers);
}

static __always_inline __u32 second_of(__u64 numbers)
{
	return bpf_ntohl((__u32)(numbers >> 32));
}

static __always_inline __u64 pair(__u32 first, __u32 second)
{
	return bpf_htonl(first) | (__u64)bpf_htonl(second) << 32;
}

/* The other way round: as our next segment has them. */
static __always_inline __u64 turned(__u64 numbers)
{
	return numbers >> 32 | numbers << 32;
}

static __always_inline __u32 said_of(__u64 kept)
{
	return kept >> SAID_SHIFT & 0x7f;
}

static __always_inline __u32 place_of(__u64 kept)
{
	return kept >> PLACE_SHIFT & (FRONT_PLACES - 1);
}

/* The record with another state, and a new age. */
static __always_inline __u64 with_state(__u64 kept, __u64 state)
{
	return (kept & ~0xffull) | state;
}

static __always_inline int seize(struct record *r, __u64 kept)
{
	return __sync_val_compare_and_swap(&r->who, kept, with_state(kept, BUSY)) == kept;
}

/* Where somebody else has changed the record meanwhile, the change is theirs. */
static __always_inline void change(struct record *r, __u64 from, __u64 to)
{
	__sync_val_compare_and_swap(&r->who, from, to);
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

/* ---- In ---- */

static __always_inline __u64 sum_of_ends(const struct segment *s)
{
	return (__u64)(__u32)s->ends + (s->ends >> 32);
}

/*
 * Both checksums are right; or TCP's covers the pseudo-header alone, as hosts leave it to a NIC
 * that was never there. (Of frames that were damaged on a wire, one in 2^16 passes by either rule.)
 */
static __always_inline int is_right(struct xdp_md *context, __u16 *w, const struct segment *s)
{
	__u32 n = s->header + s->n;
	__u64 ends = sum_of_ends(s), pseudo = ends + bpf_htons(TCP) + bpf_htons((__u16)n);
	__u64 ip = ends + *long_at(w, W_IP) + *long_at(w, W_IP + 2) + *long_at(w, W_IP + 4), sum;
	if (fold_64(ip) != 0xffff)
		return 0;
	if ((__u16)(s->rest >> 32) == fold_64(pseudo))
		return 1;
	if (n == HEADER_BYTES)
		sum = s->ports + (__u64)(__u32)s->numbers + (s->numbers >> 32) + (__u32)s->rest +
		      (s->rest >> 32);
	else
		sum = (__u64)exo_sum(context, AT_TCP, n);
	return fold_64(pseudo + sum) == 0xffff;
}

/* An address that is some host's (RFC 1122, 3.2.1.3), and a frame that is for this one. */
static __always_inline int is_between_hosts(__u16 *w, const struct segment *s)
{
	__u32 first = (__u8)s->ends;
	const __u16 *mac = (const __u16 *)rules.from;
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

/* Turns the frame around, which has the right size already, with these numbers: `sum` is that of
 * what stands behind its first 20 bytes of TCP header. → an action. */
static __always_inline int say(struct xdp_md *context, const struct segment *s, __u32 flags,
                               __u64 numbers, __u32 header, __u32 n, __u64 sum)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u64 ends = sum_of_ends(s), length = bpf_htons((__u16)(20 + header + n)), ip;
	__u32 first = bpf_htons((__u16)(header >> 2 << 12 | flags)) | (__u32)bpf_htons(rules.window)
	                                                                      << 16;
	if (w + T_OPTIONS > end)
		return XDP_DROP;
	*quad_at(w, 0) = *quad_at(w, 3); /* two bytes of which are overwritten */
	*quad_at(w, 3) = *(const __u64 *)rules.from;
	*quad_at(w, W_IP) = bpf_htons(0x4500) | length << 16 | (__u64)bpf_htons(0x4000) << 48;
	ip = ends + bpf_htons(0x4500) + length + bpf_htons(0x4000) + bpf_htons(64 << 8 | TCP);
	*quad_at(w, W_TTL) =
	        bpf_htons(64 << 8 | TCP) | (__u64)(__u16)~fold_64(ip) << 16 | s->ends >> 32 << 32;
	*quad_at(w, W_TARGET) =
	        (__u32)s->ends | (__u64)(s->ports >> 16) << 32 | (__u64)s->ports << 48;
	*quad_at(w, T_SEQUENCE) = numbers;
	sum += ends + s->ports + (__u32)numbers + (numbers >> 32) + first + bpf_htons(TCP) +
	       bpf_htons((__u16)(header + n));
	*quad_at(w, T_FLAGS) = first | (__u64)(__u16)~fold_64(sum) << 32;
	return XDP_TX | SUMMED;
}

static __always_inline int fits(struct xdp_md *context, __u32 header, __u32 n)
{
	return frame_bytes(context) == AT_TCP + header + n || !fit(context, header, n);
}

static __always_inline int say_short(struct xdp_md *context, const struct segment *s, __u32 flags,
                                     __u64 numbers)
{
	if (!fits(context, HEADER_BYTES, 0))
		return XDP_DROP;
	return say(context, s, flags, numbers, HEADER_BYTES, 0, 0);
}

/* To a segment that should not be, or that is old: it may be forged, so there is an end to it (RFC
 * 5961, 7). */
static __always_inline int challenge(struct xdp_md *context, const struct segment *s)
{
	if (limit.period != rules.period) {
		limit.period = rules.period;
		limit.n = 0;
	}
	if (limit.n >= CHANGES_MAX)
		return count(&counts.taken, XDP_DROP);
	limit.n++;
	return count(&counts.replied, say_short(context, s, ACK, turned(s->r->numbers)));
}

/* ---- SYN ---- */

/* As static_cookie_make has it; *said: what it tells of the SYN. */
static __always_inline __u32 cookie(const struct segment *s, __u32 mss, __u32 scale, __u32 *said)
{
	__u32 index = 7, period = rules.period;
	__u64 end = (__u64)bpf_ntohl((__u32)s->ends) << 32 | bpf_ntohs((__u16)s->ports);
	while (index > 0 && rules.sizes[index & 7] > mss)
		index--;
	*said = index << 4 | scale;
	return period << PERIOD_SHIFT | *said << COOKIE_SAID_SHIFT |
	       ((__u32)sip(1, 3, rules.key, end,
	                   (__u64)first_of(s->numbers) << 32 | (period << 7 | *said)) &
	        ((1u << COOKIE_SAID_SHIFT) - 1));
}

/* Not over somebody else's who still has to hear something, or to be heard. */
static __always_inline void record(const struct segment *s, __u32 said, __u32 ours)
{
	struct record *r = s->r;
	__u64 kept = r->who;
	__u32 theirs = first_of(s->numbers) + 1, state = kept & STATE;
	if (state == BUSY ||
	    (s->state == FREE && (state == KEPT || state == ANSWERED || state == LAST)))
		return;
	if (!seize(r, kept))
		return;
	r->numbers = pair(theirs, ours + 1);
	*(volatile __u64 *)&r->who = s->tag | said << SAID_SHIFT | ASKED;
}

static __always_inline int answer_syn(struct xdp_md *context, const struct segment *s)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 mss = MSS_DEFAULT, scale = NO_SCALE, ours, header, said;
	__u64 sum;
	if (w + T_OPTIONS > end || s->n || !is_between_hosts(w, s) ||
	    !take_options(w, end, s->header, &mss, &scale) || !is_right(context, w, s))
		return XDP_PASS;
	ours = cookie(s, mss, scale, &said);
	header = scale == NO_SCALE ? HEADER_BYTES + 4 : HEADER_BYTES + 8;
	if (!fits(context, header, 0))
		return XDP_DROP;
	w = (void *)(long)context->data;
	end = (void *)(long)context->data_end;
	if (w + T_OPTIONS + 2 > end)
		return XDP_DROP;
	*long_at(w, T_OPTIONS) = bpf_htonl(2 << 24 | 4 << 16 | rules.mss);
	sum = *long_at(w, T_OPTIONS);
	if (scale != NO_SCALE) {
		if (w + T_OPTIONS + 4 > end)
			return XDP_DROP;
		*long_at(w, T_OPTIONS + 2) = bpf_htonl(1 << 24 | 3 << 16 | 3 << 8);
		sum += *long_at(w, T_OPTIONS + 2);
	}
	record(s, said, ours);
	return count(&counts.asked, say(context, s, SYN | ACK, pair(ours, first_of(s->numbers) + 1),
	                                header, 0, sum));
}

static __always_inline int on_syn(struct xdp_md *context, const struct segment *s)
{
	if (s->state == GIVEN)
		return XDP_PASS;
	/* RFC 5961, 4.2; after the end a newer one begins anew (RFC 6191). */
	if (s->state == KEPT || s->state == ANSWERED || s->state == LAST ||
	    (s->state == ENDED && !before(first_of(s->r->numbers), first_of(s->numbers))))
		return challenge(context, s);
	return answer_syn(context, s);
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
	__u8 *text = (__u8 *)w + AT_TCP + HEADER_BYTES, *last;
	__u32 n = s->n, place;
	struct front_known *k;
	asm volatile("" : "+r"(n)); /* one register, of which the bounds are known */
	if (s->header != HEADER_BYTES || n < FRONT_REQUEST_LEAST || n > FRONT_REQUEST_MAX ||
	    text + FRONT_REQUEST_LEAST > (__u8 *)end)
		return -1;
	place = front_place((__u64 *)text, n) & (FRONT_PLACES - 1);
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

/* Whether the peer takes the answer whole. */
static __always_inline int takes(const struct segment *s, __u32 size)
{
	__u32 said = said_of(s->kept), scale = said & 15;
	__u32 window = (__u32)bpf_ntohs((__u16)(s->rest >> 16)) << (scale == NO_SCALE ? 0 : scale);
	return size <= rules.sizes[said >> 4 & 7] && size <= rules.mss && size <= window;
}

/* The answer of a place, with these numbers. */
static __always_inline int say_answer(struct xdp_md *context, const struct segment *s, __u32 place,
                                      __u64 numbers)
{
	const struct front_known *k = &known[place & (FRONT_PLACES - 1)];
	__u32 size = k->answer;
	if (size > FRONT_ANSWER_MAX ||
	    exo_arena_tail(&answers, (__u64)place << 12, context, AT_TCP + HEADER_BYTES, size))
		return XDP_DROP;
	return say(context, s, ACK | PSH | (k->ends & FIN), numbers, HEADER_BYTES, size, k->sum);
}

/* The stack takes it, by its cookie. */
static __always_inline int give_up(const struct segment *s)
{
	change(s->r, s->kept, with_state(s->kept, GIVEN));
	return XDP_PASS;
}

/* The next segment, all of ours acknowledged. The request is as it was understood once, and follows
 * what only the peer can know: so no bit of the segment that matters is damaged, whatever its
 * checksum. */
static __always_inline int answer(struct xdp_md *context, const struct segment *s)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	int place = find_known(w, end, s), first = s->state == ASKED;
	__u32 size, theirs = first_of(s->numbers) + s->n, ours = second_of(s->numbers);
	const struct front_known *k;
	__u64 ends;
	if (place < 0)
		return first ? give_up(s) : XDP_PASS;
	k = &known[place & (FRONT_PLACES - 1)];
	size = k->answer;
	ends = k->ends & 1;
	if (size == 0 || !takes(s, size))
		return first ? give_up(s) : XDP_PASS;
	if (!seize(s->r, s->kept))
		return XDP_DROP;
	s->r->numbers = pair(theirs, ours + size + (__u32)ends);
	if (first) {
		macs[s->place & (FRONT_RECORDS - 1)] = *quad_at(w, 3);
		count(&counts.opened, 0);
	}
	*(volatile __u64 *)&s->r->who = s->tag | (__u64)place << PLACE_SHIFT |
	                                (s->kept & 0x7f << SAID_SHIFT) | (KEPT + ends);
	if (first != (int)ends)
		count(first ? &counts.kept : &counts.left, 0);
	count(&counts.answered, 0);
	__sync_fetch_and_add(&counts.bytes, size);
	return say_answer(context, s, (__u32)place, pair(ours, theirs));
}

_Static_assert(ANSWERED == KEPT + 1, "by whether it ends");

/* The last request again, alone or with what follows it: its answer was lost. */
static __always_inline int answer_again(struct xdp_md *context, const struct segment *s)
{
	__u32 place = place_of(s->kept), theirs = first_of(s->r->numbers);
	const struct front_known *k = &known[place];
	count(&counts.again, 0);
	return say_answer(context, s, place,
	                  pair(second_of(s->r->numbers) - k->answer - (k->ends & 1), theirs));
}

/* ---- Ends ---- */

/* After the answer that was the last one, in order: what follows the request is thrown away, as the
 * answer said that it would be. */
static __always_inline int on_more(struct xdp_md *context, const struct segment *s)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 fin = s->flags & FIN;
	__u64 next;
	if (w + T_OPTIONS > end || !is_right(context, w, s))
		return XDP_PASS; /* the stack drops and counts it */
	next = pair(first_of(s->numbers) + s->n + fin, second_of(s->numbers));
	if (!seize(s->r, s->kept))
		return XDP_DROP;
	s->r->numbers = next;
	*(volatile __u64 *)&s->r->who = fin ? with_state(s->kept, ENDED) : s->kept;
	return count(fin ? &counts.ended : &counts.replied,
	             say_short(context, s, ACK, turned(next)));
}

/* They end first, and we with them. */
static __always_inline int on_fin(struct xdp_md *context, const struct segment *s)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 theirs = first_of(s->numbers) + 1, ours = second_of(s->numbers);
	if (w + T_OPTIONS > end || !is_right(context, w, s))
		return XDP_PASS;
	if (!seize(s->r, s->kept))
		return XDP_DROP;
	s->r->numbers = pair(theirs, ours + 1);
	*(volatile __u64 *)&s->r->who = with_state(s->kept, LAST);
	count(&counts.left, 0);
	return count(&counts.ended, say_short(context, s, FIN | ACK, pair(ours, theirs)));
}

static __always_inline int on_reset(struct xdp_md *context, const struct segment *s)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	__u32 ahead = first_of(s->numbers) - first_of(s->r->numbers);
	if (s->state == KEPT && ahead - 1 < AHEAD_MAX - 1) /* RFC 5961, 3.2 */
		return challenge(context, s);
	if (ahead != 0 || s->state == ENDED) /* RFC 1337 */
		return count(&counts.taken, XDP_DROP);
	if (w + T_OPTIONS > end || !is_right(context, w, s))
		return XDP_PASS;
	if (s->state == KEPT)
		count(&counts.left, 0);
	change(s->r, s->kept, 0);
	return count(&counts.taken, XDP_DROP);
}

/* ---- All together ---- */

/* What is next, before the last answer: a request, their end, or for the stack. */
static __always_inline int on_next(struct xdp_md *context, const struct segment *s)
{
	__u32 more = s->flags & ~PSH;
	if (more == ACK)
		return s->n ? answer(context, s) : count(&counts.taken, XDP_DROP);
	if (s->state == ASKED)
		return give_up(s);
	return more == (FIN | ACK) && !s->n ? on_fin(context, s) : XDP_PASS;
}

/* What it acknowledges lies in the last answer, or is just that; what it repeats reaches to the
 * request's end. */
static __always_inline int comes_again(const struct segment *s, __u32 behind, __u32 left)
{
	const struct front_known *k = &known[place_of(s->kept)];
	return left && left <= k->answer + (k->ends & 1) && behind <= BACK_MAX && s->n >= behind;
}

/* Not what is next, of a connection that stays: `behind` the next number, or ahead, and `left` to
 * be acknowledged. */
static __always_inline int on_odd(struct xdp_md *context, const struct segment *s, __u32 behind,
                                  __u32 left)
{
	const struct front_known *k = &known[place_of(s->kept)];
	int says = s->n || s->flags & FIN, known_left = left <= k->answer;
	if ((__s32)behind > 0)
		return comes_again(s, behind, left) ? answer_again(context, s)
		                                    : challenge(context, s);
	if (-behind >= AHEAD_MAX || !known_left)
		return challenge(context, s);
	/* More requests than one at a time, or some that were lost: the stack keeps more. */
	return says ? XDP_PASS : count(&counts.taken, XDP_DROP);
}

/* After the last answer, and after their end. */
static __always_inline int on_late(struct xdp_md *context, const struct segment *s, __u32 behind,
                                   __u32 left)
{
	int says = s->n || s->flags & FIN;
	if (behind == 0 && left == 0) {
		if (s->state == ANSWERED && says)
			return on_more(context, s);
		if (s->state == LAST)
			change(s->r, s->kept, with_state(s->kept, ENDED));
		return count(&counts.taken, XDP_DROP);
	}
	if (s->state == LAST && behind == 1 && left == 1 && s->flags & FIN)
		return count(&counts.replied,
		             say_short(context, s, FIN | ACK,
		                       turned(s->r->numbers) - ((__u64)bpf_htonl(1))));
	if (behind != 0 && left == 0)
		return challenge(context, s);
	/* They'll say it again when they have the answer. */
	if (s->state == ANSWERED && (__s32)behind > 0 && comes_again(s, behind, left))
		return answer_again(context, s);
	return count(&counts.taken, XDP_DROP);
}

static __always_inline int on_segment(struct xdp_md *context, const struct segment *s)
{
	__u64 next = s->r->numbers;
	__u32 behind, left;
	if (s->flags == SYN)
		return on_syn(context, s);
	if (s->flags & RST)
		return on_reset(context, s);
	if ((s->flags & (SYN | ACK)) != ACK) {
		if (s->state == ASKED)
			return give_up(s);
		return s->state == KEPT && s->flags & SYN ? challenge(context, s)
		                                          : count(&counts.taken, XDP_DROP);
	}
	if (s->state <= KEPT && s->numbers == next)
		return on_next(context, s);
	if (s->state == ASKED)
		return give_up(s);
	behind = first_of(next) - first_of(s->numbers);
	left = second_of(next) - second_of(s->numbers);
	return s->state == KEPT ? on_odd(context, s, behind, left)
	                        : on_late(context, s, behind, left);
}

/* Whose record it is, and what that says. */
static __always_inline void find_record(struct segment *s)
{
	__u64 mixed = ((__u32)s->ends | (__u64)(s->ports & 0xffff) << 32) * rules.spread;
	s->place = (__u32)(mixed >> TAG_BITS) & (FRONT_RECORDS - 1);
	s->r = &records[s->place];
	s->tag = mixed << TAG_SHIFT;
	s->kept = s->r->who;
	s->state = (s->kept ^ s->tag) >> TAG_SHIFT ? FREE : s->kept & STATE;
}

SEC("xdp")
int front(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data, *end = (void *)(long)context->data_end;
	struct segment s;
	__u32 length;
	if (!is_segment(w, end))
		return XDP_PASS;
	s.ends = *quad_at(w, W_SOURCE);
	s.ports = *long_at(w, W_L4);
	s.rest = *quad_at(w, T_FLAGS);
	/* ECE and CWR mean nothing to who agrees to no ECN (RFC 3168, 6.1.1). */
	s.flags = (__u8)(s.rest >> 8) & ~(ECE | CWR);
	find_record(&s);
	if ((s.state == FREE || s.state == GIVEN) && s.flags != SYN)
		return XDP_PASS;
	if (s.state == BUSY)
		return count(&counts.taken, XDP_DROP);
	s.numbers = *quad_at(w, T_SEQUENCE);
	s.header = (__u32)(s.rest >> 4 & 15) << 2;
	length = bpf_ntohs(w[W_LENGTH]);
	s.n = length - 20 - s.header;
	if (s.header < HEADER_BYTES || s.n > 0xffff || frame_bytes(context) < 14 + length)
		return XDP_PASS;
	return on_segment(context, &s);
}

/* ---- For the environment ---- */

SEC("call")
__u64 front_take(__u64 peer)
{
	__u64 mixed = peer * rules.spread, kept, numbers;
	__u32 at = (__u32)(mixed >> TAG_BITS) & (FRONT_RECORDS - 1);
	struct record *r = &records[at];
	kept = r->who;
	if ((kept ^ mixed << TAG_SHIFT) >> TAG_SHIFT)
		return 0;
	if ((kept & STATE) != KEPT)
		return (kept & STATE) == BUSY ? FRONT_AGAIN : 0;
	if (!seize(r, kept))
		return FRONT_AGAIN;
	numbers = r->numbers;
	*(__u64 *)taken.mac = macs[at];
	taken.theirs = first_of(numbers);
	taken.ours = second_of(numbers);
	taken.said = (__u8)said_of(kept);
	taken.place = (__u8)place_of(kept);
	*(volatile __u64 *)&r->who = with_state(kept, GIVEN);
	return count(&counts.left, 1);
}

/* The peer of a record cannot be worked out here: what was multiplied is. */
SEC("call")
__u64 front_age(__u64 first)
{
	for (__u32 i = 0; i < FRONT_AGED; i++) {
		__u32 at = ((__u32)first + i) & (FRONT_RECORDS - 1);
		struct record *r = &records[at];
		__u64 kept = r->who;
		__u32 state = kept & 7, age = kept >> AGE_SHIFT & 15;
		if (state <= BUSY)
			continue;
		if (age < ((__u32)AGES >> (4 * state) & 15)) {
			change(r, kept, kept + (1 << AGE_SHIFT));
		} else if (state == KEPT) {
			old = (__u64)at << TAG_BITS | kept >> TAG_SHIFT;
			return (first + i + 1) | FRONT_OLD;
		} else {
			change(r, kept, 0);
		}
	}
	return first + FRONT_AGED;
}

char _license[] SEC("license") = "Dual BSD/GPL";
