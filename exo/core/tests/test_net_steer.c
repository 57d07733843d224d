/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A queue that an ordinary port has to spare, led to by a rule (EXO_RING_QUEUE, exo/dpdk/steer.c):
 * what the flow holds of comes there, all else goes the usual way; what no rule says, or what
 * somebody else would lose by it, is refused. The driver is the test's: it judges rules as those of
 * e1000 and ixgbe do, or takes all of them, and steers as its rule says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <rte_flow.h>
#include <string.h>

#include "../../dpdk/steer.h"
#include "../machine.h"
#include "world.h"

enum { PORT = WORLD_PORTS - 1, SLOTS = 16, SIZE = 32, ALICE = 2, BOB = 3, VLAN = 5 };
enum { US = 0x0a000002, PEER = 0x0a000001, OURS = 7, OTHER = 8 };

/* ---- The NIC ---- */

static enum { KNOWS_ALL, KNOWS_IP_ALONE, KNOWS_NOTHING } nic;
static struct rte_flow {
	bool on, eth, l4;
	uint8_t l2[2][14], l3[2][40], ports[2][4]; /* value, mask */
	uint32_t l3_size;
} rule;

static bool all_zero(const void *at, size_t size)
{
	const uint8_t *bytes = at;

	while (size > 0 && bytes[size - 1] == 0)
		size--;
	return size == 0;
}

int rte_flow_validate(uint16_t port, const struct rte_flow_attr *attr,
                      const struct rte_flow_item items[], const struct rte_flow_action actions[],
                      struct rte_flow_error *error)
{
	const struct rte_flow_action_queue *aim = actions[0].conf;
	const struct rte_flow_item_ipv4 *ip = items[1].mask;

	assert_int_equal(port, PORT);
	assert_int_equal(actions[0].type, RTE_FLOW_ACTION_TYPE_QUEUE);
	assert_int_equal(aim->index, 1);
	if (nic != KNOWS_IP_ALONE)
		return nic == KNOWS_ALL ? 0 : -ENOSYS;
	/* As igb's 5-tuple filters, of a priority, and its EtherType filters. */
	if (items[1].type == RTE_FLOW_ITEM_TYPE_END)
		return items[0].spec ? 0 : -EINVAL;
	return attr->priority == 1 && !items[0].spec && items[1].type == RTE_FLOW_ITEM_TYPE_IPV4 &&
	                       all_zero(&ip->hdr, offsetof(struct rte_ipv4_hdr, time_to_live))
	               ? 0
	               : -EINVAL;
}

struct rte_flow *rte_flow_create(uint16_t port, const struct rte_flow_attr *attr,
                                 const struct rte_flow_item items[],
                                 const struct rte_flow_action actions[],
                                 struct rte_flow_error *error)
{
	assert_false(rule.on);
	rule = (struct rte_flow){.on = true, .eth = items[0].spec != NULL};
	if (rule.eth) {
		memcpy(rule.l2[0], items[0].spec, 14);
		memcpy(rule.l2[1], items[0].mask, 14);
	}
	for (unsigned i = 1; items[i].type != RTE_FLOW_ITEM_TYPE_END; i++) {
		bool l3 = items[i].type == RTE_FLOW_ITEM_TYPE_IPV4 ||
		          items[i].type == RTE_FLOW_ITEM_TYPE_IPV6;

		if (l3)
			rule.l3_size = items[i].type == RTE_FLOW_ITEM_TYPE_IPV4 ? 20 : 40;
		rule.l4 = !l3;
		memcpy(l3 ? rule.l3[0] : rule.ports[0], items[i].spec, l3 ? rule.l3_size : 4);
		memcpy(l3 ? rule.l3[1] : rule.ports[1], items[i].mask, l3 ? rule.l3_size : 4);
	}
	return &rule;
}

int rte_flow_destroy(uint16_t port, struct rte_flow *flow, struct rte_flow_error *error)
{
	assert_ptr_equal(flow, &rule);
	assert_true(rule.on);
	rule.on = false;
	return 0;
}

static bool agrees(const uint8_t *at, const uint8_t *value, const uint8_t *mask, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if ((at[i] ^ value[i]) & mask[i])
			return false;
	return true;
}

/* As hardware does: by headers, behind a tag where it was not told what stands before IP. */
static bool is_steered(const uint8_t *frame)
{
	const uint8_t *ip = frame + 14;
	uint32_t header;

	if (!rule.on || (rule.eth && !agrees(frame, rule.l2[0], rule.l2[1], 14)))
		return false;
	if (!rule.eth && frame[12] == 0x81)
		ip += 4;
	if (rule.l3_size == 0)
		return true;
	header = rule.l3_size == 20 ? (ip[0] & 15) * 4u : 40;
	if (!agrees(ip, rule.l3[0], rule.l3[1], rule.l3_size))
		return false;
	return !rule.l4 || ((rule.l3_size == 40 || ((ip[6] & 0x3f) | ip[7]) == 0) &&
	                    agrees(ip + header, rule.ports[0], rule.ports[1], 4));
}

static void arrive(const uint8_t *frame, uint32_t length)
{
	if (is_steered(frame))
		assert_true(world_arrive_dma(frame, length, 0));
	else
		world_arrive(PORT, frame, length, 0);
	world_poll();
}

bool machine_dma_spare(unsigned port)
{
	return port == PORT;
}

static struct rte_flow *made;

int machine_dma_steer(unsigned port, const struct flt_conjunction *flow, bool loose)
{
	int result = dpdk_steer((uint16_t)port, 1, flow, loose, &made);

	return result < 0 ? -EXO_ENOSYS : result;
}

void machine_dma_steer_end(unsigned port)
{
	dpdk_steer_end((uint16_t)port, made);
}

/* ---- Environments ---- */

static uint8_t frame[300];
static uint32_t length;

static int tear_down(void **state)
{
	for (uint32_t env = ALICE; env <= BOB; env++) {
		net_env_end(world_env(env));
		world_frames_free(env);
		world_env_reset(env);
	}
	world_pass(2); /* fragments wait for their first one */
	world_poll();
	assert_false(rule.on);
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
	nic = KNOWS_ALL;
	return 0;
}

static struct exo_cap grant(uint32_t env, const struct flt_conjunction *flow)
{
	return world_grant_ports(env, EXO_RIGHT_BIND | EXO_RIGHT_TAP | EXO_RIGHT_HOST, 1 << PORT,
	                         flow, NULL);
}

static int open_queue(const struct exo_cap *space, struct world_ring *to)
{
	struct exo_ring_create arg = {.kind = EXO_RING_RECEIVE,
	                              .mode = EXO_RING_QUEUE,
	                              .size = SIZE,
	                              .space = *space,
	                              .n_buffers = SLOTS,
	                              .first_buffer = world_frames(ALICE, SLOTS, 0)};
	uint8_t *at;
	int result;

	arg.first_frame = world_frames(ALICE, (uint32_t)((exo_ring_bytes(SIZE) + 4095) / 4096), 0);
	result = (int)net_call_ring_create(world_env(ALICE), &arg);
	at = world_memory(arg.first_frame * 4096);
	*to = (struct world_ring){.cap = arg.out,
	                          .request = (void *)at,
	                          .response = (void *)(at + exo_queue_bytes(SIZE)),
	                          .size = SIZE};
	return result;
}

/* Whether Alice's flow is led to a queue; it is not any more afterwards. */
static int try_flow(const struct flt_conjunction *flow)
{
	struct exo_cap space = grant(ALICE, flow);
	struct world_ring ring;
	int result = open_queue(&space, &ring);

	if (result == 0)
		assert_int_equal(net_call_ring_destroy(world_env(ALICE), &ring.cap), 0);
	world_frames_free(ALICE);
	return result;
}

static int64_t bind_flow(uint32_t env, const struct flt_conjunction *flow, uint32_t flags,
                         struct world_ring *ring)
{
	struct exo_cap space = grant(env, flow);
	struct exo_bind arg = {.flags = flags};

	assert_int_equal(world_ring(env, EXO_RING_RECEIVE, SIZE, NULL, ring), 0);
	world_fill(env, ring, SIZE, 2048, 0);
	return world_bind(env, &space, flow, ring, &arg);
}

static unsigned count(struct world_ring *ring)
{
	struct exo_desc desc;
	unsigned n = 0;

	while (world_get(ring, &desc))
		n++;
	return n;
}

static void is_vlan(struct flt_conjunction *flow)
{
	world_any(flow);
	world_term(flow, 12, 2, 0xffff, 0x8100);
	world_term(flow, 14, 2, 0x0fff, VLAN);
}

static uint32_t tag(uint8_t *at, uint32_t n)
{
	memmove(at + 16, at + 12, n - 12);
	memcpy(at + 12, (uint8_t[]){0x81, 0, 0, VLAN}, 4);
	return n + 4;
}

/* ---- Tests ---- */

static void leads_the_flow_and_nothing_else(void **state)
{
	struct world_ring queue, copied, bobs;
	struct flt_conjunction flow, other;
	struct exo_cap space;
	struct exo_desc desc;

	world_udp_to(&flow, US, OURS);
	world_udp_to(&other, US, OTHER);
	space = grant(ALICE, &flow);
	assert_int_equal(bind_flow(ALICE, &flow, 0, &copied), 0);
	assert_int_equal(bind_flow(BOB, &other, 0, &bobs), 0);
	assert_int_equal(open_queue(&space, &queue), 0);
	length = world_udp(frame, PEER, 1000, US, OURS, 100);
	arrive(frame, length);
	assert_true(world_get(&queue, &desc));
	assert_int_equal(desc.length, length);
	assert_memory_equal(world_memory(desc.address), frame, length);
	frame[21] = 4; /* a later fragment: its ports are none */
	arrive(frame, length);
	length = world_udp(frame, PEER, 1000, US, OTHER, 100);
	arrive(frame, length);
	assert_int_equal(count(&queue), 0);
	assert_int_equal(count(&copied), 0);
	assert_int_equal(count(&bobs), 1);
	/* Its end: the same frames are copied again. */
	assert_int_equal(net_call_ring_destroy(world_env(ALICE), &queue.cap), 0);
	assert_false(rule.on);
	length = world_udp(frame, PEER, 1000, US, OURS, 100);
	arrive(frame, length);
	assert_int_equal(count(&copied), 1);
}

static void knows_what_a_rule_can_say(void **state)
{
	struct flt_conjunction flow;

	world_any(&flow);
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS); /* everything */
	world_term(&flow, 12, 2, 0xffff, 0x88b6);
	assert_int_equal(try_flow(&flow), 0);
	world_term(&flow, 0, 4, 0xffffffff, 0x02000000); /* and a destination */
	assert_int_equal(try_flow(&flow), 0);
	world_term(&flow, 14, 1, 0xff, 1); /* and what no header is known to have */
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
	world_udp_to(&flow, US, OURS);
	assert_int_equal(try_flow(&flow), 0);
	world_term(&flow, 26, 4, 0xffffff00, PEER & 0xffffff00); /* from a network */
	assert_int_equal(try_flow(&flow), 0);
	world_term(&flow, 34, 2, 0xffff, 1000); /* at a place that options move */
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
	world_any(&flow); /* IPv6 */
	world_term(&flow, 12, 2, 0xffff, 0x86dd);
	world_term(&flow, 20, 1, 0xff, 17);
	world_term(&flow, 56, 2, 0xffff, OURS);
	assert_int_equal(try_flow(&flow), 0);
	assert_int_equal(rule.l3_size, 40);
	assert_true(rule.l4 && rule.ports[0][3] == OURS && rule.ports[1][2] == 0xff);
	world_any(&flow); /* ports of no protocol */
	world_term(&flow, 12, 2, 0xffff, 0x86dd);
	world_term(&flow, 56, 2, 0xffff, OURS);
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
	world_udp_to(&flow, US, OURS);
	flow.terms[flow.n_terms - 1].negate = 1;
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
	world_udp_to(&flow, US, OURS);
	flow.terms[flow.n_terms - 1].test = FLT_TEST_RANGE;
	flow.terms[flow.n_terms - 1].low = 1;
	flow.terms[flow.n_terms - 1].high = OURS;
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
	nic = KNOWS_NOTHING;
	world_udp_to(&flow, US, OURS);
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
	assert_false(dpdk_steer_possible(PORT, 1));
	nic = KNOWS_IP_ALONE;
	assert_true(dpdk_steer_possible(PORT, 1));
}

/* A port's number in a later fragment's place is no port: the flow has to say that it has none. */
static void wants_fragments_left_out(void **state)
{
	struct flt_conjunction flow, whole;

	world_udp_to(&whole, US, OURS);
	world_any(&flow);
	for (uint32_t i = 0; i < whole.n_terms; i++)
		if (whole.terms[i].offset != 20)
			flow.terms[flow.n_terms++] = whole.terms[i];
	assert_int_equal(flow.n_terms, whole.n_terms - 1);
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
}

static void takes_nothing_from_others(void **state)
{
	struct flt_conjunction flow, any;
	struct world_ring ring, queue;
	struct exo_cap space;

	world_udp_to(&flow, US, OURS);
	world_any(&any);
	assert_int_equal(bind_flow(BOB, &flow, 0, &ring), 0);
	assert_int_equal(try_flow(&flow), -EXO_EBUSY);
	tear_down(NULL);
	assert_int_equal(bind_flow(BOB, &any, EXO_BIND_TAP, &ring), 0);
	assert_int_equal(try_flow(&flow), -EXO_EBUSY);
	tear_down(NULL);
	assert_int_equal(bind_flow(BOB, &any, EXO_BIND_HOST, &ring),
	                 0); /* gets what nobody wants */
	space = grant(ALICE, &flow);
	assert_int_equal(open_queue(&space, &queue), 0);
	assert_int_equal(open_queue(&space, &queue), -EXO_EBUSY); /* there is one */
	assert_int_equal(bind_flow(BOB, &flow, 0, &ring), -EXO_EBUSY);
	assert_int_equal(bind_flow(BOB, &any, EXO_BIND_TAP, &ring), -EXO_EBUSY);
	world_udp_to(&any, US, OTHER);
	assert_int_equal(bind_flow(BOB, &any, 0, &ring), 0);
	assert_int_equal(bind_flow(ALICE, &flow, 0, &ring), 0);
}

/* A driver that does not look at what stands before IP steers tagged frames as well. */
static void minds_tags_that_the_nic_does_not_see(void **state)
{
	struct world_ring bobs, queue;
	struct flt_conjunction flow, vlan;
	struct exo_cap space;

	nic = KNOWS_IP_ALONE;
	world_udp_to(&flow, US, OURS);
	is_vlan(&vlan);
	assert_int_equal(bind_flow(BOB, &vlan, 0, &bobs), 0);
	assert_int_equal(try_flow(&flow), -EXO_ENOSYS);
	tear_down(NULL);
	nic = KNOWS_IP_ALONE;
	space = grant(ALICE, &flow);
	assert_int_equal(open_queue(&space, &queue), 0);
	assert_false(rule.eth);
	assert_int_equal(bind_flow(BOB, &vlan, 0, &bobs), -EXO_EBUSY);
	length = world_udp(frame, PEER, 1000, US, OURS, 100);
	arrive(frame, length);
	assert_int_equal(count(&queue), 1);
	tear_down(NULL);
	/* One that does look has both. */
	space = grant(ALICE, &flow);
	assert_int_equal(open_queue(&space, &queue), 0);
	assert_true(rule.eth);
	assert_int_equal(bind_flow(BOB, &vlan, 0, &bobs), 0);
	length = world_udp(frame, PEER, 1000, US, OURS, 100);
	arrive(frame, length);
	arrive(frame, tag(frame, length));
	assert_int_equal(count(&queue), 1);
	assert_int_equal(count(&bobs), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_teardown(leads_the_flow_and_nothing_else, tear_down),
	        cmocka_unit_test_teardown(knows_what_a_rule_can_say, tear_down),
	        cmocka_unit_test_teardown(wants_fragments_left_out, tear_down),
	        cmocka_unit_test_teardown(takes_nothing_from_others, tear_down),
	        cmocka_unit_test_teardown(minds_tags_that_the_nic_does_not_see, tear_down),
	};

	world_slots = SLOTS;
	world_spare = true;
	world_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
