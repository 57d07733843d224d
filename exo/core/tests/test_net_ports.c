/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Several ports, of DPDK's software devices, brought up by the code that brings up NICs: a ring
 * that gives back what is sent (net_ring), a capture that is read and one that is written
 * (net_pcap), and one that has frames without end and takes as many (net_null). Who is bound on one
 * port gets nothing of another; VLANs are kept apart both ways; each port counts its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <pcap/pcap.h>
#include <rte_bus_vdev.h>
#include <rte_ethdev.h>

#include "../../dpdk/ports.h"
#include "world_test.h"

enum { ALICE = 2, BOB = 3, ADDRESS = 0x0a000002, PEER = 0x0a000001 };
enum { RING = 0, CAPTURE = 1, NOTHING = 2, PORTS = 3 };
enum { TAG = 4, SIZE = 60, RED = 5, BLUE = 6 };

static char folder[] = "/tmp/sluice-ports-XXXXXX", in[64], out[64];
static uint8_t frame[2048], got[2048];

/* A UDP frame from port 7 to `to`, with a VLAN's tag; 0: without. → its length. */
static uint32_t make(uint8_t *at, uint16_t vlan, uint16_t to)
{
	uint32_t length = world_udp(at, ADDRESS, 7, PEER, to, 100);

	if (vlan == 0)
		return length;
	memmove(at + 12 + TAG, at + 12, length - 12);
	memcpy(at + 12, (uint8_t[]){0x81, 0, 0, (uint8_t)vlan}, TAG);
	return length + TAG;
}

/* What arrives by the capture: in each VLAN and without one. */
static void write_capture(void)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	pcap_dumper_t *file = pcap_dump_open(pcap, in);
	const uint16_t vlans[] = {0, RED, BLUE, RED, 0};

	assert_non_null(file);
	for (unsigned i = 0; i < sizeof(vlans) / sizeof(vlans[0]); i++) {
		struct pcap_pkthdr header = {.ts.tv_sec = i};

		header.len = header.caplen = make(frame, vlans[i], 9);
		pcap_dump((u_char *)file, &header, frame);
	}
	pcap_dump_close(file);
	pcap_close(pcap);
}

static int start(void **state)
{
	const struct dpdk_ports_wish wish = {
	        .queues = 1,
	        .rx_descriptors = 128,
	        .tx_descriptors = 128,
	        .max_frame = UINT16_MAX,
	        .rx_offloads = RTE_ETH_RX_OFFLOAD_CHECKSUM,
	        .tx_offloads = RTE_ETH_TX_OFFLOAD_IPV4_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM,
	};
	char arguments[160];

	world_cores = 1;
	assert_non_null(mkdtemp(folder));
	snprintf(in, sizeof(in), "%s/in.pcap", folder);
	snprintf(out, sizeof(out), "%s/out.pcap", folder);
	write_capture();
	world_start_eal();
	snprintf(arguments, sizeof(arguments), "rx_pcap=%s,tx_pcap=%s", in, out);
	assert_int_equal(rte_vdev_init("net_ring0", ""), 0);
	assert_int_equal(rte_vdev_init("net_pcap0", arguments), 0);
	assert_int_equal(rte_vdev_init("net_null0", "size=60,copy=1"), 0);
	assert_int_equal(dpdk_ports_start(&wish), PORTS);
	world_start_net(PORTS);
	return 0;
}

static int finish(void **state)
{
	for (unsigned port = 0; port < PORTS; port++)
		rte_eth_dev_close((uint16_t)port);
	unlink(in);
	unlink(out);
	rmdir(folder);
	return 0;
}

static int tear_down(void **state)
{
	world_leave(ALICE, BOB);
	return 0;
}

/* One port never runs dry: so many polls, and no more. */
static void poll(void)
{
	for (unsigned i = 0; i < 20; i++)
		net_poll(0, 64);
}

static void say_vlan(struct flt_conjunction *flow, uint16_t vlan)
{
	world_any(flow);
	world_term(flow, 12, 2, 0xffff, 0x8100);
	world_term(flow, 14, 2, 0x0fff, vlan);
}

static struct world_ring receiver(uint32_t env, unsigned port, const struct flt_conjunction *flow)
{
	struct exo_cap space = world_grant_ports(env, EXO_RIGHT_BIND, 1 << port, flow, NULL);
	struct exo_bind arg = {0};
	struct world_ring ring;

	assert_int_equal(world_ring(env, EXO_RING_RECEIVE, 64, NULL, &ring), 0);
	world_fill(env, &ring, 64, 2048, 0);
	assert_int_equal(world_bind(env, &space, flow, &ring, &arg), 0);
	return ring;
}

static struct world_ring sender(uint32_t env, uint64_t set, const struct flt_conjunction *flow)
{
	struct exo_cap space = world_grant_ports(env, EXO_RIGHT_SEND, set, NULL, flow);
	struct world_ring ring;

	assert_int_equal(world_ring(env, EXO_RING_TRANSMIT, 16, &space, &ring), 0);
	return ring;
}

/* Sends a frame of a VLAN (0: none); → the completion's status. */
static unsigned send_frame(struct world_ring *ring, uint32_t env, uint16_t port, uint16_t vlan)
{
	uint64_t at = world_frames(env, 1, 0) * 4096;
	struct exo_desc desc = {.address = at,
	                        .length = make(world_memory(at), vlan, 9),
	                        .flags = EXO_DESC_REPORT,
	                        .port = port};

	world_put(ring, desc);
	assert_int_equal(net_call_doorbell(world_env(env), ring->cap.first), 0);
	poll();
	assert_true(world_get(ring, &desc));
	return desc.status;
}

static struct exo_port_info counts(unsigned port)
{
	static struct exo_port_info all[PORTS];
	struct exo_info info;

	memset(all, 0, sizeof(all));
	net_info_update(&info, all);
	return all[port];
}

/* How many a ring has, all of which came by `port`; *length: of the last. */
static unsigned received(struct world_ring *ring, unsigned port, uint32_t *length)
{
	struct exo_desc desc;
	unsigned n = 0;

	for (; world_get(ring, &desc); n++) {
		assert_int_equal(desc.port, port);
		*length = desc.length;
		memcpy(got, world_memory(desc.address), desc.length);
	}
	return n;
}

static void names_are_those_of_the_drivers(void **state)
{
	assert_string_equal(counts(RING).driver, "net_ring");
	assert_string_equal(counts(CAPTURE).driver, "net_pcap");
	assert_string_equal(counts(NOTHING).driver, "net_null");
	assert_string_equal(counts(NOTHING).bus, "net_null0");
}

/* First, since the file is read but once. */
static void a_capture_arrives_each_vlan_where_it_is_bound(void **state)
{
	struct flt_conjunction plain, red, blue;
	struct world_ring alices, bobs, others;
	uint32_t length = 0;

	world_udp_to(&plain, PEER, 9);
	say_vlan(&red, RED);
	say_vlan(&blue, BLUE);
	alices = receiver(ALICE, CAPTURE, &plain);
	bobs = receiver(BOB, CAPTURE, &red);
	others = receiver(BOB, RING, &blue); /* of another port */
	poll();
	assert_int_equal(received(&alices, CAPTURE, &length), 2);
	assert_int_equal(length, make(frame, 0, 9));
	assert_memory_equal(got, frame, length);
	assert_int_equal(received(&bobs, CAPTURE, &length), 2);
	assert_int_equal(length, make(frame, RED, 9));
	assert_memory_equal(got, frame, length); /* its tag is where it was */
	assert_int_equal(received(&others, RING, &length), 0);
	assert_int_equal(counts(CAPTURE).drops.unmatched, 1); /* blue */
	assert_int_equal(counts(CAPTURE).rx_packets, 5);
	assert_int_equal(counts(RING).drops.unmatched, 0);
}

static void a_ring_gives_back_what_is_sent(void **state)
{
	struct flt_conjunction flow;
	struct world_ring tx, here, elsewhere;
	uint32_t length = 0;

	world_udp_from(&flow, ADDRESS, 7);
	tx = sender(ALICE, 1 << RING, &flow);
	world_udp_to(&flow, PEER, 9);
	here = receiver(BOB, RING, &flow);
	elsewhere = receiver(BOB, CAPTURE, &flow);
	assert_int_equal(send_frame(&tx, ALICE, RING, 0), 0);
	assert_int_equal(received(&here, RING, &length), 1);
	assert_int_equal(length, make(frame, 0, 9));
	assert_memory_equal(got, frame, length);
	assert_int_equal(received(&elsewhere, CAPTURE, &length), 0);
	/* A port that is there, and not in the space. */
	assert_int_equal(send_frame(&tx, ALICE, NOTHING, 0), EXO_ENOENT);
}

static void a_capture_is_written_of_the_sender_s_vlan_alone(void **state)
{
	char error[PCAP_ERRBUF_SIZE];
	struct flt_conjunction flow;
	struct pcap_pkthdr *header;
	struct world_ring tx;
	const u_char *data;
	pcap_t *pcap;

	say_vlan(&flow, RED);
	tx = sender(ALICE, 1 << CAPTURE, &flow);
	assert_int_equal(send_frame(&tx, ALICE, CAPTURE, RED), 0);
	assert_int_equal(send_frame(&tx, ALICE, CAPTURE, BLUE), EXO_EPERM);
	assert_int_equal(send_frame(&tx, ALICE, CAPTURE, 0), EXO_EPERM);
	assert_int_equal(send_frame(&tx, ALICE, CAPTURE, RED), 0);
	pcap = pcap_open_offline(out, error);
	assert_non_null(pcap);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(pcap_next_ex(pcap, &header, &data), 1);
		assert_int_equal(header->caplen, make(frame, RED, 9));
		assert_memory_equal(data, frame, header->caplen);
	}
	assert_int_equal(pcap_next_ex(pcap, &header, &data), PCAP_ERROR_BREAK);
	pcap_close(pcap);
	assert_int_equal(counts(CAPTURE).tx_packets, 2);
}

/* A port that never runs dry starves neither the others nor who sends. */
static void nothing_comes_without_end_and_all_goes(void **state)
{
	struct flt_conjunction any, flow;
	struct world_ring rx, tx, other;
	uint64_t sent = counts(NOTHING).tx_packets;
	uint32_t length = 0;

	world_any(&any);
	rx = receiver(BOB, NOTHING, &any);
	world_udp_to(&flow, PEER, 9);
	other = receiver(BOB, RING, &flow);
	world_udp_from(&flow, ADDRESS, 7);
	tx = sender(ALICE, 1 << NOTHING | 1 << RING, &flow);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(send_frame(&tx, ALICE, NOTHING, 0), 0);
	assert_int_equal(send_frame(&tx, ALICE, RING, 0), 0);
	assert_int_equal(received(&rx, NOTHING, &length), 64);
	assert_int_equal(length, SIZE);
	assert_int_equal(received(&other, RING, &length), 1);
	assert_int_equal(counts(NOTHING).tx_packets, sent + 5);
	assert_true(world_env(BOB)->account->rx_dropped > 0);
}

/* What LRO needs: the port's queues are others afterwards, and polled. */
static int restarts;

int machine_port_merge(unsigned port)
{
	if (port != RING)
		return -EXO_ENOSYS;
	restarts++;
	assert_int_equal(rte_eth_dev_stop((uint16_t)port), 0);
	assert_int_equal(rte_eth_dev_start((uint16_t)port), 0);
	return 0;
}

static void a_port_starts_anew_while_nobody_has_a_ring(void **state)
{
	struct flt_conjunction flow;
	struct world_ring tx, here;
	uint32_t length = 0;

	world_udp_from(&flow, ADDRESS, 7);
	tx = sender(ALICE, 1 << RING, &flow);
	assert_int_equal(net_call_port_merge(RING), -EXO_EBUSY);
	world_leave(ALICE, BOB);
	assert_int_equal(restarts, 0);
	assert_int_equal(net_call_port_merge(PORTS), -EXO_ENOENT);
	assert_int_equal(net_call_port_merge(UINT64_MAX), -EXO_ENOENT);
	assert_int_equal(net_call_port_merge(NOTHING), -EXO_ENOSYS);
	assert_int_equal(net_call_port_merge(RING), 0);
	assert_int_equal(restarts, 1);
	tx = sender(ALICE, 1 << RING, &flow);
	world_udp_to(&flow, PEER, 9);
	here = receiver(BOB, RING, &flow);
	assert_int_equal(send_frame(&tx, ALICE, RING, 0), 0);
	assert_int_equal(received(&here, RING, &length), 1);
	/* And the one that can't goes on as it was. */
	world_any(&flow);
	here = receiver(BOB, NOTHING, &flow);
	poll();
	assert_true(received(&here, NOTHING, &length) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(names_are_those_of_the_drivers),
	        cmocka_unit_test_teardown(a_capture_arrives_each_vlan_where_it_is_bound, tear_down),
	        cmocka_unit_test_teardown(a_ring_gives_back_what_is_sent, tear_down),
	        cmocka_unit_test_teardown(a_capture_is_written_of_the_sender_s_vlan_alone,
	                                  tear_down),
	        cmocka_unit_test_teardown(nothing_comes_without_end_and_all_goes, tear_down),
	        cmocka_unit_test_teardown(a_port_starts_anew_while_nobody_has_a_ring, tear_down),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
