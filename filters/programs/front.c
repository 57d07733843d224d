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
#include "front_segment.h"

enum state {
	FREE,
	GIVEN, /* the stack's */
	BUSY,
	ASKED,    /* SYN answered */
	KEPT,     /* requests answered; more may come */
	ANSWERED, /* the last one, with FIN */
	LAST,     /* their FIN, with ours */
	ENDED,
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
	/* When a record is forgotten, or (KEPT) handed over: a digit for each state. */
	AGES = 0x48828080,
};

_Static_assert(FRONT_RECORDS == 1 << (48 - TAG_BITS), "a record for each number");
_Static_assert(FRONT_PLACES == 16, "a place is four bits of a record");

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

/* Nobody else changes it from then on. */
static __always_inline int seize(struct record *r, __u64 kept)
{
	__u64 was = __sync_val_compare_and_swap(&r->who, kept, with_state(kept, BUSY));
	return was == kept;
}

/* Last: the machine's stores are seen in order, the compiler's have to be held. */
static __always_inline void release(struct record *r, __u64 who)
{
	asm volatile("" ::: "memory");
	*(volatile __u64 *)&r->who = who;
}

/* The same where the numbers, too, are still those that were seen. */
static __always_inline int seize_same(const struct question *q)
{
	if (!seize(q->r, q->kept))
		return 0;
	if (q->r->numbers == q->next)
		return 1;
	release(q->r, q->kept);
	return 0;
}

/* Where somebody else has changed the record meanwhile, the change is theirs. */
static __always_inline void change(struct record *r, __u64 from, __u64 to)
{
	__sync_val_compare_and_swap(&r->who, from, to);
}

static __always_inline int count(__u64 *counter, int action)
{
	__sync_fetch_and_add(counter, 1);
	return action;
}

/* ---- Out ---- */

static __always_inline int say_short(struct xdp_md *context, const struct question *q, __u32 flags,
                                     __u64 numbers)
{
	turn_around(q, flags, numbers, HEADER_BYTES, 0, 0);
	if (q->s.end - (__u8 *)q->s.w != AT_TCP + HEADER_BYTES && fit(context, HEADER_BYTES, 0))
		return XDP_DROP;
	return XDP_TX | SUMMED;
}

/* To a segment that should not be, or that is old: it may be forged, so there is an end to it (RFC
 * 5961, 7). */
static __always_inline int challenge(struct xdp_md *context, const struct question *q)
{
	if (limit.period != rules.period) {
		limit.period = rules.period;
		limit.n = 0;
	}
	if (limit.n >= CHANGES_MAX)
		return count(&counts.taken, XDP_DROP);
	limit.n++;
	return count(&counts.replied, say_short(context, q, ACK, turned(q->next)));
}

/* ---- SYN ---- */

/* As static_cookie_make has it. */
static __always_inline __u32 cookie(const struct question *q, __u32 said)
{
	__u32 period = rules.period;
	__u64 end = (__u64)bpf_ntohl((__u32)q->s.ends) << 32 | bpf_ntohs((__u16)q->s.ports);
	return period << PERIOD_SHIFT | said << COOKIE_SAID_SHIFT |
	       ((__u32)sip(1, 3, rules.key, end,
	                   (__u64)first_of(q->s.numbers) << 32 | (period << 7 | said)) &
	        ((1u << COOKIE_SAID_SHIFT) - 1));
}

static __always_inline __u32 index_of(__u32 mss)
{
	__u32 index = 7;
	while (index > 0 && rules.sizes[index & 7] > mss)
		index--;
	return index;
}

/* Not over somebody else's who still has to hear something, or to be heard. */
static __always_inline void record(const struct question *q, __u32 said, __u32 ours)
{
	struct record *r = q->r;
	__u64 kept = r->who;
	__u32 state = kept & STATE;
	if (state == BUSY || (q->state == FREE && state >= KEPT && state <= LAST) ||
	    !seize(r, kept))
		return;
	r->numbers = pair(first_of(q->s.numbers) + 1, ours + 1);
	release(r, q->tag | said << SAID_SHIFT | ASKED);
}

static __always_inline int answer_syn(struct xdp_md *context, const struct question *q)
{
	__u32 *option, ours, header, index;
	struct options o = {.mss = MSS_DEFAULT, .scale = NO_SCALE};
	__u64 sum;
	if (q->s.n || !is_for_us(q) || !take_options(&q->s, &o) || !is_right(context, &q->s))
		return XDP_PASS;
	header = o.scale == NO_SCALE ? HEADER_BYTES + 4 : HEADER_BYTES + 8;
	/* Who asks so briefly does it in a frame that is stretched to 60 bytes. */
	option = (__u32 *)(q->s.w + T_OPTIONS);
	STAY(option);
	if ((__u8 *)(option + 1) > q->s.end)
		return XDP_PASS;
	STAY(option);
	if (o.scale != NO_SCALE) {
		if ((__u8 *)(option + 2) > q->s.end)
			return XDP_PASS;
		STAY(option);
		option[1] = bpf_htonl(1 << 24 | 3 << 16 | 3 << 8);
	}
	index = index_of(o.mss);
	ours = cookie(q, index << 4 | o.scale);
	option[0] = bpf_htonl(2 << 24 | 4 << 16 | rules.mss);
	sum = bpf_htonl(2 << 24 | 4 << 16 | rules.mss);
	if (o.scale != NO_SCALE)
		sum += bpf_htonl(1 << 24 | 3 << 16 | 3 << 8);
	record(q, index << 4 | (o.scale == NO_SCALE ? 0 : o.scale), ours);
	turn_around(q, SYN | ACK, pair(ours, first_of(q->s.numbers) + 1), header, 0, sum);
	if (q->s.end - (__u8 *)q->s.w != AT_TCP + header && fit(context, header, 0))
		return XDP_DROP;
	return count(&counts.asked, XDP_TX | SUMMED);
}

static __always_inline int on_syn(struct xdp_md *context, const struct question *q)
{
	if (q->state == GIVEN)
		return XDP_PASS;
	/* RFC 5961, 4.2; after the end a newer one begins anew (RFC 6191). */
	if (q->state == KEPT || q->state == ANSWERED || q->state == LAST ||
	    (q->state == ENDED && !before(first_of(q->next), first_of(q->s.numbers))))
		return challenge(context, q);
	return answer_syn(context, q);
}

/* ---- Requests ---- */

static __always_inline int is_same(const __u64 *text, const __u8 *bytes)
{
	const __u64 *b = (const __u64 *)bytes;
	return text[0] == b[0] && text[1] == b[1] && text[2] == b[2] && text[3] == b[3];
}

/* The request that the segment is, and its place; NULL: it is none that is known. */
static __always_inline const struct front_known *find_known(const struct question *q, __u32 *place)
{
	__u64 *text = (__u64 *)(q->s.w + T_OPTIONS), *at;
	const struct front_known *k;
	__u32 n = q->s.n;
	STAY(n); /* one register, of which the bounds are known */
	if (q->s.header != HEADER_BYTES || n < FRONT_REQUEST_LEAST || n > FRONT_REQUEST_MAX ||
	    (__u8 *)(text + 4) > q->s.end)
		return NULL;
	STAY(text);
	*place = front_place(text, n) & (FRONT_PLACES - 1);
	k = &known[*place];
	STAY(k);
	if (k->size != n || !is_same(text, k->bytes))
		return NULL;
	for (__u32 i = 32; i + 32 <= FRONT_REQUEST_MAX && i + 32 <= n; i += 32) {
		at = (__u64 *)((__u8 *)text + i);
		if ((__u8 *)(at + 4) > q->s.end)
			return NULL;
		STAY(at);
		if (!is_same(at, k->bytes + i))
			return NULL;
	}
	if (n % 32 == 0)
		return k;
	at = (__u64 *)((__u8 *)text + (n - 32));
	if ((__u8 *)(at + 4) > q->s.end)
		return NULL;
	STAY(at);
	return is_same(at, k->bytes + (n - 32)) ? k : NULL;
}

/* Whether the peer takes the answer whole. */
static __always_inline int takes(const struct question *q, const struct front_known *k)
{
	__u32 said = said_of(q->kept), window = bpf_ntohs((__u16)(q->s.rest >> 16));
	return said >> 4 >= k->least && window << (said & 15) >= k->answer;
}

/* The answer of a place, with these numbers. */
static __always_inline int say_answer(struct xdp_md *context, const struct question *q,
                                      const struct front_known *k, __u32 place, __u64 numbers)
{
	__u32 size = k->answer;
	if (size > FRONT_ANSWER_MAX)
		return XDP_DROP;
	turn_around(q, ACK | PSH | (k->ends & FIN), numbers, HEADER_BYTES, size, k->sum);
	if (exo_arena_tail(&answers, (__u64)place << 12, context, AT_TCP + HEADER_BYTES, size))
		return XDP_DROP;
	return XDP_TX | SUMMED;
}

/* The stack takes it, by its cookie. */
static __always_inline int give_up(const struct question *q)
{
	change(q->r, q->kept, with_state(q->kept, GIVEN));
	return XDP_PASS;
}

/* The next segment, all of ours acknowledged. The request is as it was understood once, and follows
 * what only the peer can know: so no bit of the segment that matters is damaged, whatever its
 * checksum. */
static __always_inline int answer(struct xdp_md *context, const struct question *q)
{
	__u32 theirs = first_of(q->s.numbers) + q->s.n, ours = second_of(q->s.numbers), place = 0;
	const struct front_known *k = find_known(q, &place);
	__u64 ends;
	if (!k || !takes(q, k))
		return q->state == ASKED ? give_up(q) : XDP_PASS;
	if (!seize_same(q))
		return XDP_DROP;
	ends = k->ends & 1;
	q->r->numbers = pair(theirs, ours + k->answer + (__u32)ends);
	if (q->state == ASKED) {
		macs[q->place & (FRONT_RECORDS - 1)] = *quad_at(q->s.w, 3);
		count(&counts.opened, 0);
		if (!ends)
			count(&counts.kept, 0);
	} else if (ends) {
		count(&counts.left, 0);
	}
	release(q->r,
	        q->tag | place << PLACE_SHIFT | (q->kept & 0x7f << SAID_SHIFT) | (KEPT + ends));
	count(&counts.answered, 0);
	__sync_fetch_and_add(&counts.bytes, k->answer);
	return say_answer(context, q, k, place, pair(ours, theirs));
}

_Static_assert(ANSWERED == KEPT + 1, "by whether it ends");

/* The last request again, alone or with what follows it: its answer was lost. */
static __always_inline int answer_again(struct xdp_md *context, const struct question *q)
{
	__u32 place = place_of(q->kept), theirs = first_of(q->next);
	const struct front_known *k = &known[place];
	__u32 ours = second_of(q->next) - k->answer - (k->ends & 1);
	count(&counts.again, 0);
	return say_answer(context, q, k, place, pair(ours, theirs));
}

/* ---- Ends ---- */

/* After the answer that was the last one, in order: what follows the request is thrown away, as the
 * answer said that it would be. */
static __always_inline int on_more(struct xdp_md *context, const struct question *q)
{
	__u32 fin = q->s.flags & FIN;
	__u64 next;
	if (!is_right(context, &q->s))
		return XDP_PASS; /* the stack drops and counts it */
	next = pair(first_of(q->s.numbers) + q->s.n + fin, second_of(q->s.numbers));
	if (!seize_same(q))
		return XDP_DROP;
	q->r->numbers = next;
	release(q->r, fin ? with_state(q->kept, ENDED) : q->kept);
	count(fin ? &counts.ended : &counts.replied, 0);
	return say_short(context, q, ACK, turned(next));
}

/* They end first, and we with them. */
static __always_inline int on_fin(struct xdp_md *context, const struct question *q)
{
	__u32 theirs = first_of(q->s.numbers) + 1, ours = second_of(q->s.numbers);
	if (!is_right(context, &q->s))
		return XDP_PASS;
	if (!seize_same(q))
		return XDP_DROP;
	q->r->numbers = pair(theirs, ours + 1);
	release(q->r, with_state(q->kept, LAST));
	count(&counts.left, 0);
	count(&counts.ended, 0);
	return say_short(context, q, FIN | ACK, pair(ours, theirs));
}

static __always_inline int on_reset(struct xdp_md *context, const struct question *q)
{
	__u32 ahead = first_of(q->s.numbers) - first_of(q->next);
	if (q->state == KEPT && ahead - 1 < AHEAD_MAX - 1) /* RFC 5961, 3.2 */
		return challenge(context, q);
	if (ahead != 0 || q->state == ENDED) /* RFC 1337 */
		return count(&counts.taken, XDP_DROP);
	if (!is_right(context, &q->s))
		return XDP_PASS;
	if (q->state == KEPT)
		count(&counts.left, 0);
	change(q->r, q->kept, 0);
	return count(&counts.taken, XDP_DROP);
}

/* ---- All together ---- */

/* What is next, and all of ours is acknowledged. */
static __always_inline int on_next(struct xdp_md *context, const struct question *q)
{
	__u32 more = q->s.flags & ~PSH;
	if (more == ACK && !q->s.n) {
		if (q->state == LAST)
			change(q->r, q->kept, with_state(q->kept, ENDED));
		return count(&counts.taken, XDP_DROP);
	}
	if (q->state == ANSWERED)
		return on_more(context, q);
	if (q->state > KEPT)
		return count(&counts.taken, XDP_DROP);
	if (more == ACK)
		return answer(context, q);
	if (q->state == ASKED)
		return give_up(q);
	return more == (FIN | ACK) && !q->s.n ? on_fin(context, q) : XDP_PASS;
}

/* What it acknowledges lies in the last answer; what it repeats reaches to the request's end. */
static __always_inline int comes_again(const struct question *q, __u32 behind, __u32 left)
{
	const struct front_known *k = &known[place_of(q->kept)];
	return left && left <= k->answer + (k->ends & 1) && behind - 1 < BACK_MAX &&
	       q->s.n >= behind;
}

/* Not what is next, of a connection that stays: `behind` the next number, or ahead, and `left` to
 * be acknowledged. */
static __always_inline int on_odd(struct xdp_md *context, const struct question *q, __u32 behind,
                                  __u32 left)
{
	const struct front_known *k = &known[place_of(q->kept)];
	if (comes_again(q, behind, left))
		return answer_again(context, q);
	if (-behind >= AHEAD_MAX || left > k->answer)
		return challenge(context, q);
	/* More requests than one at a time, or some that were lost: the stack keeps more. */
	if (q->s.n || q->s.flags & FIN)
		return XDP_PASS;
	return count(&counts.taken, XDP_DROP);
}

/* After the last answer, and after their end. */
static __always_inline int on_late(struct xdp_md *context, const struct question *q, __u32 behind,
                                   __u32 left)
{
	if (left == 0)
		return challenge(context, q);
	if (q->state == LAST && behind == 1 && left == 1 && q->s.flags & FIN)
		return count(&counts.replied,
		             say_short(context, q, FIN | ACK,
		                       pair(second_of(q->next) - 1, first_of(q->next))));
	/* They'll say it again when they have the answer. */
	if (q->state == ANSWERED && comes_again(q, behind, left))
		return answer_again(context, q);
	return count(&counts.taken, XDP_DROP);
}

/* A segment without ACK, or with more. */
static __always_inline int on_start(struct xdp_md *context, const struct question *q)
{
	if (q->s.flags == SYN)
		return on_syn(context, q);
	if (q->s.flags & RST)
		return on_reset(context, q);
	if (q->state == ASKED)
		return give_up(q);
	return q->state == KEPT && q->s.flags & SYN ? challenge(context, q)
	                                            : count(&counts.taken, XDP_DROP);
}

static __always_inline int on_segment(struct xdp_md *context, const struct question *q)
{
	__u32 behind, left;
	if ((q->s.flags & (SYN | RST | ACK)) != ACK)
		return on_start(context, q);
	if (q->s.numbers == q->next)
		return on_next(context, q);
	if (q->state == ASKED)
		return give_up(q);
	if (*(volatile __u64 *)&q->r->who != q->kept) /* then the numbers are of something else */
		return count(&counts.taken, XDP_DROP);
	behind = first_of(q->next) - first_of(q->s.numbers);
	left = second_of(q->next) - second_of(q->s.numbers);
	return q->state == KEPT ? on_odd(context, q, behind, left)
	                        : on_late(context, q, behind, left);
}

/* Whose record it is, and what that says. */
static __always_inline void find_record(struct question *q)
{
	__u64 mixed = ((__u32)q->s.ends | (__u64)(__u16)q->s.ports << 32) * rules.spread;
	q->place = (__u32)(mixed >> TAG_BITS) & (FRONT_RECORDS - 1);
	q->r = &records[q->place];
	STAY(q->r);
	q->tag = mixed << TAG_SHIFT;
	q->kept = q->r->who;
	q->state = q->kept & STATE;
	if ((q->kept ^ q->tag) >> TAG_SHIFT)
		q->state = FREE;
}

SEC("xdp")
int front(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data;
	struct question q = {.s.end = (void *)(long)context->data_end};
	__u32 length;
	if ((__u8 *)(w + T_OPTIONS) > q.s.end)
		return XDP_PASS;
	STAY(w);
	if ((*quad_at(w, W_TYPE) & 0xffffff) != 0x450008 ||
	    (*long_at(w, W_FRAGMENT) & bpf_htonl(0x3fff00ff)) != bpf_htonl(TCP))
		return XDP_PASS;
	q.s.w = w;
	q.s.ends = *quad_at(w, W_SOURCE);
	q.s.ports = *long_at(w, W_L4);
	q.s.rest = *quad_at(w, T_FLAGS);
	/* ECE and CWR mean nothing to who agrees to no ECN (RFC 3168, 6.1.1). */
	q.s.flags = (__u32)(q.s.rest >> 8) & 0x3f;
	find_record(&q);
	if (q.state <= GIVEN && q.s.flags != SYN)
		return XDP_PASS;
	if (q.state == BUSY)
		return count(&counts.taken, XDP_DROP);
	q.s.numbers = *quad_at(w, T_SEQUENCE);
	q.next = q.r->numbers;
	/* Most of what comes: an acknowledgement with nothing else, in a header without options. */
	if (q.s.numbers == q.next && (__u16)q.s.rest == bpf_htons(0x5000 | ACK) &&
	    w[W_LENGTH] == bpf_htons(40) && q.state != LAST)
		return count(&counts.taken, XDP_DROP);
	q.s.header = (__u32)(q.s.rest >> 2) & 0x3c;
	length = bpf_ntohs(w[W_LENGTH]);
	q.s.n = length - 20 - q.s.header;
	if (q.s.header < HEADER_BYTES || q.s.n > 0xffff || q.s.end - (__u8 *)w < 14 + length)
		return XDP_PASS;
	return on_segment(context, &q);
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
	release(r, with_state(kept, GIVEN));
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
		if (state == FREE || state == BUSY)
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
