/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Listeners that come and go behind the handler in front (tcp/exo.h): does what a connection's
 * first word says, "+PORT" or "-PORT", and answers with how many SYNs the handler has answered.
 */
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <tcp/exo.h>

enum { FIRST_PORT = 80, LAST_PORT = 99, LINE = 32 };

static struct tcp_exo net;
static struct tcp_listener *listeners[LAST_PORT + 1];

static void on_accept(struct tcp_listener *listener);

static void listen_at(unsigned port)
{
	struct tcp_options options = tcp_options_default(net.stack);
	struct udp_endpoint at = {.port = (uint16_t)port};

	options.peer_first = true;
	if (tcp_listen(net.stack, &at, 8, &options, on_accept, NULL, &listeners[port]) != 0)
		exo_printf("doors: cannot listen to port %u\n", port);
}

static void obey(const uint8_t *text, uint32_t size)
{
	unsigned port = size == 3 ? (text[1] - '0') * 10u + (text[2] - '0') : 0;

	if (port < FIRST_PORT || port > LAST_PORT)
		return;
	if (text[0] == '+' && listeners[port] == NULL) {
		listen_at(port);
	} else if (text[0] == '-' && listeners[port] != NULL) {
		tcp_listener_close(listeners[port]);
		listeners[port] = NULL;
	}
}

static void answer(struct tcp_conn *conn)
{
	struct edge_counts counts = {0};
	char line[LINE];
	int n;

	(void)tcp_exo_edge_counts(&net, &counts);
	n = exo_snprintf(line, sizeof line, "%llu\n", (unsigned long long)counts.asked);
	(void)tcp_send_copy(conn, line, (uint32_t)n, TCP_SEND_END);
}

static void on_event(struct tcp_conn *conn, unsigned events)
{
	struct tcp_span span;

	while (tcp_peek(conn, &span, 1) == 1) {
		obey(span.data, span.size);
		tcp_consume(conn, span.size);
		answer(conn);
	}
	if (tcp_at_end(conn) || (events & TCP_EVENT_CLOSED))
		tcp_close(conn);
}

static void on_accept(struct tcp_listener *listener)
{
	on_event(tcp_accept(listener, on_event, NULL), 0);
}

int exo_main(void)
{
	struct tcp_exo_options options = tcp_exo_options_default();
	int result;

	if (tcp_exo_open(&net, &options) < 0) {
		exo_printf("doors: %s\n", net.driver.error);
		return 1;
	}
	listen_at(FIRST_PORT);
	result = tcp_exo_edge(&net);
	exo_printf("doors: ready, %d\n", result);
	tcp_exo_serve(&net);
}
