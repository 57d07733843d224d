/* SPDX-License-Identifier: BSD-2-Clause */
/* The stream stack on exo rings: memory, order of opening, the usual loop. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <tcp/exo.h>

enum {
	RING_SIZE_DEFAULT = 512,
	NEIGHBOURS = 256,
	BURST_MAX = 65160, /* bytes of segments that go down together: 45 of Ethernet's */
	CONNECTIONS = 1024,
};

struct lister {
	exo_handover_each *each;
	void *with;
};

struct tcp_exo_options tcp_exo_options_default(void)
{
	struct tcp_exo_options options = {.udp = udp_exo_options_default(),
	                                  .tcp = tcp_config_default()};

	options.udp.ring_size = RING_SIZE_DEFAULT;
	options.udp.config.neighbours = NEIGHBOURS;
	options.tcp.connections = CONNECTIONS;
	options.tcp.actives = CONNECTIONS;
	options.tcp.requests = CONNECTIONS;
	options.tcp.time_waits = 4 * CONNECTIONS;
	options.tcp.chunks = 4 * CONNECTIONS;
	options.tcp.records = 4 * CONNECTIONS;
	options.tcp.blocks = CONNECTIONS / 4;
	options.tcp.segment_max = BURST_MAX; /* the kernel cuts, or the NIC */
	options.tcp.gather = true;
	/* Segments held for reading lie in the driver's buffers: some must stay for the ring. */
	options.tcp.arrivals = RING_SIZE_DEFAULT / 2;
	return options;
}

static int failed(struct tcp_exo *net, const char *what, int result)
{
	exo_snprintf(net->driver.error, sizeof net->driver.error, "%s: %s", what,
	             exo_error_text(result));
	return result;
}

static void list_one(void *with, const struct udp_endpoint *local,
                     const struct udp_endpoint *remote)
{
	struct exo_handover_peer peer = {
	        .family = local->ip.family, .local_port = local->port, .remote_port = remote->port};
	const struct lister *lister = with;

	memcpy(peer.local, local->ip.bytes, peer.family == 6 ? 16 : 4);
	memcpy(peer.remote, remote->ip.bytes, peer.family == 6 ? 16 : 4);
	lister->each(lister->with, &peer);
}

static void list_connections(void *context, exo_handover_each *each, void *with)
{
	struct tcp_exo *net = context;
	struct lister lister = {each, with};

	/* What follows is about all that there is; and its binding would outdo the taker's. */
	tcp_exo_edge_end(net);
	tcp_stack_each(net->stack, list_one, &lister);
}

static void open_handover(struct tcp_exo *net)
{
	struct udp_exo *driver = &net->driver;

	exo_handover_open(&net->handover, driver->flow->name, &driver->rx.cap, driver->bindings,
	                  driver->n_bindings, list_connections, net);
	driver->handover = &net->handover;
}

int tcp_exo_open(struct tcp_exo *net, const struct tcp_exo_options *options)
{
	struct tcp_config config = options->tcp;
	size_t size = tcp_stack_bytes(&config);
	int result = udp_exo_open(&net->driver, &options->udp);

	if (result < 0)
		return result;
	/* A NIC's own buffers are few, and half of them must stay with it. */
	if (net->driver.slots != 0 && config.arrivals > net->driver.slots / 4)
		config.arrivals = net->driver.slots / 4;
	if (size == 0)
		return failed(net, "configuration of TCP", -EXO_EINVAL);
	result = exo_pages_alloc(&net->memory, exo_pages_for(size));
	if (result < 0)
		return failed(net, "memory for TCP", result);
	(void)udp_exo_ports(net->driver.flow->name, &config.port_first, &config.port_last);
	if (tcp_udp_open(&net->glue, net->driver.stack, &config, net->memory.address, size) != 0)
		return failed(net, "TCP", -EXO_EINVAL);
	net->stack = net->glue.tcp;
	open_handover(net);
	if (config.gather)
		udp_exo_skim(&net->driver);
	net->driver.awaits = tcp_stack_awaits(net->stack);
	return udp_exo_reach(&net->driver, &net->memory); /* tcp_send_copy's blocks lie there */
}

uint32_t tcp_exo_poll(struct tcp_exo *net)
{
	return udp_exo_poll(&net->driver);
}

void tcp_exo_wait(struct tcp_exo *net, uint64_t ns)
{
	udp_exo_wait(&net->driver, ns);
}

_Noreturn void tcp_exo_serve(struct tcp_exo *net)
{
	udp_exo_serve(&net->driver);
}
