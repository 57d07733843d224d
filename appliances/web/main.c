/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A web server: HTTP/1.1 on libos-tcp, giving out the payload's files. It has its address to
 * itself, or shares it with a host environment (argument "shared"). Argument "port=N", as often as
 * there are ports: instead of 80; "stack=NAME": tells at /stats what that stack has carried. A flow
 * space named "six" makes it serve IPv6 besides.
 */
#include <http/server.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <tcp/exo.h>

#include "content.h"
#include "stats.h"
#include "sums.h"

#define SECOND_NS 1000000000ull

enum {
	HTTP_PORT = 80, /* where no argument names another */
	NETS_MAX = 2,   /* IPv4, IPv6 */
	MORE = 128,     /* connections of a stack than the server has: who comes, who is going */
	YEAR_2020 = 1577836800,
};

static struct tcp_exo nets[NETS_MAX];
static unsigned n_nets;
static struct http_server *server;
static struct exo_pages memory; /* the server's: it sends from there too */
static const char *stack_name;  /* to be told at /stats; NULL: nothing is told there */

static int complain(const char *what)
{
	exo_printf("web: %s\n", what);
	return 1;
}

/* 0 where the machine's clock was never set: better no date than a wrong one. */
static uint64_t wall_seconds(uint64_t now)
{
	uint64_t seconds = (exo_info()->wall_boot_ns + now) / SECOND_NS;

	return seconds > YEAR_2020 ? seconds : 0;
}

static bool has_argument(const char *word)
{
	for (unsigned i = 1; exo_start_arg(i) != NULL; i++)
		if (strcmp(exo_start_arg(i), word) == 0)
			return true;
	return false;
}

/* What stands behind the n-th `name=` among the arguments; NULL: it is not there. */
static const char *argument(const char *name, unsigned n)
{
	size_t size = strlen(name);

	for (unsigned i = 1; exo_start_arg(i) != NULL; i++)
		if (strncmp(exo_start_arg(i), name, size) == 0 && n-- == 0)
			return exo_start_arg(i) + size;
	return NULL;
}

/* The n-th port; 0: there is none. */
static uint16_t port(unsigned n)
{
	const char *text = argument("port=", n);
	uint16_t number = 0;

	while (text != NULL && *text >= '0' && *text <= '9')
		number = (uint16_t)(number * 10 + (*text++ - '0'));
	return text == NULL && n == 0 ? HTTP_PORT : number;
}

static int listen_all(struct tcp_stack *stack)
{
	int result = 0;

	for (unsigned i = 0; result == 0 && port(i) != 0; i++)
		result = http_server_listen(server, stack, &(struct udp_endpoint){.port = port(i)});
	return result;
}

/* What the kernel has heard and said for us. */
static void add_edge(struct stats *stats, const struct tcp_exo *net)
{
	struct edge_counts counts;

	if (!tcp_exo_edge_counts(net, &counts))
		return;
	stats->segments_in += counts.asked + counts.cookies + counts.heard + counts.ended;
	stats->segments_out += counts.asked + counts.cookies + counts.ended;
}

static const struct http_resource *find(void *context, const struct http_request *request)
{
	struct stats stats;

	if (stack_name == NULL || !stats_wanted(request))
		return content_find(context, request);
	stats = (struct stats){.stack = stack_name,
	                       .connections = server->counters.accepted,
	                       .open = server->in_use,
	                       .requests = server->counters.requests,
	                       .bytes = server->counters.bytes};
	for (unsigned i = 0; i < n_nets; i++) {
		stats.segments_in += tcp_stack_counters(nets[i].stack)->segments_in;
		stats.segments_out += tcp_stack_counters(nets[i].stack)->segments_out;
		stats.retransmits += tcp_stack_counters(nets[i].stack)->retransmits;
		add_edge(&stats, &nets[i]);
	}
	return stats_page(&stats);
}

static void put_in_front(struct tcp_exo *net)
{
	const char *why = net->edge.ext.error;
	int result = tcp_exo_edge(net);

	if (result == 0)
		exo_printf("connections begin and end in the kernel\n");
	else
		exo_printf("no handler in the kernel: %s%s%s\n", exo_error_text(result),
		           why[0] == '\0' ? "" : ": ", why);
}

static int open_net(const char *flow, uint8_t family)
{
	struct tcp_exo_options options = tcp_exo_options_default();
	struct tcp_exo *net = &nets[n_nets];

	options.udp.flow = flow;
	options.udp.family = family;
	options.tcp.connections += MORE;
	if (has_argument("shared"))
		options.udp.config.roles = UDP_ROLE_LEARN;
	if (tcp_exo_open(net, &options) < 0)
		return complain(net->driver.error);
	if (udp_exo_reach(&net->driver, content_pages()) < 0 ||
	    udp_exo_reach(&net->driver, &memory) < 0)
		return complain("too many pieces of memory");
	if (listen_all(net->stack) != 0)
		return complain("cannot listen");
	if (family == 4)
		put_in_front(net);
	n_nets++;
	return 0;
}

static int open_server(void)
{
	struct http_server_config config = http_server_config_default();
	size_t head = (sizeof *server + 63) & ~(size_t)63, size;

	config.find = find;
	size = http_server_bytes(&config);
	if (exo_pages_alloc(&memory, exo_pages_for(head + size)) < 0)
		return complain("no memory for connections");
	server = memory.address;
	return http_server_open(server, &config, (uint8_t *)memory.address + head, size) == 0
	               ? 0
	               : complain("the server's configuration");
}

/* The creator waits for this word before it starts the next environment. */
static void say_ready(int files)
{
	struct exo_mailbox_end end;

	exo_printf("ready: %d files on port %u\n", files, port(0));
	if (exo_mailbox_open(&end) == 0)
		exo_mailbox_send(&end, EXO_CHANNEL_HELLO, NULL, 0);
}

/* The kernel hears of what is to be sent; of the first net's with the call that sleeps. */
static void wait(uint64_t due)
{
	for (unsigned i = 1; i < n_nets; i++) {
		udp_exo_tell(&nets[i].driver);
		if (nets[i].driver.deadline < due)
			due = nets[i].driver.deadline;
	}
	udp_exo_wait_until(&nets[0].driver, due);
}

static bool more_came(void)
{
	for (unsigned i = 0; i < n_nets; i++)
		if (exo_ring_ready(&nets[i].driver.rx))
			return true;
	return false;
}

/* Where nothing more is there it sleeps at once: what comes behind that look is an event, which
 * ends the sleep, or keeps it from beginning. */
static _Noreturn void serve(void)
{
	for (;;) {
		uint64_t now = exo_time_now_ns();

		(void)http_server_run(server, now, wall_seconds(now));
		for (unsigned i = 0; i < n_nets; i++)
			(void)udp_exo_turn(&nets[i].driver);
		if (!more_came())
			wait(http_server_deadline(server));
		else
			for (unsigned i = 0; i < n_nets; i++)
				udp_exo_tell(&nets[i].driver);
	}
}

int exo_main(void)
{
	int files = content_open(wall_seconds(exo_time_now_ns()));

	stack_name = argument("stack=", 0);
	if (files < 0)
		return complain(exo_error_text(files));
	if (sums_open() < 0)
		return complain("no memory for sums");
	if (open_server() != 0 || open_net("web", 4) != 0)
		return 1;
	if (exo_start_find(EXO_USE_FLOW, "six") != NULL && open_net("six", 6) != 0)
		return 1;
	say_ready(files);
	serve();
}
