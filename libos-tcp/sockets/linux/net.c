/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network of a family: opened by the first process before its program begins. An environment
 * without a flow space has none; programs find that there is no such address family.
 */
#include <errno.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <tcp/exo.h>

#include "net.h"

enum {
	SHARED = EXO_RIGHT_READ | EXO_RIGHT_WRITE,
	SHARE = 8, /* one frame in … of the environment's is for the network at most */
	RING_LEAST = 32,
	RING_MOST = 512,
	LAST_NS = 1000000000, /* how long the end waits for what was sent to arrive, at a time … */
	LASTS = 10,           /* … and how often */
	BLOCKS = 128,         /* for datagrams that wait to be read, and local pairs */
};

/* In the family's memory. */
struct net {
	struct tcp_exo exo;
	struct socks set;
	bool there;
	const struct process *first; /* whose rings they are */
	uint32_t told;               /* of the set's news */
};

static struct net *net;
struct socks *net_sockets;

bool net_there(void)
{
	return net != NULL && net->there;
}

/* ---- Sizes ---- */

/* Window and buffers follow what the rings hold: a frame that waits to be read keeps its buffer. */
static struct tcp_exo_options size_for(uint32_t ring)
{
	struct tcp_exo_options options = tcp_exo_options_default();

	options.udp.ring_size = ring;
	options.tcp.connections = options.tcp.actives = ring * 2;
	options.tcp.requests = ring;
	options.tcp.time_waits = ring * 4;
	options.tcp.chunks = options.tcp.records = ring * 4;
	options.tcp.arrivals = ring * 3 / 4;
	options.tcp.blocks = ring;
	options.tcp.receive_buffer = ring * 512;
	options.tcp.receive_buffer_max = ring * 1024;
	options.tcp.send_buffer = ring * 512;
	options.tcp.send_buffer_max = ring * TCP_BLOCK_BYTES / 2;
	return options;
}

static uint32_t pages_of(uint32_t ring)
{
	struct tcp_exo_options options = size_for(ring);

	return exo_pages_for(tcp_stack_bytes(&options.tcp)) +
	       exo_pages_for((uint64_t)ring * 2 * UDP_EXO_BUFFER_BYTES);
}

static uint32_t choose_ring(void)
{
	uint64_t most = exo_account()->frames_max / SHARE;
	uint32_t ring = RING_MOST;

	while (ring > RING_LEAST && pages_of(ring) > most)
		ring /= 2;
	return ring;
}

/* ---- Opening ---- */

static void *take(uint64_t bytes)
{
	struct exo_pages pages;

	if (exo_pages_alloc(&pages, exo_pages_for(bytes)) < 0)
		return NULL;
	return family_add(pages.address, pages.count, SHARED) == 0 ? pages.address : NULL;
}

/* Who shares its address has not the right to speak ARP for it. */
static uint32_t roles_of(const struct exo_start_cap *flow)
{
	return (flow->cap.rights & EXO_RIGHT_SHARE) != 0 ? UDP_ROLE_LEARN | UDP_ROLE_ASK
	                                                 : UDP_ROLE_ALL | UDP_ROLE_LEARN;
}

/* The tables of neighbours that the stack looks into. */
static void share_neighbours(void)
{
	for (unsigned i = 0; exo_start_address(i) != NULL; i++) {
		const struct exo_start_address *address = exo_start_address(i);

		if (address->neighbours != 0)
			(void)family_add((const void *)address->neighbours, 1,
			                 address->publishes ? SHARED : EXO_RIGHT_READ);
	}
}

static const char *open_stacks(const struct exo_start_cap *flow)
{
	struct tcp_exo_options options = size_for(choose_ring());
	struct udp_exo *driver = &net->exo.driver;
	const struct exo_pages *areas[] = {&driver->frames, &driver->memory, &driver->rx.memory,
	                                   &driver->tx.memory, &net->exo.memory};

	options.udp.config.roles = roles_of(flow);
	if (tcp_exo_open(&net->exo, &options) < 0)
		return driver->error;
	for (unsigned i = 0; i < sizeof(areas) / sizeof(areas[0]); i++)
		if (family_add(areas[i]->address, areas[i]->count, SHARED) < 0)
			return "too many areas of memory";
	share_neighbours();
	if (udp_loopback_add(driver->stack) < 0)
		return "no loopback interface";
	net->set.tcp = net->exo.stack;
	net->set.udp = driver->stack;
	net->first = self;
	net->there = true;
	task_hear();
	return NULL;
}

static bool make_set(void)
{
	size_t bytes = socks_bytes(FILES_MAX, BLOCKS);
	void *memory;

	net = take(sizeof(*net));
	memory = net != NULL ? take(bytes) : NULL;
	if (memory == NULL)
		return false;
	socks_init(&net->set, memory, FILES_MAX, BLOCKS);
	net_sockets = &net->set;
	net_sockets->drop_right = fd_release;
	net_sockets->drop_name = local_drop_name;
	return true;
}

/* ---- Running ---- */

/* What became of sockets may be what other processes wait for. And only the first process may ring
 * the bell: where another one has sent something, it is woken to do so. */
static void tell(void)
{
	bool mute = net_there() && net->exo.driver.unheard && self != net->first;

	if (net->told == net->set.news && !mute)
		return;
	net->told = net->set.news;
	family_changed();
}

/* What time it is, where programs want to know when packets came and left. */
static void tick(void)
{
	if (net->set.timed)
		socks_clock(&net->set, exo_time_wall_ns());
}

static uint32_t poll_once(void)
{
	uint32_t n;

	tick();
	n = tcp_exo_poll(&net->exo);
	tick();
	return n;
}

void net_run(void)
{
	if (net_there())
		(void)poll_once();
	tell();
}

static uint64_t run(void)
{
	if (!net_there())
		return UINT64_MAX;
	while (poll_once() > 0)
		;
	tell();
	return net->exo.driver.deadline;
}

/* Whether something that a program wrote has not arrived yet, or has been asked for and not sent.
 */
static bool is_busy(void)
{
	return tcp_stack_usage(net->exo.stack).records > 0 ||
	       tcp_stack_usage(net->exo.stack).chunks > 0;
}

/* The stacks end with their first process. What it wrote before is seen off, as far as that takes
 * not for ever. */
static void end(void)
{
	uint64_t until = exo_time_now_ns() + (uint64_t)LASTS * LAST_NS;

	while (net_there()) {
		if (tcp_exo_poll(&net->exo) > 0)
			continue;
		if (!is_busy() || exo_time_now_ns() >= until)
			break;
		tcp_exo_wait(&net->exo, LAST_NS);
	}
}

const struct linux_extension *linux_extend(void)
{
	static const struct linux_extension extension = {.run = run, .end = end};
	const struct exo_start_cap *flow = exo_start_find(EXO_USE_FLOW, NULL);
	const char *wrong;

	if (!make_set())
		return NULL;
	sock_file_type = fd_type_register(&sock_operations);
	call_register();
	etc_init();
	if (flow == NULL)
		return &extension;
	wrong = open_stacks(flow);
	if (wrong != NULL)
		exo_printf("linux: no network: %s\n", wrong);
	return &extension;
}
