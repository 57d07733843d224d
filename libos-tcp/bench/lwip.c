/* SPDX-License-Identifier: BSD-2-Clause */
/* The workload on lwIP: one stack (it can't be there twice) that speaks to itself over a wire of
 * packets, each copied once, out of the sender's chain of pbufs into the receiver's. */
#include <stdarg.h>

#include <lwip/init.h>
#include <lwip/ip.h>
#include <lwip/netif.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>

#include "workload.h"

struct client {
	struct tcp_pcb *pcb;
	uint32_t wanted;
};

static struct pbuf *wire[WIRE_PACKETS];
static uint32_t head, tail;
static struct netif netif;
static uint8_t data[PIECE_BYTES];
static struct client clients[CLIENTS];
static uint64_t received, to_send;
static uint32_t asked, answered, served[CLIENTS], milliseconds;

/* ---- What the port asks for ---- */

u32_t sys_now(void)
{
	return milliseconds;
}

uint32_t lwip_exo_random(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(state >> 32);
}

void lwip_exo_diagnose(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vfprintf(stderr, format, args);
	va_end(args);
}

_Noreturn void lwip_exo_fail(const char *what, const char *file, int line)
{
	(void)fprintf(stderr, "lwIP: %s (%s:%d)\n", what, file, line);
	exit(1);
}

/* ---- The wire ---- */

static err_t output(struct netif *from, struct pbuf *packet, const ip4_addr_t *to)
{
	struct pbuf *copy;

	if (head - tail == WIRE_PACKETS || packet->tot_len > PACKET_MAX)
		return ERR_BUF;
	copy = pbuf_alloc(PBUF_RAW, packet->tot_len, PBUF_POOL);
	if (copy == NULL)
		return ERR_BUF;
	pbuf_copy(copy, packet);
	wire[head++ % WIRE_PACKETS] = copy;
	return ERR_OK;
}

static err_t init(struct netif *one)
{
	one->name[0] = 'w';
	one->name[1] = 'i';
	one->output = output;
	one->mtu = PACKET_MAX;
	one->flags = NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

static void turn(void)
{
	uint32_t until = head;

	if (tail == until) { /* nothing is under way: no need to wait in real time */
		milliseconds++;
		sys_check_timeouts();
		return;
	}
	for (; tail != until; tail++) {
		struct pbuf *packet = wire[tail % WIRE_PACKETS];

		if (netif.input(packet, &netif) != ERR_OK)
			pbuf_free(packet);
	}
}

/* ---- Applications ---- */

static u16_t drain(struct tcp_pcb *pcb, struct pbuf *packet)
{
	u16_t n = packet->tot_len;

	tcp_recved(pcb, n);
	pbuf_free(packet);
	return n;
}

static err_t on_sink(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
	if (packet != NULL)
		received += drain(pcb, packet);
	return ERR_OK;
}

static void pour(struct tcp_pcb *pcb)
{
	while (to_send > 0) {
		uint32_t n = tcp_sndbuf(pcb);

		if (n > PIECE_BYTES)
			n = PIECE_BYTES;
		if (n > to_send)
			n = (uint32_t)to_send;
		if (n == 0 || tcp_write(pcb, data, (u16_t)n, 0) != ERR_OK)
			break;
		to_send -= n;
	}
	tcp_output(pcb);
}

static err_t on_sent(void *context, struct tcp_pcb *pcb, u16_t size)
{
	pour(pcb);
	return ERR_OK;
}

static err_t on_source(void *context, struct tcp_pcb *pcb, err_t error)
{
	pour(pcb);
	return ERR_OK;
}

static err_t on_request(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
	uint32_t *have = context;

	if (packet == NULL)
		return ERR_OK;
	*have += drain(pcb, packet);
	for (; *have >= REQUEST_BYTES; *have -= REQUEST_BYTES)
		tcp_write(pcb, data, ANSWER_BYTES, 0);
	tcp_output(pcb);
	return ERR_OK;
}

static void ask(struct client *client)
{
	if (asked == REQUESTS)
		return;
	asked++;
	client->wanted = ANSWER_BYTES;
	tcp_write(client->pcb, data, REQUEST_BYTES, 0);
	tcp_output(client->pcb);
}

static err_t on_answer(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
	struct client *client = context;

	if (packet == NULL)
		return ERR_OK;
	client->wanted -= drain(pcb, packet);
	if (client->wanted == 0) {
		answered++;
		ask(client);
	}
	return ERR_OK;
}

static err_t on_opened(void *context, struct tcp_pcb *pcb, err_t error)
{
	ask(context);
	return ERR_OK;
}

static err_t accept_sink(void *context, struct tcp_pcb *pcb, err_t error)
{
	tcp_recv(pcb, on_sink);
	return ERR_OK;
}

static err_t accept_request(void *context, struct tcp_pcb *pcb, err_t error)
{
	static unsigned n;

	tcp_nagle_disable(pcb);
	tcp_arg(pcb, &served[n++ % CLIENTS]);
	tcp_recv(pcb, on_request);
	return ERR_OK;
}

static void listen_at(u16_t port, tcp_accept_fn accept)
{
	struct tcp_pcb *pcb = tcp_new();

	workload_check(pcb != NULL && tcp_bind(pcb, IP_ADDR_ANY, port) == ERR_OK, "bind");
	pcb = tcp_listen(pcb);
	workload_check(pcb != NULL, "listen");
	tcp_accept(pcb, accept);
}

static struct tcp_pcb *connect_to(u16_t port, tcp_connected_fn connected, void *context)
{
	struct tcp_pcb *pcb = tcp_new();

	workload_check(pcb != NULL, "pcb");
	tcp_arg(pcb, context);
	tcp_nagle_disable(pcb);
	workload_check(tcp_connect(pcb, &netif.ip_addr, port, connected) == ERR_OK, "connect");
	return pcb;
}

static void bulk(void)
{
	double start = workload_seconds();
	struct tcp_pcb *pcb;

	to_send = BULK_BYTES;
	pcb = connect_to(1, on_source, NULL);
	tcp_sent(pcb, on_sent);
	while (received < BULK_BYTES)
		turn();
	printf("bulk %.6f\n", workload_seconds() - start);
}

static void requests(void)
{
	double start = workload_seconds();

	for (unsigned i = 0; i < CLIENTS; i++) {
		clients[i].pcb = connect_to(2, on_opened, &clients[i]);
		tcp_recv(clients[i].pcb, on_answer);
	}
	while (answered < REQUESTS)
		turn();
	printf("requests %.6f\n", workload_seconds() - start);
}

int main(void)
{
	ip4_addr_t ip, mask, gateway = {0};

	IP4_ADDR(&ip, 10, 0, 0, 1);
	IP4_ADDR(&mask, 255, 0, 0, 0);
	lwip_init();
	workload_check(netif_add(&netif, &ip, &mask, &gateway, NULL, init, ip_input) != NULL,
	               "interface");
	netif_set_default(&netif);
	netif_set_up(&netif);
	listen_at(1, accept_sink);
	listen_at(2, accept_request);
	bulk();
	requests();
	return 0;
}
