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
static __always_inline int seize_same(const struct segment *s)
{
	if (!seize(s->r, s->kept))
		return 0;
	if (s->r->numbers == s->next)
		return 1;
	release(s->r, s->kept);
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

static __always_inline int say_short(struct xdp_md *context, const struct segment *s, __u32 flags,
                                     __u64 numbers)
{
	turn(s, flags, numbers, HEADER_BYTES, 0, 0);
	if (s->end - (__u8 *)s->w != AT_TCP + HEADER_BYTES && fit(context, HEADER_BYTES, 0))
		return XDP_DROP;
	return XDP_TX | SUMMED;
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
	return count(&counts.replied, say_short(context, s, ACK, turned(s->next)));
}

/* ---- SYN ---- */

/* As static_cookie_make has it. */
static __always_inline __u32 cookie(const struct segment *s, __u32 said)
{
	__u32 period = rules.period;
	__u64 end = (__u64)bpf_ntohl((__u32)s->ends) << 32 | bpf_ntohs((__u16)s->ports);
	return period << PERIOD_SHIFT | said << COOKIE_SAID_SHIFT |
	       ((__u32)sip(1, 3, rules.key, end,
	                   (__u64)first_of(s->numbers) << 32 | (period << 7 | said)) &
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
static __always_inline void record(const struct segment *s, __u32 said, __u32 ours)
{
	struct record *r = s->r;
	__u64 kept = r->who;
	__u32 state = kept & STATE;
	if (state == BUSY || (s->state == FREE && state >= KEPT && state <= LAST) ||
	    !seize(r, kept))
		return;
	r->numbers = pair(first_of(s->numbers) + 1, ours + 1);
	release(r, s->tag | said << SAID_SHIFT | ASKED);
}

static __always_inline int answer_syn(struct xdp_md *context, const struct segment *s)
{
	__u32 *option, ours, header, index;
	struct options o;
	__u64 sum;
	if (s->n || !is_between_hosts(s) || !take_options(s, &o) || !is_right(context, s))
		return XDP_PASS;
	header = o.scale == NO_SCALE ? HEADER_BYTES + 4 : HEADER_BYTES + 8;
	/* Who asks so briefly does it in a frame that is stretched to 60 bytes. */
	option = (__u32 *)(s->w + T_OPTIONS);
	STAY(option);
	if ((__u8 *)(option + 1) > s->end)
		return XDP_PASS;
	STAY(option);
	if (o.scale != NO_SCALE) {
		if ((__u8 *)(option + 2) > s->end)
			return XDP_PASS;
		STAY(option);
		option[1] = bpf_htonl(1 << 24 | 3 << 16 | 3 << 8);
	}
	index = index_of(o.mss);
	ours = cookie(s, index << 4 | o.scale);
	option[0] = bpf_htonl(2 << 24 | 4 << 16 | rules.mss);
	sum = bpf_htonl(2 << 24 | 4 << 16 | rules.mss);
	if (o.scale != NO_SCALE)
		sum += bpf_htonl(1 << 24 | 3 << 16 | 3 << 8);
	record(s, index << 4 | (o.scale == NO_SCALE ? 0 : o.scale), ours);
	turn(s, SYN | ACK, pair(ours, first_of(s->numbers) + 1), header, 0, sum);
	if (s->end - (__u8 *)s->w != AT_TCP + header && fit(context, header, 0))
		return XDP_DROP;
	return count(&counts.asked, XDP_TX | SUMMED);
}

static __always_inline int on_syn(struct xdp_md *context, const struct segment *s)
{
	if (s->state == GIVEN)
		return XDP_PASS;
	/* RFC 5961, 4.2; after the end a newer one begins anew (RFC 6191). */
	if (s->state == KEPT || s->state == ANSWERED || s->state == LAST ||
	    (s->state == ENDED && !before(first_of(s->next), first_of(s->numbers))))
		return challenge(context, s);
	return answer_syn(context, s);
}

/* ---- Requests ---- */

static __always_inline int is_same(const __u64 *text, const __u8 *bytes)
{
	const __u64 *b = (const __u64 *)bytes;
	return text[0] == b[0] && text[1] == b[1] && text[2] == b[2] && text[3] == b[3];
}

/* The request that the segment is, and its place; NULL: it is none that is known. */
static __always_inline const struct front_known *find_known(const struct segment *s, __u32 *place)
{
	__u64 *text = (__u64 *)(s->w + T_OPTIONS), *at;
	const struct front_known *k;
	__u32 n = s->n;
	STAY(n); /* one register, of which the bounds are known */
	if (s->header != HEADER_BYTES || n < FRONT_REQUEST_LEAST || n > FRONT_REQUEST_MAX ||
	    (__u8 *)(text + 4) > s->end)
		return NULL;
	STAY(text);
	*place = front_place(text, n) & (FRONT_PLACES - 1);
	k = &known[*place];
	STAY(k);
	if (k->size != n || !is_same(text, k->bytes))
		return NULL;
	for (__u32 i = 32; i + 32 <= FRONT_REQUEST_MAX && i + 32 <= n; i += 32) {
		at = (__u64 *)((__u8 *)text + i);
		if ((__u8 *)(at + 4) > s->end)
			return NULL;
		STAY(at);
		if (!is_same(at, k->bytes + i))
			return NULL;
	}
	if (n % 32 == 0)
		return k;
	at = (__u64 *)((__u8 *)text + (n - 32));
	if ((__u8 *)(at + 4) > s->end)
		return NULL;
	STAY(at);
	return is_same(at, k->bytes + (n - 32)) ? k : NULL;
}

/* Whether the peer takes the answer whole. */
static __always_inline int takes(const struct segment *s, const struct front_known *k)
{
	__u32 said = said_of(s->kept), window = bpf_ntohs((__u16)(s->rest >> 16));
	return said >> 4 >= k->least && window << (said & 15) >= k->answer;
}

/* The answer of a place, with these numbers. */
static __always_inline int say_answer(struct xdp_md *context, const struct segment *s,
                                      const struct front_known *k, __u32 place, __u64 numbers)
{
	__u32 size = k->answer;
	if (size > FRONT_ANSWER_MAX)
		return XDP_DROP;
	turn(s, ACK | PSH | (k->ends & FIN), numbers, HEADER_BYTES, size, k->sum);
	if (exo_arena_tail(&answers, (__u64)place << 12, context, AT_TCP + HEADER_BYTES, size))
		return XDP_DROP;
	return XDP_TX | SUMMED;
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
	__u32 theirs = first_of(s->numbers) + s->n, ours = second_of(s->numbers), place = 0;
	const struct front_known *k = find_known(s, &place);
	__u64 ends;
	if (!k || !takes(s, k))
		return s->state == ASKED ? give_up(s) : XDP_PASS;
	if (!seize_same(s))
		return XDP_DROP;
	ends = k->ends & 1;
	s->r->numbers = pair(theirs, ours + k->answer + (__u32)ends);
	if (s->state == ASKED) {
		macs[s->place & (FRONT_RECORDS - 1)] = *quad_at(s->w, 3);
		count(&counts.opened, 0);
		if (!ends)
			count(&counts.kept, 0);
	} else if (ends) {
		count(&counts.left, 0);
	}
	release(s->r,
	        s->tag | place << PLACE_SHIFT | (s->kept & 0x7f << SAID_SHIFT) | (KEPT + ends));
	count(&counts.answered, 0);
	__sync_fetch_and_add(&counts.bytes, k->answer);
	return say_answer(context, s, k, place, pair(ours, theirs));
}

_Static_assert(ANSWERED == KEPT + 1, "by whether it ends");

/* The last request again, alone or with what follows it: its answer was lost. */
static __always_inline int answer_again(struct xdp_md *context, const struct segment *s)
{
	__u32 place = place_of(s->kept), theirs = first_of(s->next);
	const struct front_known *k = &known[place];
	__u32 ours = second_of(s->next) - k->answer - (k->ends & 1);
	count(&counts.again, 0);
	return say_answer(context, s, k, place, pair(ours, theirs));
}

/* ---- Ends ---- */

/* After the answer that was the last one, in order: what follows the request is thrown away, as the
 * answer said that it would be. */
static __always_inline int on_more(struct xdp_md *context, const struct segment *s)
{
	__u32 fin = s->flags & FIN;
	__u64 next;
	if (!is_right(context, s))
		return XDP_PASS; /* the stack drops and counts it */
	next = pair(first_of(s->numbers) + s->n + fin, second_of(s->numbers));
	if (!seize_same(s))
		return XDP_DROP;
	s->r->numbers = next;
	release(s->r, fin ? with_state(s->kept, ENDED) : s->kept);
	count(fin ? &counts.ended : &counts.replied, 0);
	return say_short(context, s, ACK, turned(next));
}

/* They end first, and we with them. */
static __always_inline int on_fin(struct xdp_md *context, const struct segment *s)
{
	__u32 theirs = first_of(s->numbers) + 1, ours = second_of(s->numbers);
	if (!is_right(context, s))
		return XDP_PASS;
	if (!seize_same(s))
		return XDP_DROP;
	s->r->numbers = pair(theirs, ours + 1);
	release(s->r, with_state(s->kept, LAST));
	count(&counts.left, 0);
	count(&counts.ended, 0);
	return say_short(context, s, FIN | ACK, pair(ours, theirs));
}

static __always_inline int on_reset(struct xdp_md *context, const struct segment *s)
{
	__u32 ahead = first_of(s->numbers) - first_of(s->next);
	if (s->state == KEPT && ahead - 1 < AHEAD_MAX - 1) /* RFC 5961, 3.2 */
		return challenge(context, s);
	if (ahead != 0 || s->state == ENDED) /* RFC 1337 */
		return count(&counts.taken, XDP_DROP);
	if (!is_right(context, s))
		return XDP_PASS;
	if (s->state == KEPT)
		count(&counts.left, 0);
	change(s->r, s->kept, 0);
	return count(&counts.taken, XDP_DROP);
}

/* ---- All together ---- */

/* What is next, and all of ours is acknowledged. */
static __always_inline int on_next(struct xdp_md *context, const struct segment *s)
{
	__u32 more = s->flags & ~PSH;
	if (more == ACK && !s->n) {
		if (s->state == LAST)
			change(s->r, s->kept, with_state(s->kept, ENDED));
		return count(&counts.taken, XDP_DROP);
	}
	if (s->state == ANSWERED)
		return on_more(context, s);
	if (s->state > KEPT)
		return count(&counts.taken, XDP_DROP);
	if (more == ACK)
		return answer(context, s);
	if (s->state == ASKED)
		return give_up(s);
	return more == (FIN | ACK) && !s->n ? on_fin(context, s) : XDP_PASS;
}

/* What it acknowledges lies in the last answer; what it repeats reaches to the request's end. */
static __always_inline int comes_again(const struct segment *s, __u32 behind, __u32 left)
{
	const struct front_known *k = &known[place_of(s->kept)];
	return left && left <= k->answer + (k->ends & 1) && behind - 1 < BACK_MAX && s->n >= behind;
}

/* Not what is next, of a connection that stays: `behind` the next number, or ahead, and `left` to
 * be acknowledged. */
static __always_inline int on_odd(struct xdp_md *context, const struct segment *s, __u32 behind,
                                  __u32 left)
{
	const struct front_known *k = &known[place_of(s->kept)];
	if (comes_again(s, behind, left))
		return answer_again(context, s);
	if (-behind >= AHEAD_MAX || left > k->answer)
		return challenge(context, s);
	/* More requests than one at a time, or some that were lost: the stack keeps more. */
	if (s->n || s->flags & FIN)
		return XDP_PASS;
	return count(&counts.taken, XDP_DROP);
}

/* After the last answer, and after their end. */
static __always_inline int on_late(struct xdp_md *context, const struct segment *s, __u32 behind,
                                   __u32 left)
{
	if (left == 0)
		return challenge(context, s);
	if (s->state == LAST && behind == 1 && left == 1 && s->flags & FIN)
		return count(&counts.replied,
		             say_short(context, s, FIN | ACK,
		                       pair(second_of(s->next) - 1, first_of(s->next))));
	/* They'll say it again when they have the answer. */
	if (s->state == ANSWERED && comes_again(s, behind, left))
		return answer_again(context, s);
	return count(&counts.taken, XDP_DROP);
}

/* A segment without ACK, or with more. */
static __always_inline int on_start(struct xdp_md *context, const struct segment *s)
{
	if (s->flags == SYN)
		return on_syn(context, s);
	if (s->flags & RST)
		return on_reset(context, s);
	if (s->state == ASKED)
		return give_up(s);
	return s->state == KEPT && s->flags & SYN ? challenge(context, s)
	                                          : count(&counts.taken, XDP_DROP);
}

static __always_inline int on_segment(struct xdp_md *context, const struct segment *s)
{
	__u32 behind, left;
	if ((s->flags & (SYN | RST | ACK)) != ACK)
		return on_start(context, s);
	if (s->numbers == s->next)
		return on_next(context, s);
	if (s->state == ASKED)
		return give_up(s);
	if (*(volatile __u64 *)&s->r->who != s->kept) /* then the numbers are of something else */
		return count(&counts.taken, XDP_DROP);
	behind = first_of(s->next) - first_of(s->numbers);
	left = second_of(s->next) - second_of(s->numbers);
	return s->state == KEPT ? on_odd(context, s, behind, left)
	                        : on_late(context, s, behind, left);
}

/* Whose record it is, and what that says. */
static __always_inline void find_record(struct segment *s)
{
	__u64 mixed = ((__u32)s->ends | (__u64)(__u16)s->ports << 32) * rules.spread;
	s->place = (__u32)(mixed >> TAG_BITS) & (FRONT_RECORDS - 1);
	s->r = &records[s->place];
	STAY(s->r);
	s->tag = mixed << TAG_SHIFT;
	s->kept = s->r->who;
	s->state = s->kept & STATE;
	if ((s->kept ^ s->tag) >> TAG_SHIFT)
		s->state = FREE;
}

SEC("xdp")
int front(struct xdp_md *context)
{
	__u16 *w = (void *)(long)context->data;
	struct segment s = {.end = (void *)(long)context->data_end};
	__u32 length;
	if ((__u8 *)(w + T_OPTIONS) > s.end)
		return XDP_PASS;
	STAY(w);
	if ((*quad_at(w, W_TYPE) & 0xffffff) != 0x450008 ||
	    (*long_at(w, W_FRAGMENT) & bpf_htonl(0x3fff00ff)) != bpf_htonl(TCP))
		return XDP_PASS;
	s.w = w;
	s.ends = *quad_at(w, W_SOURCE);
	s.ports = *long_at(w, W_L4);
	s.rest = *quad_at(w, T_FLAGS);
	/* ECE and CWR mean nothing to who agrees to no ECN (RFC 3168, 6.1.1). */
	s.flags = (__u32)(s.rest >> 8) & 0x3f;
	find_record(&s);
	if (s.state <= GIVEN && s.flags != SYN)
		return XDP_PASS;
	if (s.state == BUSY)
		return count(&counts.taken, XDP_DROP);
	s.numbers = *quad_at(w, T_SEQUENCE);
	s.next = s.r->numbers;
	/* Most of what comes: an acknowledgement with nothing else, in a header without options. */
	if (s.numbers == s.next && (__u16)s.rest == bpf_htons(0x5000 | ACK) &&
	    w[W_LENGTH] == bpf_htons(40) && s.state != LAST)
		return count(&counts.taken, XDP_DROP);
	s.header = (__u32)(s.rest >> 2) & 0x3c;
	length = bpf_ntohs(w[W_LENGTH]);
	s.n = length - 20 - s.header;
	if (s.header < HEADER_BYTES || s.n > 0xffff || s.end - (__u8 *)w < 14 + length)
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
