/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet handlers: what arrives is answered, passed, dropped, and nothing leaves that the flow
 * space does not allow; budgets; ends.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include <flt/program.h>

#include "common.h"

enum { ALICE = 2, BOB = 3 };
enum { ADDRESS = 0x0a000002, PEER = 0x0a000001, OTHER = 0x0a000003 };
enum { RIGHTS = EXO_RIGHT_BIND | EXO_RIGHT_SEND };

static struct world_ring ring;
static struct exo_bind bound;
static struct exo_cap space;
static uint8_t frame[4096], answer[4096];

static int start(void **state)
{
	world_start();
	return 0;
}

/* Alice has UDP port 7 of her address: what comes to it, and what she sends from it. */
static int set_up(void **state)
{
	struct flt_conjunction in, out;

	world_udp_to(&in, ADDRESS, 7);
	world_udp_from(&out, ADDRESS, 7);
	space = world_grant(ALICE, RIGHTS, &in, &out);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 16, NULL, &ring), 0);
	world_fill(ALICE, &ring, 8, 2048, 0xaa);
	memset(&bound, 0, sizeof(bound));
	return (int)world_bind(ALICE, &space, &in, &ring, &bound);
}

static int tear_down(void **state)
{
	test_end(ALICE);
	test_end(BOB);
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
	return 0;
}

static uint32_t arrive(uint16_t port, uint32_t payload, uint32_t segment)
{
	uint32_t length = world_udp(frame, PEER, port, ADDRESS, 7, payload);

	world_arrive(0, frame, length, segment);
	world_poll();
	return length;
}

static struct exo_ext_line line_of(int64_t id)
{
	struct exo_ext_line line;

	assert_true(test_line(ALICE, (uint64_t)id, &line));
	return line;
}

/* The addresses, ports and MACs of `frame`, exchanged. */
static void is_echo(uint32_t length)
{
	assert_int_equal(world_sent(0, answer, sizeof(answer)), length);
	assert_memory_equal(answer, frame + 6, 6);
	assert_memory_equal(answer + 6, frame, 6);
	assert_memory_equal(answer + 26, frame + 30, 4);
	assert_memory_equal(answer + 30, frame + 26, 4);
	assert_memory_equal(answer + 34, frame + 36, 2);
	assert_memory_equal(answer + 36, frame + 34, 2);
	assert_memory_equal(answer + 40, frame + 40, length - 40);
	assert_int_equal(world_sum(answer + 14, 20, 0), 0xffff);
}

static void echoes_a_datagram(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "udp_echo", &bound.out, &space, 0);
	struct exo_ext_line line;
	struct exo_desc desc;

	assert_true(ref >= 0 && id > 0);
	is_echo(arrive(1234, 100, 0));
	is_echo(arrive(1234, 0, 0));
	is_echo(arrive(1234, 1000, 100)); /* in segments: by a copy */
	assert_false(world_get(&ring, &desc));
	line = line_of(id);
	assert_int_equal(line.runs, 3);
	assert_int_equal(line.answered, 3);
	assert_int_equal(line.env, ALICE);
	assert_string_equal(line.function, "udp_echo");
	assert_true(line.cost > 20 && line.cost < 200);
	assert_int_equal(line.budget, EXO_HANDLER_BUDGET);
}

/* However an answer leaves, also straight from the burst, taps of what is sent get their copy. */
static void answers_are_heard(void **state)
{
	struct exo_bind tap = {.flags = EXO_BIND_TAP | EXO_BIND_SENT};
	int ref = test_create(ALICE, "udp_echo");
	struct flt_conjunction out;
	struct world_ring heard;
	struct exo_cap bobs;
	struct exo_desc desc;

	assert_true(test_handle(ALICE, ref, "udp_echo", &bound.out, &space, 0) > 0);
	world_udp_from(&out, ADDRESS, 7);
	bobs = world_grant(BOB, EXO_RIGHT_BIND | EXO_RIGHT_TAP | EXO_RIGHT_SENT, &out, NULL);
	assert_int_equal(world_ring(BOB, EXO_RING_RECEIVE, 16, NULL, &heard), 0);
	world_fill(BOB, &heard, 8, 2048, 0xaa);
	assert_int_equal(world_bind(BOB, &bobs, &out, &heard, &tap), 0);
	for (unsigned i = 0; i < 6; i++) {
		uint32_t length = arrive(1234, 100 + i, i == 5 ? 60 : 0);

		is_echo(length);
		assert_true(world_get(&heard, &desc));
		assert_int_equal(desc.length, length);
		assert_int_equal(desc.flags & (EXO_DESC_TAP | EXO_DESC_SENT),
		                 EXO_DESC_TAP | EXO_DESC_SENT);
		assert_memory_equal(world_memory(desc.address), answer, length);
	}
	assert_false(world_get(&heard, &desc));
}

/* More answers in one poll than are kept to be shown: the copies are lost, and counted. */
static void answers_beyond_measure_are_counted(void **state)
{
	enum { ANSWERS = 300, KEPT = 256 };
	static struct exo_port_info before[WORLD_PORTS], after[WORLD_PORTS];
	struct exo_bind tap = {.flags = EXO_BIND_TAP | EXO_BIND_SENT};
	int ref = test_create(ALICE, "udp_echo");
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, 64);
	struct flt_conjunction out;
	struct world_ring heard;
	struct exo_info info;
	struct exo_cap bobs;
	struct exo_desc desc;
	unsigned n = 0;

	assert_true(test_handle(ALICE, ref, "udp_echo", &bound.out, &space, 0) > 0);
	world_udp_from(&out, ADDRESS, 7);
	bobs = world_grant(BOB, EXO_RIGHT_BIND | EXO_RIGHT_TAP | EXO_RIGHT_SENT, &out, NULL);
	assert_int_equal(world_ring(BOB, EXO_RING_RECEIVE, 512, NULL, &heard), 0);
	world_fill(BOB, &heard, 400, 2048, 0xaa);
	assert_int_equal(world_bind(BOB, &bobs, &out, &heard, &tap), 0);
	net_info_update(&info, before);
	for (unsigned i = 0; i < ANSWERS; i++)
		world_arrive(0, frame, length, 0);
	net_poll(0, 2 * ANSWERS);
	world_poll();
	for (unsigned i = 0; i < ANSWERS; i++)
		is_echo(length);
	while (world_get(&heard, &desc))
		n++;
	net_info_update(&info, after);
	assert_int_equal(n, KEPT);
	assert_int_equal(after[0].drops.tap_lost - before[0].drops.tap_lost, ANSWERS - KEPT);
}

/* What somebody else on this machine is answered leaves with the call that sent to it: behind it
 * the core reads nothing, and the handler may go. */
static void answers_who_is_on_this_machine_at_once(void **state)
{
	int64_t id = test_handle(ALICE, test_create(ALICE, "udp_echo"), "udp_echo", &bound.out,
	                         &space, 0);
	uint64_t buffer = world_frames(BOB, 1, 0) * 4096;
	struct exo_ext_release arg = {.id = (uint64_t)id};
	struct flt_conjunction any;
	struct world_ring transmit;
	struct exo_cap bobs;
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, 64);

	assert_true(id > 0);
	world_any(&any);
	bobs = world_grant(BOB, EXO_RIGHT_SEND, NULL, &any);
	assert_int_equal(world_ring(BOB, EXO_RING_TRANSMIT, 16, &bobs, &transmit), 0);
	memset(frame, 0, 6); /* the port's own address */
	memcpy(world_memory(buffer), frame, length);
	world_put(&transmit, (struct exo_desc){.address = buffer, .length = length});
	assert_int_equal(net_call_send(world_env(BOB), transmit.cap.first, 0), 0);
	is_echo(length);
	assert_int_equal(test_ext(ALICE, EXO_EXT_RELEASE, &arg), 0);
}

static void drops_and_passes(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, &space, 0);
	struct exo_desc desc;
	uint32_t length;

	assert_true(id > 0);
	arrive(19, 10, 0); /* from chargen */
	assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	assert_false(world_get(&ring, &desc));
	length = world_udp(frame, PEER, 1234, ADDRESS, 7, 64);
	frame[0] |= 1; /* to a group: not for the handler */
	world_arrive(0, frame, length, 0);
	world_poll();
	assert_true(world_get(&ring, &desc));
	assert_int_equal(desc.length, length);
	assert_memory_equal(world_memory(desc.address), frame, length);
	assert_int_equal(line_of(id).passed, 1);
}

/* Fragments of one datagram, the later ones of which the table that they follow has, too: the
 * handler gets copies of those. */
static void fragments_come_behind_their_first(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	struct exo_desc desc;

	assert_true(test_handle(ALICE, ref, "udp_echo", &bound.out, &space, 0) > 0);
	for (unsigned i = 0; i < 6; i++) {
		uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, 100 + i);

		frame[20] = i < 5 ? 0x20 : 0; /* more follow */
		frame[21] = (uint8_t)(i * 14);
		world_arrive(0, frame, length, 0);
		world_poll();
		assert_true(world_get(&ring, &desc));
		assert_int_equal(desc.length, length);
		assert_memory_equal(world_memory(desc.address), frame, length);
	}
}

static void sends_only_what_its_owner_may(void **state)
{
	struct flt_conjunction in, out;
	struct exo_cap narrow;
	struct exo_bind other = {0};
	int ref = test_create(ALICE, "udp_echo");
	int64_t id;

	/* Port 9 comes in, but only port 7 may go out. */
	world_udp_to(&in, ADDRESS, 9);
	world_udp_from(&out, ADDRESS, 7);
	narrow = world_grant(ALICE, RIGHTS, &in, &out);
	assert_int_equal(world_bind(ALICE, &narrow, &in, &ring, &other), 0);
	id = test_handle(ALICE, ref, "", &other.out, &narrow, 0);
	assert_true(id > 0);
	world_arrive(0, frame, world_udp(frame, PEER, 1234, ADDRESS, 9, 10), 0);
	world_poll();
	assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	assert_int_equal(line_of(id).refused, 1);
	assert_int_equal(line_of(id).answered, 0);
	assert_non_null(strstr(world_line, "may not send"));
}

static void sends_nothing_without_a_space(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, NULL, 0);

	assert_true(id > 0);
	arrive(1234, 10, 0);
	assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	assert_int_equal(line_of(id).refused, 1);
}

static void refuses_keys_that_are_not_for_it(void **state)
{
	struct flt_conjunction in, out;
	int ref = test_create(ALICE, "udp_echo"), bobs = test_create(BOB, "udp_echo");
	struct exo_cap other, forged = bound.out;

	world_udp_to(&in, OTHER, 9);
	world_udp_from(&out, OTHER, 9);
	other = world_grant(ALICE, RIGHTS, &in, &out);
	forged.first++;
	assert_int_equal(test_handle(ALICE, ref, "", &forged, &space, 0), -EXO_EKEY);
	assert_int_equal(test_handle(BOB, bobs, "", &bound.out, NULL, 0), -EXO_EPERM);
	assert_int_equal(test_handle(ALICE, ref, "", &bound.out, &other, 0), -EXO_EPERM);
	assert_int_equal(test_handle(ALICE, ref + 1, "", &bound.out, &space, 0), -EXO_ENOENT);
	assert_int_equal(test_handle(ALICE, ref, "nothing", &bound.out, &space, 0), -EXO_ENOENT);
	assert_true(test_handle(ALICE, ref, "", &bound.out, &space, 0) > 0);
	assert_int_equal(test_handle(ALICE, ref, "", &bound.out, &space, 0), -EXO_EBUSY);
}

static void refuses_what_exceeds_its_budget(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, &space, 0);
	uint32_t cost = line_of(id).cost;
	struct exo_ext_release release = {.id = (uint64_t)id};

	assert_int_equal(test_ext(ALICE, EXO_EXT_RELEASE, &release), 0);
	assert_int_equal(test_handle(ALICE, ref, "", &bound.out, &space, cost - 1), -EXO_EVERIFY);
	assert_non_null(strstr(test_reason, "budget"));
	assert_true(test_handle(ALICE, ref, "", &bound.out, &space, cost) > 0);
	assert_int_equal(
	        test_handle(ALICE, ref, "", &bound.out, &space, EXO_HANDLER_BUDGET_MAX + 1),
	        -EXO_EINVAL);
}

static void ends_when_it_is_released(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, &space, 0);
	struct exo_ext_release release = {.id = (uint64_t)id};
	struct exo_ext_ref drop = {.ref = (uint32_t)ref};
	struct exo_desc desc;

	assert_int_equal(test_ext(ALICE, EXO_EXT_DROP, &drop), -EXO_EBUSY);
	assert_int_equal(test_ext(BOB, EXO_EXT_RELEASE, &release), -EXO_ENOENT);
	assert_int_equal(test_ext(ALICE, EXO_EXT_RELEASE, &release), 0);
	assert_int_equal(test_ext(ALICE, EXO_EXT_RELEASE, &release), -EXO_ENOENT);
	assert_int_equal(test_ext(ALICE, EXO_EXT_DROP, &drop), 0);
	assert_int_equal(test_ext(ALICE, EXO_EXT_DROP, &drop), -EXO_ENOENT);
	arrive(1234, 10, 0);
	assert_true(world_get(&ring, &desc));
}

static void ends_with_its_binding(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, &space, 0);
	struct exo_ext_release release = {.id = (uint64_t)id};

	assert_int_equal(net_call_unbind(world_env(ALICE), &bound.out), 0);
	assert_int_equal(line_of(id).target, 0);
	assert_int_equal(test_ext(ALICE, EXO_EXT_RELEASE, &release), 0);
}

/* An environment that ends in the middle of it all leaves nothing: tear_down looks. */
static void ends_with_its_environment(void **state)
{
	assert_true(test_handle(ALICE, test_create(ALICE, "udp_echo"), "", &bound.out, &space, 0) >
	            0);
	assert_true(test_create(ALICE, "count") >= 0);
}

static void pins_its_own_frames_only(void **state)
{
	uint32_t size;
	const void *bytes = test_object("active", &size);
	uint64_t own = world_frames(ALICE, 16, 0), bobs = world_frames(BOB, 16, 0);
	unsigned before = world_pins();

	assert_int_equal(test_create_bytes(ALICE, bytes, size, bobs, 16), -EXO_EPERM);
	assert_int_equal(test_create_bytes(ALICE, bytes, size, own + 1, 16), -EXO_EPERM);
	assert_int_equal(test_create_bytes(ALICE, bytes, size, own, 15), -EXO_EINVAL);
	assert_int_equal(world_pins(), before);
	assert_true(test_create_bytes(ALICE, bytes, size, own, 16) >= 0);
	assert_int_equal(world_pins(), before + 16);
}

/* What an environment makes is bounded, and free again when it goes. */
static void takes_so_much_memory_only(void **state)
{
	int made = 0, ref;

	while ((ref = test_create(ALICE, "syn_cookie")) >= 0)
		made++;
	assert_int_equal(ref, -EXO_E2BIG);
	assert_true(made > 1 && made < EXO_EXT_REFS);
	assert_int_equal(test_ext(ALICE, EXO_EXT_DROP, &(struct exo_ext_ref){.ref = 0}), 0);
	assert_int_equal(test_create(ALICE, "syn_cookie"), 0);
}

/* Verdict and guard are known then: code that calls nothing is entered by the demultiplexer. */
static void settle(void)
{
	for (int i = 0; i < 16; i++) {
		uint32_t length = arrive(1234, 8, 0);

		assert_int_equal(world_sent(0, answer, sizeof(answer)), length);
	}
}

/* A datagram to Alice's port 7 whose first byte of payload says which; to a group every fifth. */
static void send_numbered(unsigned i)
{
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, 8);

	frame[42] = (uint8_t)i;
	if (i % 5 == 4)
		frame[0] |= 1;
	world_arrive(0, frame, length, i % 7 == 6 ? 20 : 0);
}

static void answers_a_burst_in_order(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, &space, 0);
	struct exo_desc desc;

	settle();
	for (unsigned i = 0; i < 30; i++)
		send_numbered(i);
	world_poll();
	for (unsigned i = 0; i < 30; i++) {
		if (i % 5 == 4)
			continue;
		assert_true(world_sent(0, answer, sizeof(answer)) > 42);
		assert_int_equal(answer[42], i);
	}
	assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	for (unsigned i = 4; i < 30; i += 5) {
		assert_true(world_get(&ring, &desc));
		assert_int_equal(((uint8_t *)world_memory(desc.address))[42], i);
	}
	assert_false(world_get(&ring, &desc));
	assert_int_equal(line_of(id).runs, 46);
	assert_int_equal(line_of(id).answered, 40);
	assert_int_equal(line_of(id).passed, 6);
}

/* All that comes and all that leaves. */
static int64_t handle_widely(const char *object, const char *function)
{
	struct flt_conjunction in, out;
	struct exo_cap wide;
	struct exo_bind other = {.priority = 1};

	world_udp_to(&in, ADDRESS, 7);
	in.n_terms--;
	world_udp_from(&out, ADDRESS, 7);
	out.n_terms--;
	wide = world_grant(ALICE, RIGHTS, &in, &out);
	assert_int_equal(world_bind(ALICE, &wide, &in, &ring, &other), 0);
	return test_handle(ALICE, test_create(ALICE, object), function, &other.out, &wide, 0);
}

/* Of a handler whose code calls something, and passes some of it. */
static void runs_calls_in_order(void **state)
{
	int64_t id = handle_widely("tally", "tally");
	struct exo_desc desc;

	for (unsigned burst = 0; burst < 10; burst++) {
		for (unsigned i = 0; i < 16; i++) {
			uint32_t length =
			        world_udp(frame, PEER, 1234, ADDRESS, i % 4 == 3 ? 8 : 9100, 20);

			frame[42] = (uint8_t)i;
			world_arrive(0, frame, length, 0);
		}
		world_poll();
		for (unsigned i = 0; i < 16; i++) {
			if (i % 4 == 3) {
				assert_true(world_get(&ring, &desc));
				assert_int_equal(((uint8_t *)world_memory(desc.address))[42], i);
				world_fill(ALICE, &ring, 1, 2048, 0xaa);
			} else {
				assert_int_equal(world_sent(0, answer, sizeof(answer)), 62);
				assert_int_equal(answer[42], i);
			}
		}
		assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	}
	assert_false(world_get(&ring, &desc));
	assert_int_equal(line_of(id).runs, 160);
	assert_int_equal(line_of(id).answered, 120);
	assert_int_equal(line_of(id).passed, 40);
}

/* Echoes that answer each other would never end: neither from one's own ports nor from the old
 * services'. */
static void answers_no_echo(void **state)
{
	static const uint16_t ports[] = {7, 19, 9100, 9107, 9108};
	int64_t id = handle_widely("tally", "tally");

	for (unsigned i = 0; i < sizeof ports / sizeof *ports; i++) {
		world_arrive(0, frame, world_udp(frame, PEER, ports[i], ADDRESS, 9100, 20), 0);
		world_poll();
		assert_int_equal(world_sent(0, answer, sizeof(answer)) > 0, i == 4);
	}
	assert_int_equal(line_of(id).runs, 5);
	assert_int_equal(line_of(id).answered, 1);
}

/* What a handler is told to do to a frame: the ends that it moves, and its result. */
struct order {
	int8_t head, tail, result;
};

static const struct order orders[] = {
        {0, 0, FLT_XDP_PASS},   {0, 0, FLT_XDP_PASS},  {-8, 0, FLT_XDP_PASS},  {6, 0, FLT_XDP_PASS},
        {0, 0, FLT_XDP_DROP},   {0, 30, FLT_XDP_PASS}, {0, -12, FLT_XDP_PASS}, {0, 0, FLT_XDP_PASS},
        {-8, -8, FLT_XDP_PASS}, {9, 9, FLT_XDP_PASS},  {-4, 4, FLT_XDP_DROP},  {0, 0, FLT_XDP_PASS},
};
enum { ORDERS = sizeof(orders) / sizeof(orders[0]), ORDERED = 42 + 3 + 57, MARK = 60 };

static void send_order(unsigned i)
{
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, ORDERED - 42);

	memcpy(frame + 42, &orders[i], sizeof(orders[i]));
	frame[MARK] = (uint8_t)(0x80 + i);
	world_arrive(0, frame, length, 0);
}

/* Each passed frame begins and ends where the handler left it, wherever others did. */
static void orders_were_followed(void)
{
	struct exo_desc desc;

	for (unsigned i = 0; i < ORDERS; i++) {
		const struct order *order = &orders[i];
		const uint8_t *at;

		if (order->result != FLT_XDP_PASS)
			continue;
		assert_true(world_get(&ring, &desc));
		at = world_memory(desc.address);
		assert_int_equal(desc.length, ORDERED - order->head + order->tail);
		assert_int_equal(at[MARK - order->head], 0x80 + i);
		for (int k = 0; k < -order->head; k++)
			assert_int_equal(at[k], 0);
		for (int k = 0; k < order->tail; k++)
			assert_int_equal(at[desc.length - 1 - (unsigned)k], 0);
		world_fill(ALICE, &ring, 1, 2048, 0xaa);
	}
	assert_false(world_get(&ring, &desc));
}

/* Together, alone, and however often it is timed. */
static void passes_what_it_has_resized(void **state)
{
	int ref = test_create(ALICE, "link-resize");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, &space, EXO_HANDLER_BUDGET_MAX);

	assert_true(id > 0);
	world_fill(ALICE, &ring, 8, 2048, 0xaa);
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < ORDERS; i++) {
			send_order(i);
			if (round % 2)
				world_poll();
		}
		world_poll();
		orders_were_followed();
	}
	assert_int_equal(line_of(id).runs, 20 * ORDERS);
	assert_int_equal(line_of(id).passed, 20 * (ORDERS - 2));
	assert_in_range(line_of(id).timed, 3, 5);
}

/* Frames for nobody, alone and again, beside a handler's. */
static void leaves_what_is_nobodys(void **state)
{
	int64_t id = test_handle(ALICE, test_create(ALICE, "udp_echo"), "", &bound.out, &space, 0);

	for (unsigned i = 0; i < 6; i++) {
		world_arrive(0, frame, world_udp(frame, PEER, 1234, ADDRESS, 8, 20), 0);
		world_poll();
		assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	}
	is_echo(arrive(1234, 100, 0));
	assert_int_equal(line_of(id).runs, 1);
}

/* As from a host on the same machine: the checksum field has the pseudo header's sum. */
static void arrive_open(uint32_t payload)
{
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, payload);
	struct rte_mbuf *mbuf = rte_pktmbuf_alloc(rte_mempool_lookup("arriving"));
	uint32_t sum = world_sum(frame + 26, 8, 17 + 8 + payload);

	frame[40] = (uint8_t)(sum >> 8);
	frame[41] = (uint8_t)sum;
	memset(frame + 42, 0x5a, payload);
	memcpy(rte_pktmbuf_append(mbuf, (uint16_t)length), frame, length);
	mbuf->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_NONE;
	assert_int_equal(world_offer(0, &mbuf, 1), 1);
	world_poll();
}

static void fills_in_open_checksums(void **state)
{
	int64_t id = test_handle(ALICE, test_create(ALICE, "udp_echo"), "", &bound.out, &space, 0);

	for (uint32_t i = 0; i < 70; i++) {
		uint32_t udp = 8 + 40;

		arrive_open(40);
		assert_int_equal(world_sent(0, answer, sizeof(answer)), 34 + udp);
		assert_int_equal(world_sum(answer + 34, udp, world_sum(answer + 26, 8, 17 + udp)),
		                 0xffff);
	}
	assert_int_equal(line_of(id).runs, 70);
	assert_int_equal(line_of(id).answered, 70);
}

/* What the guard lets pass is no excuse for what it does not, or where it goes. */
static void looks_at_each_answer_of_a_burst(void **state)
{
	struct flt_conjunction in, out;
	struct exo_cap wide;
	struct exo_bind other = {.priority = 1};
	int ref = test_create(ALICE, "udp_echo");
	uint32_t length;
	int64_t id;

	/* All ports come in, but only port 7 may go out. */
	world_udp_to(&in, ADDRESS, 7);
	in.n_terms--;
	world_udp_from(&out, ADDRESS, 7);
	wide = world_grant(ALICE, RIGHTS, &in, &out);
	assert_int_equal(world_bind(ALICE, &wide, &in, &ring, &other), 0);
	id = test_handle(ALICE, ref, "", &other.out, &wide, 0);
	settle();
	for (unsigned i = 0; i < 12; i++) {
		length = world_udp(frame, PEER, 1234, ADDRESS, i % 3 == 1 ? 9 : 7, 8);
		world_arrive(0, frame, length, 0);
	}
	world_poll();
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(world_sent(0, answer, sizeof(answer)), length);
	assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	assert_int_equal(line_of(id).refused, 4);
	assert_int_equal(line_of(id).answered, 24);
}

static void full_port_loses_answers(void **state)
{
	int ref = test_create(ALICE, "udp_echo");
	int64_t id = test_handle(ALICE, ref, "", &bound.out, &space, 0);
	uint32_t length = world_udp(frame, PEER, 1234, ADDRESS, 7, 10);

	for (uint64_t answered = 2, lost = 3; lost <= 6; answered += 18, lost += 3) {
		world_port_room(0, 2);
		for (int i = 0; i < 5; i++)
			world_arrive(0, frame, length, 0);
		world_poll();
		assert_int_equal(line_of(id).answered, answered);
		assert_int_equal(line_of(id).lost, lost);
		world_port_room(0, 1024);
		while (world_sent(0, answer, sizeof(answer)))
			;
		settle();
		length = world_udp(frame, PEER, 1234, ADDRESS, 7, 10);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        CASE(echoes_a_datagram),
	        CASE(answers_are_heard),
	        CASE(answers_beyond_measure_are_counted),
	        CASE(answers_who_is_on_this_machine_at_once),
	        CASE(drops_and_passes),
	        CASE(fragments_come_behind_their_first),
	        CASE(sends_only_what_its_owner_may),
	        CASE(sends_nothing_without_a_space),
	        CASE(refuses_keys_that_are_not_for_it),
	        CASE(refuses_what_exceeds_its_budget),
	        CASE(ends_when_it_is_released),
	        CASE(ends_with_its_binding),
	        CASE(ends_with_its_environment),
	        CASE(pins_its_own_frames_only),
	        CASE(takes_so_much_memory_only),
	        CASE(answers_a_burst_in_order),
	        CASE(leaves_what_is_nobodys),
	        CASE(runs_calls_in_order),
	        CASE(answers_no_echo),
	        CASE(passes_what_it_has_resized),
	        CASE(fills_in_open_checksums),
	        CASE(looks_at_each_answer_of_a_burst),
	        CASE(full_port_loses_answers),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
