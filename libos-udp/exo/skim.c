/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Acknowledgements of TCP that came in one burst, of one stream and with nothing else in them: the
 * last one says all that those before it said (RFC 9293, 3.10.7.4), which need not be read, as if
 * the network had lost them. A sender of long answers gets hundreds of them for each.
 *
 * The kernel is told so (EXO_CALL_RING_OUTDO) and leaves most of them out before anything is done
 * for them; what it took from the NIC at different times, and what it does not look at, is left to
 * us. It looks at no checksum: there the last one may turn out to be damaged, and all are lost.
 *
 * One may be left out where the next one differs from it in nothing but what every acknowledgement
 * has for itself (identification, the number, which must be higher, window, timestamps, checksums),
 * and where the one that stays has right checksums. SACK blocks, data, flags, duplicates: all of
 * that is read.
 */
#include <stddef.h>

#include <libexo/call.h>
#include <libexo/ring.h>

#include <udp/checksum.h>
#include <udp/wire.h>

#include "driver.h"

enum {
	TCP_SIZE = 20,
	TCP_ACK = 8,
	TCP_OFFSET = 12,
	TCP_FLAGS = 13,
	TCP_FLAG_ACK = 16,
	TCP_TIMESTAMPS = 12,         /* bytes of options */
	TIMESTAMP_WORD = 0x0101080a, /* RFC 7323, appendix A */
	WORDS4 = 8,                  /* of 64 bits that are compared in any case */
	BYTES = 96,                  /* that can be read for that */
	PADDED = 60,                 /* bytes that Ethernet makes of shorter frames */
	LENGTH_MAX = ETH_SIZE + IP6_SIZE + TCP_SIZE + TCP_TIMESTAMPS,
	USUAL = EXO_DESC_L3_SUM_OK | EXO_DESC_L4_SUM_OK, /* flags that may be there */
};

_Static_assert((int)LENGTH_MAX <= BYTES, "a frame is compared as a whole");

/* What such frames look like. */
struct shape {
	bool six;
	uint32_t l4, size;
	uint8_t same[BYTES]; /* 0xff: bytes that must be equal */
};

#define SAME 0xff
/* Of TCP's header at `l4`, all but acknowledgement, window and checksum. */
#define SAME_TCP(l4)                                                                               \
	[(l4)...(l4) + 7] = SAME, [(l4) + 12 ...(l4) + 13] = SAME, [(l4) + 18 ...(l4) + 19] = SAME
#define SAME_STAMPED(l4) SAME_TCP(l4), [(l4) + 20 ...(l4) + 23] = SAME
#define SAME_IP4         [0 ... 17] = SAME, [20 ... 23] = SAME, [26 ... 33] = SAME
#define SAME_IP6         [0 ... 53] = SAME

static const struct shape shapes[] = {
        {false, 34, 54, {SAME_IP4, SAME_TCP(34)}},
        {false, 34, 66, {SAME_IP4, SAME_STAMPED(34)}},
        {true, 54, 74, {SAME_IP6, SAME_TCP(54)}},
        {true, 54, 86, {SAME_IP6, SAME_STAMPED(54)}},
};

/* Of an acknowledgement with no data in a frame of `length` bytes; NULL: it is something else. */
static const struct shape *shape_of(const uint8_t *frame, uint32_t length)
{
	const uint8_t *ip = frame + ETH_SIZE, *tcp;
	bool six = wire_get16(frame + ETH_TYPE) == ETHERTYPE_IP6, stamped;
	const struct shape *shape = &shapes[six ? 2 : 0];
	uint32_t end;

	if (length < shape->size)
		return NULL;
	if (six ? ip[IP6_NEXT] != PROTOCOL_TCP
	        : wire_get16(frame + ETH_TYPE) != ETHERTYPE_IP4 || ip[IP4_VERSION_IHL] != 0x45 ||
	                    ip[IP4_PROTOCOL] != PROTOCOL_TCP ||
	                    (wire_get16(ip + IP4_FRAGMENT) & (IP4_MF | IP4_OFFSET_MASK)) != 0)
		return NULL;
	end = six ? ETH_SIZE + IP6_SIZE + wire_get16(ip + IP6_LENGTH)
	          : ETH_SIZE + wire_get16(ip + IP4_LENGTH);
	tcp = frame + shape->l4;
	stamped = tcp[TCP_OFFSET] == 0x80;
	shape += stamped;
	if (tcp[TCP_FLAGS] != TCP_FLAG_ACK || end != shape->size || length < end ||
	    (stamped ? wire_get32(tcp + TCP_SIZE) != TIMESTAMP_WORD : tcp[TCP_OFFSET] != 0x50))
		return NULL;
	return shape;
}

/* Whether its checksums are right, which hardware may have said. */
static bool is_sound(const struct shape *shape, const uint8_t *frame, uint16_t flags)
{
	const uint8_t *ip = frame + ETH_SIZE, *tcp = frame + shape->l4;
	const uint32_t addresses = shape->six ? 32 : 8, size = shape->size - shape->l4;

	if (!shape->six && !(flags & EXO_DESC_L3_SUM_OK) &&
	    udp_sum_finish(udp_sum_add(0, ip, IP4_SIZE)) != 0)
		return false;
	return (flags & EXO_DESC_L4_SUM_OK) ||
	       udp_sum_finish(udp_sum_add((PROTOCOL_TCP << 8) + __builtin_bswap16((uint16_t)size),
	                                  tcp - addresses, (size_t)addresses + size)) == 0;
}

/* The frame of a descriptor, all of whose bytes that are compared can be read; NULL: it is not so.
 */
static inline const uint8_t *frame_of(const struct udp_exo *driver, const struct exo_desc *desc)
{
	const uint64_t cookie = desc->cookie;
	const uint32_t head = desc->address & (bytes_each(driver) - 1);

	if (cookie >= driver->n_buffers || head > bytes_each(driver) - BYTES)
		return NULL;
	return bytes_of(driver, (uint32_t)cookie) + head;
}

/* Length, flags and status. */
static inline uint64_t word_of(const struct exo_desc *desc)
{
	uint64_t word;

	memcpy(&word, &desc->length, sizeof word);
	return word;
}

_Static_assert(offsetof(struct exo_desc, length) + 6 == offsetof(struct exo_desc, status),
               "they lie in one word");

static inline uint64_t load64(const uint8_t *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof word);
	return word;
}

/* What there is of the word at `at` that should be the same in both, and is not. */
static inline uint64_t differs(const struct shape *shape, const uint8_t *a, const uint8_t *b,
                               uint32_t at)
{
	return (load64(a + at) ^ load64(b + at)) & load64(shape->same + at);
}

/* Whether what must be the same is. Of the words at 0, 8 and 32 all must be, in any shape. */
static inline bool agree(const struct shape *shape, const uint8_t *a, const uint8_t *b)
{
	uint64_t bits = load64(a) ^ load64(b);

	bits |= load64(a + 8) ^ load64(b + 8);
	bits |= load64(a + 32) ^ load64(b + 32);
	bits |= differs(shape, a, b, 16) | differs(shape, a, b, 24) | differs(shape, a, b, 40) |
	        differs(shape, a, b, 48) | differs(shape, a, b, 56);
	for (uint32_t at = WORDS4 * 8; __builtin_expect(shape->six, 0) && at < BYTES; at += 8)
		bits |= differs(shape, a, b, at);
	return bits == 0;
}

/* How many of the n descriptors behind `first`, from `at` in the queue on, are of acknowledgements
 * that outdo each the one before. *last: the first one's frame; the last one's. Out of line: it
 * needs all registers. */
static __attribute__((noinline)) uint32_t count_run(const struct udp_exo *driver,
                                                    const struct shape *shape,
                                                    const struct exo_desc *first, uint32_t at,
                                                    uint32_t n, const uint8_t **last)
{
	const struct exo_desc *const queue = driver->rx.response->desc;
	const uint8_t *const bytes = driver->frames.address, *const model = *last;
	const uint64_t physical = exo_pages_physical(&driver->frames, bytes);
	const uint64_t n_buffers = driver->n_buffers;
	const uint64_t most = (n_buffers << driver->shift) - BYTES;
	const uint32_t mask = driver->rx.size - 1, end = at + n, number = shape->l4 + TCP_ACK;
	const uint64_t word = word_of(first);
	const uint16_t port = first->port;
	const uint8_t *frame = model;
	uint32_t ack = wire_get32(model + number), i = at;

	for (; i != end; i++) {
		const struct exo_desc *desc = &queue[i & mask];
		const uint64_t offset = desc->address - physical;
		const uint8_t *next = bytes + offset;
		uint32_t higher;

		/* All of its bytes that are compared can be read. */
		if (desc->cookie >= n_buffers || offset > most || word_of(desc) != word ||
		    desc->port != port || !agree(shape, next, model))
			break;
		higher = wire_get32(next + number);
		if ((int32_t)(higher - ack) <= 0)
			break;
		ack = higher;
		frame = next;
	}
	*last = frame;
	return i - at;
}

uint32_t skim_count(const struct udp_exo *driver, uint32_t i, uint32_t n, uint32_t *behind)
{
	const uint32_t at = driver->rx.response_tail + i;
	const struct exo_desc *first = &driver->rx.response->desc[at & (driver->rx.size - 1)];
	const uint8_t *last = frame_of(driver, first);
	const struct shape *shape = NULL;
	uint32_t count = 0;

	if (last != NULL && first->length <= LENGTH_MAX && (first->flags & ~USUAL) == 0)
		shape = shape_of(last, first->length);
	if (shape != NULL && n - i > 1)
		count = count_run(driver, shape, first, at + 1, n - i - 1, &last);
	*behind = i + 1 + count;
	return count > 0 && is_sound(shape, last, first->flags) ? count : 0;
}

/* A NIC's own buffers that need not be read are the NIC's again. */
static __attribute__((noinline)) void skip_slots(struct udp_exo *driver, uint32_t i, uint32_t end)
{
	for (; i < end; i++) {
		uint64_t cookie = exo_ring_response(&driver->rx, i)->cookie;

		if (!driver_knows(driver, cookie, PLACE_FILLED))
			continue;
		driver->n_filled--;
		driver_give(driver, (uint32_t)cookie);
	}
}

/* Others are filled in. */
static void fill_again(struct udp_exo *driver, uint32_t i, uint32_t end)
{
	const uint64_t base =
	        exo_pages_physical(&driver->frames, driver->frames.address) + UDP_HEADROOM;
	const uint32_t shift = driver->shift, length = bytes_each(driver) - UDP_HEADROOM;
	const uint32_t mask = driver->rx.size - 1, tail = driver->rx.response_tail;
	const struct exo_desc *const came = driver->rx.response->desc;
	struct exo_desc *const fill = driver->rx.request->desc;
	const struct udp_buffer *const buffers = driver->buffers;
	const uint64_t n_buffers = driver->n_buffers;
	uint32_t head = driver->rx.request_head;

	for (; i < end; i++) {
		const uint64_t cookie = came[(tail + i) & mask].cookie;
		struct exo_desc *desc = &fill[head & mask];

		if (cookie >= n_buffers || buffers[cookie].place != PLACE_FILLED) {
			driver->strange++;
			continue;
		}
		desc->cookie = cookie;
		desc->length = length;
		desc->address = base + (cookie << shift);
		head++;
	}
	/* There is room for as many as came out. */
	exo_ring_publish(&driver->rx, head - driver->rx.request_head);
}

__attribute__((noinline)) uint32_t driver_skim(struct udp_exo *driver, uint32_t i, uint32_t n)
{
	uint32_t end;

	if (i > 0 && i < driver->skim_next)
		return i;
	end = i + skim_count(driver, i, n, &driver->skim_next);
	driver->skimmed += end - i;
	if (driver->slots != 0)
		skip_slots(driver, i, end);
	else if (end > i)
		fill_again(driver, i, end);
	return end;
}

/* ---- In the kernel ---- */

/* The n bytes at `at` of a frame are those of `value`. */
static void must_be(struct exo_outdone *rule, uint32_t at, const void *value, uint32_t n)
{
	memset(rule->mask + at, 0xff, n);
	memcpy(rule->value + at, value, n);
}

static void must_be_16(struct exo_outdone *rule, uint32_t at, uint32_t value)
{
	must_be(rule, at, (const uint8_t[]){(uint8_t)(value >> 8), (uint8_t)value}, 2);
}

/* As shape_of tells them. */
static void describe_ip(struct exo_outdone *rule, const struct shape *shape)
{
	static const uint8_t tcp = PROTOCOL_TCP, plain = 0x45;

	must_be_16(rule, ETH_TYPE, shape->six ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
	if (shape->six) {
		must_be_16(rule, ETH_SIZE + IP6_LENGTH, shape->size - ETH_SIZE - IP6_SIZE);
		must_be(rule, ETH_SIZE + IP6_NEXT, &tcp, 1);
		return;
	}
	must_be(rule, ETH_SIZE + IP4_VERSION_IHL, &plain, 1);
	must_be_16(rule, ETH_SIZE + IP4_LENGTH, shape->size - ETH_SIZE);
	must_be(rule, ETH_SIZE + IP4_PROTOCOL, &tcp, 1);
	must_be_16(rule, ETH_SIZE + IP4_FRAGMENT, 0);
	rule->mask[ETH_SIZE + IP4_FRAGMENT] = (IP4_MF | IP4_OFFSET_MASK) >> 8;
}

static void describe(struct exo_outdone *rule, const struct shape *shape)
{
	static const uint8_t stamps[] = {1, 1, 8, 10};
	const uint32_t options = shape->size - shape->l4 - TCP_SIZE;

	*rule = (struct exo_outdone){.least = (uint16_t)shape->size,
	                             .most = shape->size < PADDED ? PADDED : (uint16_t)shape->size,
	                             .number = (uint16_t)(shape->l4 + TCP_ACK)};
	memcpy(rule->same, shape->same, sizeof rule->same);
	describe_ip(rule, shape);
	must_be_16(rule, shape->l4 + TCP_OFFSET, (TCP_SIZE + options) << 10 | TCP_FLAG_ACK);
	if (options != 0)
		must_be(rule, shape->l4 + TCP_SIZE, stamps, sizeof stamps);
}

_Static_assert((int)EXO_OUTDONE_BYTES <= (int)BYTES &&
                       sizeof shapes / sizeof shapes[0] == (int)EXO_OUTDONE_RULES,
               "all shapes fit");

void skim_rules(struct exo_outdone rules[EXO_OUTDONE_RULES])
{
	for (uint32_t i = 0; i < EXO_OUTDONE_RULES; i++)
		describe(&rules[i], &shapes[i]);
}

void udp_exo_skim(struct udp_exo *driver)
{
	struct exo_outdone rules[EXO_OUTDONE_RULES];
	struct exo_ring_outdo block = {
	        .ring = driver->rx.cap, .rules = (uintptr_t)rules, .n_rules = EXO_OUTDONE_RULES};

	skim_rules(rules);
	driver->skims = true;
	(void)exo_ring_outdo(&block); /* a NIC's own queue has no rules */
}
