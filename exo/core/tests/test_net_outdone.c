/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that the next one outdoes (exo/ring.h): readings of a counter, the last of which is
 * enough; what is left out, what is not, who is woken, and which rules there can be.
 */
#include <string.h>

#include "world_test.h"

enum { ALICE = 2, BOB = 3, RIGHTS = EXO_RIGHT_BIND };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001, METER = 1234 };
enum { HEADERS = 42, PAYLOAD = 30, AT_ID = 18, AT_PORT = 34, AT_PORT_TO = 36, AT_SUM = 40 };

static struct world_ring ring;
static struct exo_bind bound;
static struct exo_binding_counters *counters;
static struct exo_cap space;
static uint8_t frame[4096];

/* Readings of one meter, IPv4 and UDP without options: a number, in 26 to 60 bytes of payload. */
static struct exo_outdone rule(void)
{
	struct exo_outdone rule = {.least = HEADERS + 26, .most = HEADERS + 60, .number = HEADERS};

	memset(rule.same, 0xff, AT_ID);
	memset(rule.same + 20, 0xff, 4);
	memset(rule.same + 26, 0xff, AT_SUM - 26);
	memcpy(rule.mask + 12, "\xff\xff\xff", 3);
	memcpy(rule.value + 12, "\x08\x00\x45", 3);
	rule.mask[23] = 0xff;
	rule.value[23] = 17;
	return rule;
}

static int64_t set(uint32_t env, const struct world_ring *to, const struct exo_outdone *rules,
                   uint32_t n)
{
	struct exo_ring_outdo block = {.ring = to->cap, .rules = (uintptr_t)rules, .n_rules = n};

	return net_call_ring_outdo(world_env(env), &block);
}

/* Makes a reading for a port of Alice's. → its length. */
static uint32_t make(uint32_t number, uint16_t to)
{
	const uint32_t wire = __builtin_bswap32(number);
	uint32_t length = world_udp(frame, PEER, METER, ADDRESS, to, PAYLOAD);

	memcpy(frame + HEADERS, &wire, sizeof(wire));
	return length;
}

static void put(uint32_t number, uint16_t to)
{
	world_arrive(0, frame, make(number, to), 0);
}

static void put_again(uint32_t length, uint32_t segment)
{
	world_arrive(0, frame, length, segment);
}

static uint32_t number_of(const struct exo_desc *desc)
{
	uint32_t wire;

	memcpy(&wire, (const uint8_t *)world_memory(desc->address) + HEADERS, sizeof(wire));
	return __builtin_bswap32(wire);
}

/* How many frames lie in the ring; *last: the last one's number. */
static unsigned take(uint32_t *last)
{
	struct exo_desc desc;
	unsigned n = 0;

	for (; world_get(&ring, &desc); n++) {
		*last = number_of(&desc);
		world_put(&ring, (struct exo_desc){.address = desc.address, .length = 2048});
	}
	return n;
}

/* What is known of frames is known once there were some like them. */
static void warm_up(uint16_t to)
{
	uint32_t last;

	for (unsigned i = 0; i < 4; i++) {
		put(0, to);
		world_poll();
		assert_int_equal(take(&last), 1);
	}
}

static void bind_port(uint16_t port)
{
	struct flt_conjunction flow;

	memset(&bound, 0, sizeof(bound));
	bound.counters = world_frames(ALICE, 1, 0) * 4096;
	counters = world_memory(bound.counters);
	world_udp_to(&flow, ADDRESS, port);
	space = world_grant(ALICE, RIGHTS, &flow, NULL);
	assert_int_equal(world_bind(ALICE, &space, &flow, &ring, &bound), 0);
}

/* Alice has a ring of 64, and a binding for port 7. */
static int set_up(void **state)
{
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 64, NULL, &ring), 0);
	world_fill(ALICE, &ring, 40, 2048, 0xaa);
	bind_port(7);
	return 0;
}

static int tear_down(void **state)
{
	world_leave(ALICE, BOB);
	return 0;
}

static void the_last_one_stays(void **state)
{
	const struct exo_outdone meter = rule();
	uint32_t last;

	assert_int_equal(set(ALICE, &ring, &meter, 1), 0);
	warm_up(7);
	for (uint32_t n = 1; n <= 24; n++) {
		const struct exo_binding_counters before = *counters;

		for (uint32_t i = 0; i < n; i++)
			put(0xfffffff8 + 5 * i, 7); /* the numbers wrap on the way */
		world_events[ALICE] = 0;
		world_poll();
		assert_int_equal(world_events[ALICE], EXO_EVENT_RING);
		assert_int_equal(take(&last), 1);
		assert_int_equal(last, 0xfffffff8 + 5 * (n - 1));
		assert_int_equal(counters->matched_packets - before.matched_packets, n);
		assert_int_equal(counters->matched_bytes - before.matched_bytes,
		                 n * (HEADERS + PAYLOAD));
		assert_int_equal(counters->delivered_packets - before.delivered_packets, 1);
		assert_int_equal(counters->outdone_packets - before.outdone_packets, n - 1);
	}
	assert_int_equal(world_mbufs(), 0);
}

/* Of a ring without rules, and of frames that no rule is about, each one comes. */
static void each_comes_without_a_rule(void **state)
{
	struct exo_outdone others[EXO_OUTDONE_RULES];
	uint32_t last;

	for (unsigned i = 0; i < EXO_OUTDONE_RULES; i++)
		others[i] = rule();
	others[0].least = HEADERS + PAYLOAD + 1;
	others[1].most = HEADERS + PAYLOAD - 1;
	others[2].value[23] = 6;
	others[3].value[14] = 0x46;
	for (unsigned round = 0; round < 2; round++) {
		warm_up(7);
		for (uint32_t i = 1; i <= 8; i++)
			put(i, 7);
		world_poll();
		assert_int_equal(take(&last), 8);
		assert_int_equal(counters->outdone_packets, 0);
		if (round == 0)
			assert_int_equal(set(ALICE, &ring, others, EXO_OUTDONE_RULES), 0);
	}
}

/* The second of two differs from the first. */
static void what_differs_stays(void **state)
{
	static const struct {
		const char *what;
		uint32_t first, second;
		uint32_t at; /* a byte of the second that is another; 0: none */
		unsigned come;
	} cases[] = {
	        {"higher", 5, 6, 0, 1},
	        {"the same", 5, 5, 0, 2},
	        {"lower", 5, 4, 0, 2},
	        {"ahead by 2^31 less one", 5, 0x80000004, 0, 1},
	        {"ahead by 2^31", 5, 0x80000005, 0, 2},
	        {"of another meter", 5, 6, AT_PORT, 2},
	        {"another identification", 5, 6, AT_ID, 1},
	        {"another checksum", 5, 6, AT_SUM, 1},
	        {"of another machine", 5, 6, 6, 2},
	        {"other payload", 5, 6, HEADERS + 8, 1},
	};
	const struct exo_outdone meter = rule();
	const uint32_t length = HEADERS + PAYLOAD;
	uint32_t last = 0, come;

	assert_int_equal(set(ALICE, &ring, &meter, 1), 0);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		warm_up(7);
		put(cases[i].first, 7);
		(void)make(cases[i].second, 7);
		frame[cases[i].at] ^= cases[i].at != 0;
		put_again(length, 0);
		world_poll();
		come = take(&last);
		if (come != cases[i].come || last != cases[i].second)
			fail_msg("%s: %u came, the last %u", cases[i].what, come, last);
	}
	put(5, 7);
	put(6, 7);
	frame[HEADERS + 3] = 7;
	put_again(length, 50); /* in pieces: left to others, and its environment */
	frame[HEADERS + 3] = 8;
	put_again(length - 1, 0);
	world_poll();
	assert_int_equal(take(&last), 3);
	assert_int_equal(last, 8);
}

/* What stands between belongs to somebody else, or to the same environment by another binding: a
 * rule that does not look at the port says nothing of that. */
static void others_outdo_nothing(void **state)
{
	struct exo_outdone meter = rule();
	uint32_t last;

	memset(meter.same + AT_PORT_TO, 0, 2);
	assert_int_equal(set(ALICE, &ring, &meter, 1), 0);
	bind_port(8);
	warm_up(7);
	warm_up(8);
	for (uint32_t i = 0; i < 12; i++)
		put(i, i % 6 < 3 ? 7 : 8);
	world_poll();
	assert_int_equal(take(&last), 4);
	assert_int_equal(last, 11);
	for (uint32_t i = 0; i < 12; i++)
		put(i, i % 2 ? 7 : 8);
	world_poll();
	assert_int_equal(take(&last), 12);
}

/* Who wants to be woken for several hears of those that were left out, too. */
static void wakes_for_what_was_left_out(void **state)
{
	static const struct {
		uint32_t wanted, frames, events;
	} cases[] = {{5, 4, 0}, {5, 5, EXO_EVENT_RING}, {5, 6, EXO_EVENT_RING}, {5, 4, 0}};
	const struct exo_outdone meter = rule();
	uint32_t last;

	assert_int_equal(set(ALICE, &ring, &meter, 1), 0);
	warm_up(7);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ring.response->wanted = cases[i].wanted;
		world_events[ALICE] = 0;
		for (uint32_t n = 0; n < cases[i].frames; n++)
			put(n, 7);
		world_poll();
		assert_int_equal(world_events[ALICE], cases[i].events);
		assert_int_equal(take(&last), 1);
	}
	for (unsigned i = 0; i < 2; i++) { /* what came before counts until it is taken */
		assert_int_equal(world_events[ALICE], 0);
		put(1, 7);
		put(2, 7);
		put(3, 7);
		world_poll();
	}
	assert_int_equal(world_events[ALICE], EXO_EVENT_RING);
}

#define REFUSED(change)                                                                            \
	do {                                                                                       \
		struct exo_outdone r = rule();                                                     \
		change;                                                                            \
		assert_int_equal(set(ALICE, &ring, &r, 1), -EXO_EINVAL);                           \
	} while (0)

static void rules_make_sense(void **state)
{
	struct exo_outdone longest = rule();

	REFUSED(r.most = r.least - 1);
	REFUSED(r.number = EXO_OUTDONE_BYTES - 3);
	REFUSED(r.number = r.least - 3);
	REFUSED(r.number = UINT16_MAX);
	REFUSED(r.least = 0);
	REFUSED(r.least = 3; r.most = 3; r.number = 0);
	REFUSED(r.same[r.least] = 1); /* what lies behind a frame is not its own */
	REFUSED(r.least = AT_SUM - 1; r.number = 0);
	REFUSED(r.mask[AT_ID] = 1); /* not compared with the next */
	REFUSED(r.value[16] = 1);   /* not under the mask */
	REFUSED(r.reserved[4] = 1);
	longest.least = longest.most = UINT16_MAX;
	longest.number = EXO_OUTDONE_BYTES - 4;
	longest.same[EXO_OUTDONE_BYTES - 1] = 1;
	assert_int_equal(set(ALICE, &ring, &longest, 1), 0);
}

static void rings_get_rules_once(void **state)
{
	const struct exo_outdone meter = rule();
	struct exo_ring_outdo block = {.rules = (uintptr_t)&meter, .n_rules = 1};
	struct world_ring other;
	struct exo_cap sender;
	long before;

	assert_int_equal(set(ALICE, &ring, &meter, 0), -EXO_EINVAL);
	assert_int_equal(set(ALICE, &ring, &meter, EXO_OUTDONE_RULES + 1), -EXO_EINVAL);
	assert_true(set(BOB, &ring, &meter, 1) < 0);
	block.ring = bound.out;
	assert_true(net_call_ring_outdo(world_env(ALICE), &block) < 0);
	block.ring = ring.cap;
	block.reserved = 1;
	assert_int_equal(net_call_ring_outdo(world_env(ALICE), &block), -EXO_EINVAL);
	sender = world_grant(ALICE, EXO_RIGHT_SEND, NULL, NULL);
	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 8, &sender, &other), 0);
	assert_int_equal(set(ALICE, &other, &meter, 1), -EXO_EINVAL);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 8, NULL, &other), 0);
	before = world_allocations();
	assert_int_equal(set(ALICE, &other, &meter, 1), 0);
	assert_int_equal(set(ALICE, &other, &meter, 1), -EXO_EBUSY);
	assert_int_equal(world_allocations(), before + 1);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &other.cap), 0);
	assert_true(world_allocations() <= before);
	assert_int_equal(set(ALICE, &other, &meter, 1), -EXO_ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(the_last_one_stays, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(each_comes_without_a_rule, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(what_differs_stays, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(others_outdo_nothing, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(wakes_for_what_was_left_out, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(rules_make_sense, set_up, tear_down),
	        cmocka_unit_test_setup_teardown(rings_get_rules_once, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, world_group, NULL);
}
