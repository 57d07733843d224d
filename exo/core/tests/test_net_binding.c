/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may bind and send what: grants stay inside their parents, bindings inside their spaces, and
 * all of it ends with its holder.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <flt/platform.h>

#include "world_test.h"

enum { INIT = 1, ALICE = 2, BOB = 3, CAROL = 4 };
enum { ADDRESS = 0x0a000002 };
enum {
	ALL = EXO_RIGHT_GRANT | EXO_RIGHT_BIND | EXO_RIGHT_SEND | EXO_RIGHT_TAP | EXO_RIGHT_SHARE |
	      EXO_RIGHT_HOST
};

static struct flt_conjunction any, udp7, udp9, tcp;

static int start(void **state)
{
	world_start();
	world_any(&any);
	world_udp_to(&udp7, ADDRESS, 7);
	world_udp_to(&udp9, ADDRESS, 9);
	world_any(&tcp);
	world_term(&tcp, 12, 2, 0xffff, 0x0800);
	world_term(&tcp, 23, 1, 0xff, 6);
	return 0;
}

static int tear_down(void **state)
{
	world_leave(ALICE, CAROL);
	return 0;
}

static struct world_ring ring_of(uint32_t env)
{
	struct world_ring ring;

	assert_int_equal(world_ring(env, EXO_RING_RECEIVE, 8, NULL, &ring), 0);
	return ring;
}

static void grants_only_what_it_has(void **state)
{
	struct exo_cap alice = world_grant(ALICE, EXO_RIGHT_GRANT | EXO_RIGHT_BIND, &udp7, &udp7);
	struct flt_conjunction wrong = udp7;
	const struct exo_flow_grant good = {
	        .space = alice,
	        .to = BOB,
	        .rights = EXO_RIGHT_BIND,
	        .priority_max = 10,
	        .n_receive = 1,
	        .n_transmit = 1,
	        .ports = 1,
	        .receive = (uintptr_t)&udp7,
	        .transmit = (uintptr_t)&udp7,
	};
	struct exo_flow_grant grant;

	wrong.n_terms = 25;
#define REFUSED(change, error)                                                                     \
	do {                                                                                       \
		grant = good;                                                                      \
		change;                                                                            \
		assert_int_equal(net_call_flow_grant(world_env(ALICE), &grant), -(error));         \
	} while (0)
	REFUSED(, 0);
	REFUSED(grant.rights = EXO_RIGHT_SEND, EXO_EPERM);
	REFUSED(grant.rights = 0x8000, EXO_EINVAL);
	REFUSED(grant.priority_max = 11, EXO_EPERM);
	REFUSED(grant.ports = 3, EXO_EPERM);
	REFUSED(grant.receive = (uintptr_t)&any, EXO_EPERM);
	REFUSED(grant.receive = (uintptr_t)&udp9, EXO_EPERM);
	REFUSED(grant.transmit = (uintptr_t)&tcp, EXO_EPERM);
	REFUSED(grant.receive = (uintptr_t)&wrong, EXO_EINVAL);
	REFUSED(grant.receive = 16, EXO_EFAULT);
	REFUSED(grant.n_receive = 65, EXO_E2BIG);
	REFUSED(grant.n_transmit = UINT32_MAX, EXO_E2BIG);
	REFUSED(grant.reserved = 1, EXO_EINVAL);
	REFUSED(grant.to = 99, EXO_ENOENT);
	REFUSED(grant.space.rights |= EXO_RIGHT_SEND, EXO_EKEY);
	REFUSED(grant.space = *world_root(), EXO_EPERM);
	REFUSED(grant.n_receive = 0, 0);
#undef REFUSED
	assert_int_equal(world_env(BOB)->account->flows, 2);
}

static void binds_only_inside(void **state)
{
	struct exo_cap alice = world_grant(ALICE, EXO_RIGHT_BIND, &udp7, &udp7);
	struct world_ring ring = ring_of(ALICE), bobs = ring_of(BOB), transmit;
	uint64_t own = world_frames(ALICE, 1, 0) * 4096, other = world_frames(BOB, 1, 0) * 4096;
	char error[200];
	struct exo_bind arg;

	assert_int_equal(world_ring(ALICE, EXO_RING_TRANSMIT, 8,
	                            &(struct exo_cap){.kind = EXO_KIND_FLOW}, &transmit),
	                 -EXO_EKEY);
#define TRY(flow, ring, change, expected)                                                          \
	do {                                                                                       \
		arg = (struct exo_bind){.error = (uintptr_t)error, .error_size = sizeof(error)};   \
		error[0] = 0;                                                                      \
		change;                                                                            \
		assert_int_equal(world_bind(ALICE, &alice, flow, ring, &arg), -(expected));        \
		if ((expected) != 0 && (expected) != EXO_EFAULT)                                   \
			assert_int_not_equal(error[0], 0);                                         \
	} while (0)
	TRY(&udp9, &ring, , EXO_EPERM);
	TRY(&any, &ring, , EXO_EPERM);
	TRY(&udp7, &ring, arg.priority = 11, EXO_EPERM);
	TRY(&udp7, &ring, arg.flags = EXO_BIND_TAP, EXO_EPERM);
	TRY(&udp7, &ring, arg.flags = EXO_BIND_HOST, EXO_EPERM);
	TRY(&udp7, &ring, arg.flags = 8, EXO_EINVAL);
	TRY(&udp7, &ring, arg.flags = EXO_BIND_COUNT, EXO_EINVAL);
	TRY(&udp7, &bobs, , EXO_EPERM);
	TRY(&udp7, NULL, , EXO_EINVAL);
	TRY(&udp7, &ring, arg.counters = own + 8, EXO_EINVAL);
	TRY(&udp7, &ring, arg.counters = other, EXO_EFAULT);
	TRY(&udp7, &ring, arg.program_kind = 9, EXO_EINVAL);
	TRY(&udp7, &ring, arg.program_size = EXO_PROGRAM_SIZE_MAX + 1, EXO_E2BIG);
	assert_int_equal(world_env(ALICE)->account->bindings, 0);
	TRY(&udp7, &ring, (arg.priority = INT32_MIN, arg.counters = own), 0);
	assert_int_equal(world_env(ALICE)->account->bindings, 1);
	TRY(&udp7, &ring, , 0); /* its own may overlap */
#undef TRY
}

static void overlaps_need_share(void **state)
{
	struct exo_cap alice = world_grant(ALICE, EXO_RIGHT_BIND, &any, NULL);
	struct exo_cap bob = world_grant(BOB, EXO_RIGHT_BIND | EXO_RIGHT_HOST, &any, NULL);
	struct exo_cap carol = world_grant(CAROL, ALL, &any, NULL);
	struct world_ring alices = ring_of(ALICE), bobs = ring_of(BOB), carols = ring_of(CAROL);
	struct exo_bind arg = {0}, host = {.flags = EXO_BIND_HOST}, tap = {.flags = EXO_BIND_TAP};

	assert_int_equal(world_bind(ALICE, &alice, &udp7, &alices, &arg), 0);
	assert_int_equal(world_bind(BOB, &bob, &udp9, &bobs, &arg), 0);
	assert_int_equal(world_bind(BOB, &bob, &udp7, &bobs, &arg), -EXO_EBUSY);
	assert_int_equal(world_bind(BOB, &bob, &any, &bobs, &arg), -EXO_EBUSY);
	assert_int_equal(world_bind(BOB, &bob, &any, &bobs, &host), 0);
	assert_int_equal(world_bind(CAROL, &carol, &any, &carols, &arg), 0);
	assert_int_equal(world_bind(CAROL, &carol, &any, &carols, &host), 0);
	assert_int_equal(world_bind(CAROL, &carol, &any, &carols, &tap), 0);
	assert_int_equal(world_bind(BOB, &bob, &any, &bobs, &host), -EXO_EBUSY);
	assert_int_equal(world_bind(ALICE, &alice, &tcp, &alices, &arg), -EXO_EBUSY);
}

/* Below a binding of higher priority nothing is taken from it: that needs no right. */
static void lower_priority_contends_with_nothing(void **state)
{
	struct exo_cap alice = world_grant(ALICE, EXO_RIGHT_BIND, &any, NULL);
	struct exo_cap bob = world_grant(BOB, EXO_RIGHT_BIND, &any, NULL);
	struct world_ring alices = ring_of(ALICE), bobs = ring_of(BOB);
	struct exo_bind plain = {0}, below = {.priority = -1};

	assert_int_equal(world_bind(ALICE, &alice, &udp7, &alices, &plain), 0);
	assert_int_equal(world_bind(BOB, &bob, &udp7, &bobs, &plain), -EXO_EBUSY);
	assert_int_equal(world_bind(BOB, &bob, &any, &bobs, &below), 0);
}

static void refuses_bad_programs(void **state)
{
	static const struct {
		uint16_t code;
		uint8_t jt, jf;
		uint32_t k;
	} loops[] = {{0x05, 0, 0, 0xffffffff}, {0x06, 0, 0, 0}};
	struct exo_cap alice = world_grant(ALICE, EXO_RIGHT_BIND, &udp7, NULL);
	struct world_ring ring = ring_of(ALICE);
	char error[100] = "";
	struct exo_bind arg = {
	        .program_kind = EXO_PROGRAM_CBPF,
	        .program = (uintptr_t)loops,
	        .program_size = sizeof(loops),
	        .error = (uintptr_t)error,
	        .error_size = sizeof(error),
	};

	assert_int_equal(world_bind(ALICE, &alice, &udp7, &ring, &arg), -EXO_EVERIFY);
	assert_non_null(strstr(error, "instruction 0"));
	assert_int_equal(world_env(ALICE)->account->programs_refused, 1);
	arg.error_size = 5;
	memset(error, 'x', sizeof(error));
	assert_int_equal(world_bind(ALICE, &alice, &udp7, &ring, &arg), -EXO_EVERIFY);
	assert_int_equal(strlen(error), 4);
	assert_int_equal(error[5], 'x');
	arg.program_size = 7;
	assert_int_equal(world_bind(ALICE, &alice, &udp7, &ring, &arg), -EXO_EINVAL);
	arg.program_size = 0;
	assert_int_equal(world_bind(ALICE, &alice, &udp7, &ring, &arg), -EXO_EINVAL);
	arg.program = 16;
	arg.program_size = 8;
	assert_int_equal(world_bind(ALICE, &alice, &udp7, &ring, &arg), -EXO_EFAULT);
}

static void arrive(uint16_t port, unsigned expected, struct world_ring *ring)
{
	uint8_t frame[64];
	struct exo_desc desc;
	unsigned n = 0;

	world_arrive(0, frame, world_udp(frame, 1, 1, ADDRESS, port, 10), 0);
	world_poll();
	while (world_get(ring, &desc))
		n++;
	assert_int_equal(n, expected);
}

/* Bob's space comes from Alice's: when hers ends, his bindings do. */
static void ends_with_what_it_came_from(void **state)
{
	struct exo_cap alice = world_grant(ALICE, ALL, &any, &any);
	struct exo_flow_grant grant = {.space = alice,
	                               .to = BOB,
	                               .rights = EXO_RIGHT_BIND,
	                               .n_receive = 1,
	                               .ports = 1,
	                               .receive = (uintptr_t)&udp7};
	struct world_ring ring = ring_of(BOB);
	struct exo_bind arg = {0};
	struct exo_ledger_entry entry;
	uint64_t cursor = 0;

	assert_int_equal(net_call_flow_grant(world_env(ALICE), &grant), 0);
	assert_int_equal(world_bind(BOB, &grant.out, &udp7, &ring, &arg), 0);
	world_fill(BOB, &ring, 8, 2048, 0);
	arrive(7, 1, &ring);
	arrive(9, 0, &ring);
	assert_true(net_list(EXO_KIND_BINDING, &cursor, &entry));
	assert_int_equal(entry.owner, BOB);
	assert_false(net_list(EXO_KIND_BINDING, &cursor, &entry));
	net_env_end(world_env(ALICE));
	assert_int_equal(world_env(BOB)->account->flows, 0);
	assert_int_equal(world_env(BOB)->account->bindings, 0);
	arrive(7, 0, &ring);
	assert_int_equal(net_call_unbind(world_env(BOB), &arg.out), -EXO_ESTALE);
	assert_int_equal(world_bind(BOB, &grant.out, &udp7, &ring, &arg), -EXO_ESTALE);
	assert_int_equal(net_call_ring_destroy(world_env(BOB), &ring.cap), 0);
}

static void unbinds(void **state)
{
	struct exo_cap alice = world_grant(ALICE, EXO_RIGHT_BIND, &udp7, NULL);
	struct world_ring ring = ring_of(ALICE);
	struct exo_bind arg = {0};
	struct exo_cap forged;

	assert_int_equal(world_bind(ALICE, &alice, &udp7, &ring, &arg), 0);
	world_fill(ALICE, &ring, 8, 2048, 0);
	arrive(7, 1, &ring);
	forged = arg.out;
	forged.first++;
	assert_int_equal(net_call_unbind(world_env(ALICE), &forged), -EXO_EKEY);
	assert_int_equal(net_call_unbind(world_env(BOB), &arg.out), -EXO_EPERM);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), -EXO_EBUSY);
	assert_int_equal(net_call_unbind(world_env(ALICE), &arg.out), 0);
	arrive(7, 0, &ring);
	assert_int_equal(net_call_unbind(world_env(ALICE), &arg.out), -EXO_ESTALE);
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
}

/* Who binds again and again takes no memory for longer than that. */
static void unbinding_gives_all_back(void **state)
{
	struct exo_cap alice = world_grant(ALICE, EXO_RIGHT_BIND, &udp7, NULL);
	struct world_ring ring = ring_of(ALICE);
	long before = 0;

	for (unsigned i = 0; i < 100; i++) {
		struct exo_bind arg = {0};

		assert_int_equal(world_bind(ALICE, &alice, &udp7, &ring, &arg), 0);
		assert_int_equal(net_call_unbind(world_env(ALICE), &arg.out), 0);
		if (i == 0)
			before = world_allocations();
		assert_int_equal(world_allocations(), before);
	}
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
}

/* Grants of grants, a thousand deep and wide: the end of the first ends all, without recursion. */
static void ends_long_chains(void **state)
{
	struct exo_flow_grant grant = {.space = world_grant(ALICE, ALL, &any, &any),
	                               .rights = ALL,
	                               .n_receive = 1,
	                               .ports = 1,
	                               .receive = (uintptr_t)&udp7};
	uint32_t holder = ALICE;
	unsigned n = 0;

	do {
		grant.to = holder == ALICE ? BOB : ALICE;
		if (n++ > 0)
			grant.space = grant.out;
	} while (net_call_flow_grant(world_env(holder), &grant) == 0 && (holder = grant.to));
	assert_int_equal(n, 512); /* both holders' limits */
	net_env_end(world_env(ALICE));
	assert_int_equal(world_env(BOB)->account->flows, 0);
}

extern struct flt_platform flt_platform;

/* What programs print is no way to hold the console: the first lines of a second, and how many
 * more there were. */
static void programs_print_so_much(void **state)
{
	enum { LINES = 10000, MOST = 600 };

	world_kernel_lines = 0;
	for (unsigned i = 0; i < LINES; i++)
		flt_platform.trace("x", 1);
	assert_in_range(world_kernel_lines, 100, MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_teardown(grants_only_what_it_has, tear_down),
	        cmocka_unit_test_teardown(binds_only_inside, tear_down),
	        cmocka_unit_test_teardown(overlaps_need_share, tear_down),
	        cmocka_unit_test_teardown(lower_priority_contends_with_nothing, tear_down),
	        cmocka_unit_test_teardown(refuses_bad_programs, tear_down),
	        cmocka_unit_test_teardown(ends_with_what_it_came_from, tear_down),
	        cmocka_unit_test_teardown(unbinds, tear_down),
	        cmocka_unit_test_teardown(unbinding_gives_all_back, tear_down),
	        cmocka_unit_test_teardown(ends_long_chains, tear_down),
	        cmocka_unit_test_teardown(programs_print_so_much, tear_down),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
