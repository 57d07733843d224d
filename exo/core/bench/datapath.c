/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How fast one core takes frames from a port through demultiplexer and copy ring into an
 * environment's buffers, natively, beside a loop that only receives and sends on the same port.
 *
 *     bare    rte_eth_rx_burst, rte_eth_tx_burst of the same frames
 *     sluice  net_poll: receive, look-up among N bindings, copy into fill buffers, descriptors,
 *             counters; then, in the environment's place and with libexo's ring: take the
 *             descriptors, fill the buffers in again
 *
 * on two kinds of port, each in a process of its own:
 *
 *     pcap    net_pcap with infinite_rx: a frame is copied into an mbuf that is allocated for it,
 *             as a NIC would by itself; sending and delivering free it
 *     ring    net_ring: a burst's addresses are moved, no byte of a frame is touched; the frames go
 *             back into the ring, from which both loops take them again
 *
 * Not in it: a NIC, a border crossing, the environment reading the bytes. Prints a table, and with
 * -j FILE the same as JSON records.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <libexo/ring.h>

#include "../tests/world.h"

enum { ENV = 2, BURST = 32, RING = 256, ADDRESS = 0x0a000002, PEER = 0x0a000001 };

static struct rte_mbuf *frames[BURST];
static double seconds = 0.5;
static FILE *json;
static bool is_pcap; /* the kind of port */

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time); /* the machine may be shared */
	return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void make_frames(uint32_t size)
{
	uint8_t bytes[2048];
	uint32_t length = world_udp(bytes, PEER, 1, ADDRESS, 7, size - 42);

	for (unsigned i = 0; i < BURST; i++)
		world_arrive(0, bytes, length, 0);
	if (rte_eth_rx_burst(0, 0, frames, BURST) != BURST)
		abort();
}

static void free_frames(void)
{
	rte_pktmbuf_free_bulk(frames, BURST);
}

/* Puts the frames into the port's ring again; the packet path's free only drops a reference. */
static void offer(void)
{
	for (unsigned i = 0; i < BURST; i++)
		rte_mbuf_refcnt_update(frames[i], 1);
	world_offer(0, frames, BURST);
}

/* Frames per second of a loop that handles BURST of them. */
static double rate(void (*loop)(void))
{
	double start = now(), end = start + seconds;
	uint64_t n = 0;

	do {
		for (unsigned i = 0; i < 1000; i++)
			loop();
		n += (uint64_t)1000 * BURST;
	} while (now() < end);
	return (double)n / (now() - start);
}

static void bare(void)
{
	struct rte_mbuf *burst[BURST];
	uint16_t n = rte_eth_rx_burst(0, 0, burst, BURST);

	if (world_offer(0, burst, n) != n)
		abort();
}

static void bare_pcap(void)
{
	struct rte_mbuf *burst[BURST];
	uint16_t n = rte_eth_rx_burst(WORLD_PORTS, 0, burst, BURST);

	if (n != BURST || rte_eth_tx_burst(WORLD_PORTS, 0, burst, n) != n)
		abort();
}

static double measure_bare(uint32_t size)
{
	double result;

	if (is_pcap)
		return rate(bare_pcap);
	make_frames(size);
	world_offer(0, frames, BURST);
	result = rate(bare);
	if (rte_eth_rx_burst(0, 0, frames, BURST) != BURST)
		abort();
	free_frames();
	return result;
}

static struct world_ring ring;
static struct exo_ring own; /* the environment's view of it */

static void sluice(void)
{
	uint32_t n;

	if (!is_pcap)
		offer();
	net_poll(0, BURST);
	n = exo_ring_there(&own);
	for (uint32_t i = 0; i < n; i++) {
		exo_ring_slot(&own, i)->address = exo_ring_response(&own, i)->address;
		exo_ring_slot(&own, i)->length = 2048;
	}
	exo_ring_taken(&own, n);
	exo_ring_publish(&own, n);
}

static void bind_flow(const struct exo_cap *space, const struct flt_conjunction *flow)
{
	struct exo_bind arg = {0};

	if (world_bind(ENV, space, flow, &ring, &arg))
		abort();
}

/* others: bindings of other ports besides the one; ANY: one binding without any term, so that the
 * look-up costs next to nothing. */
#define ANY UINT32_MAX

static double measure_sluice(uint32_t size, uint32_t others)
{
	struct flt_conjunction any, flow;
	struct exo_cap space;
	uint64_t before;
	double result;

	world_any(&any);
	space = world_grant_ports(ENV, EXO_RIGHT_BIND, is_pcap ? 1 << WORLD_PORTS : 1, &any, NULL);
	if (world_ring(ENV, EXO_RING_RECEIVE, RING, NULL, &ring))
		abort();
	world_fill(ENV, &ring, 2 * BURST, 2048, 0);
	own = (struct exo_ring){.request = ring.request,
	                        .response = ring.response,
	                        .size = ring.size,
	                        .request_head = ring.head,
	                        .response_tail = ring.tail};
	for (uint32_t i = 0; others != ANY && i < others; i++) {
		world_udp_to(&flow, ADDRESS, (uint16_t)(1000 + i));
		bind_flow(&space, &flow);
	}
	world_udp_to(&flow, ADDRESS, 7);
	bind_flow(&space, others == ANY ? &any : &flow);
	if (!is_pcap)
		make_frames(size);
	before = ring.counters->packets;
	sluice();
	if (ring.counters->packets != before + BURST)
		abort(); /* it measures nothing if nothing is delivered */
	result = rate(sluice);
	if (!is_pcap)
		free_frames();
	net_env_end(world_env(ENV));
	world_frames_free(ENV);
	world_env_reset(ENV);
	return result;
}

static void record(const char *subject, uint32_t size, uint32_t others, double value)
{
	if (!json)
		return;
	fprintf(json,
	        "%s  {\"metric\": \"datapath.receive\", \"subject\": \"%s\", \"params\": "
	        "{\"bytes\": "
	        "%u, \"bindings\": %d, \"port\": \"%s\"}, \"value\": %.0f, \"unit\": "
	        "\"frames/s/core\", \"where\": \"host\", \"runs\": 1, \"spread\": 0}",
	        ftell(json) > 2 ? ",\n" : "", subject, size, (int)others, is_pcap ? "pcap" : "ring",
	        value);
	fflush(json);
}

/* A capture of BURST frames for the port to repeat (pcap-savefile(5)). → its path. */
static const char *write_capture(uint32_t size)
{
	static char path[] = "/tmp/datapath-XXXXXX";
	const uint32_t head[6] = {0xa1b2c3d4, 4 << 16 | 2, 0, 0, 65535, 1};
	uint8_t bytes[2048];
	uint32_t length = world_udp(bytes, PEER, 1, ADDRESS, 7, size - 42);
	const uint32_t record[4] = {0, 0, length, length};
	FILE *file = fdopen(mkstemp(path), "wb");

	if (!file)
		abort();
	(void)fwrite(head, sizeof(head), 1, file);
	for (unsigned i = 0; i < BURST; i++) {
		(void)fwrite(record, sizeof(record), 1, file);
		(void)fwrite(bytes, 1, length, file);
	}
	if (fclose(file))
		abort();
	return path;
}

static void row(uint32_t size, uint32_t others)
{
	double without = measure_bare(size), with = measure_sluice(size, others);

	printf("%5s %6u %10d %10.2f %10.2f %10.2f %10.1f\n", is_pcap ? "pcap" : "ring", size,
	       (int)others, without / 1e6, with / 1e6, with / without, 1e9 / with);
	fflush(stdout);
	record("bare", size, others, without);
	record("sluice", size, others, with);
}

/* In a process of its own: DPDK starts once in each. */
static void measure(bool pcap, uint32_t size, uint32_t others)
{
	pid_t child = fork();
	int status = 1;

	if (child == 0) {
		is_pcap = pcap;
		world_cores = 1; /* with more, rings have locks */
		if (pcap) {
			const char *path = write_capture(size);

			world_start_capture(path);
			(void)unlink(path);
		} else {
			world_start();
		}
		row(size, others);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		abort();
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {64, 512, 1500};
	int option;

	while ((option = getopt(argc, argv, "j:s:")) != -1) {
		if (option == 'j')
			json = fopen(optarg, "w");
		else if (option == 's')
			seconds = strtod(optarg, NULL);
		else
			return 2;
	}
	printf("one core, million frames a second; other bindings -1: one binding, no terms\n"
	       " port  bytes     others       bare     sluice      ratio   ns/frame\n");
	fflush(stdout);
	if (json) {
		fputs("[\n", json);
		fflush(json);
	}
	for (int pcap = 1; pcap >= 0; pcap--) {
		for (unsigned i = 0; i < 3; i++)
			measure(pcap, sizes[i], ANY);
		for (unsigned i = 0; i < 3; i++)
			measure(pcap, sizes[i], 0);
		measure(pcap, 64, 100);
		measure(pcap, 64, 1000);
	}
	if (json) {
		fputs("\n]\n", json);
		fclose(json);
	}
	return 0;
}
