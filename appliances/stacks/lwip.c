/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages by lwIP: its raw interface, the same parser and answers as the web appliance. lwIP is
 * given the bytes without a copy (tcp_write without TCP_WRITE_FLAG_COPY), as much of them as its
 * send buffer takes; the rest follows when some were acknowledged. One request at a time: what is
 * pipelined waits in pbufs.
 */
#include <http/answer.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/printf.h>

#include <lwip/stats.h>
#include <lwip/tcp.h>
#include <lwip_exo.h>

#include "content.h"
#include "stats.h"

enum {
	OWN_PORT = 8080,
	LWIP_PORT = 8081,
	CONNECTIONS = 128,
	BACKLOG = 64,
	POLL_HALF_SECONDS = 20,
	QUIET_POLLS = 6
};

struct client {
	struct client *next; /* of the free ones */
	struct tcp_pcb *pcb;
	struct pbuf *waiting; /* received, not worked on */
	struct http_request request;
	struct http_answer answer;
	const struct http_resource *resource; /* whose bytes still have to be queued; NULL: none */
	uint32_t queued;                      /* of them */
	uint32_t unacked;
	unsigned quiet; /* polls without anything */
	bool parsing;   /* the head was answered, the request has not ended */
	bool ending;    /* no request is answered any more */
	bool ended;     /* the peer's stream */
};

static struct client clients[CONNECTIONS], *free_clients;
static struct stats stats = {.stack = "lwIP"};

/* lwIP may send from there until all was acknowledged: what can be released is copied. */
static void release_resource(struct client *client)
{
	const struct http_resource *resource = client->resource;

	client->resource = NULL;
	if (resource != NULL && resource->release != NULL)
		resource->release(resource->context, resource->data, resource->size);
}

static void forget(struct client *client)
{
	release_resource(client);
	if (client->waiting != NULL)
		pbuf_free(client->waiting);
	client->waiting = NULL;
	client->pcb = NULL;
	client->next = free_clients;
	free_clients = client;
	stats.open--;
}

static err_t end(struct client *client)
{
	struct tcp_pcb *pcb = client->pcb;

	tcp_arg(pcb, NULL);
	tcp_recv(pcb, NULL);
	tcp_sent(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_poll(pcb, NULL, 0);
	forget(client);
	if (tcp_close(pcb) == ERR_OK)
		return ERR_OK;
	tcp_abort(pcb);
	return ERR_ABRT;
}

static void on_error(void *context, err_t error)
{
	if (context != NULL)
		forget(context); /* the pcb is gone already */
}

/* Queues what fits. */
static void push(struct client *client)
{
	const struct http_resource *resource = client->resource;

	while (resource != NULL) {
		uint32_t left = client->answer.size - client->queued;
		uint32_t room = tcp_sndbuf(client->pcb), n = left < room ? left : room;
		const uint8_t *at = (const uint8_t *)resource->data + client->answer.first;
		u8_t flags = resource->release != NULL ? TCP_WRITE_FLAG_COPY : 0;

		if (n > UINT16_MAX)
			n = UINT16_MAX;
		if (n < left)
			flags |= TCP_WRITE_FLAG_MORE;
		if (n == 0 ||
		    tcp_write(client->pcb, at + client->queued, (u16_t)n, flags) != ERR_OK)
			break;
		client->queued += n;
		client->unacked += n;
		stats.bytes += n;
		if (n == left) {
			release_resource(client);
			resource = NULL;
		}
	}
	tcp_output(client->pcb);
}

static const struct http_resource *find(const struct http_request *request)
{
	stats.segments_in = lwip_stats.tcp.recv;
	stats.segments_out = lwip_stats.tcp.xmit;
	return stats_wanted(request) ? stats_page(&stats) : content_find(NULL, request);
}

static void answer(struct client *client, const struct http_resource *resource)
{
	static const char status[] = "HTTP/1.1 200 OK\r\n";
	struct http_answer *answer = &client->answer;
	bool body = answer->with_body && answer->size > 0;
	u8_t more = TCP_WRITE_FLAG_COPY | (body ? TCP_WRITE_FLAG_MORE : 0);
	err_t result = ERR_OK;

	if (answer->prepared) {
		uint32_t skip = answer->close ? 0 : resource->fixed_keep;

		result = tcp_write(client->pcb, status, sizeof status - 1,
		                   TCP_WRITE_FLAG_COPY | TCP_WRITE_FLAG_MORE);
		if (result == ERR_OK)
			result = tcp_write(client->pcb, resource->fixed + skip,
			                   (u16_t)(resource->fixed_size - skip),
			                   body ? TCP_WRITE_FLAG_MORE : 0);
	} else {
		result = tcp_write(client->pcb, answer->head, (u16_t)answer->head_size, more);
	}
	client->ending = answer->close || result != ERR_OK;
	client->queued = 0;
	client->resource = resource;
	if (!body || result != ERR_OK)
		release_resource(client);
	push(client);
}

static void take_head(struct client *client)
{
	const struct http_request *request = &client->request;
	const struct http_resource *resource = NULL;

	stats.requests++;
	if (request->method == HTTP_METHOD_GET || request->method == HTTP_METHOD_HEAD)
		resource = find(request);
	http_answer(&client->answer, request, resource, NULL);
	client->parsing = true;
	answer(client, resource);
}

/* What is wrong behind a head that was answered has no answer: it would be the next request's. */
static void refuse(struct client *client)
{
	const struct http_request *request = &client->request;

	client->ending = true;
	if (client->parsing)
		return;
	http_answer_status(&client->answer, request->status, request->method != HTTP_METHOD_HEAD,
	                   true, NULL);
	answer(client, NULL);
}

static void next_request(struct client *client)
{
	http_request_reset(&client->request);
	client->parsing = false;
}

/* Works on what has arrived until an answer is under way. → whether the connection is to end. */
static bool work_through(struct client *client)
{
	while (client->waiting != NULL && client->resource == NULL && !client->ending &&
	       tcp_sndqueuelen(client->pcb) < TCP_SND_QUEUELEN / 2) {
		enum http_parsed parsed;
		uint32_t used;

		parsed = http_request_parse(&client->request, client->waiting->payload,
		                            client->waiting->len, &used);
		tcp_recved(client->pcb, (u16_t)used);
		client->waiting = pbuf_free_header(client->waiting, (u16_t)used);
		if (parsed == HTTP_HEAD)
			take_head(client);
		/* A request without a body ends with its head. */
		if (parsed == HTTP_HEAD)
			parsed = http_request_parse(&client->request, NULL, 0, &used);
		if (parsed == HTTP_END)
			next_request(client);
		if (parsed == HTTP_WRONG)
			refuse(client);
	}
	return client->resource == NULL &&
	       (client->ending || (client->ended && client->waiting == NULL));
}

static err_t work(struct client *client)
{
	if (work_through(client))
		return end(client);
	return ERR_OK;
}

static err_t on_receive(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error)
{
	struct client *client = context;

	client->quiet = 0;
	if (packet == NULL) /* the peer's end: it still takes what it has asked for */
		client->ended = true;
	else if (client->waiting == NULL)
		client->waiting = packet;
	else
		pbuf_cat(client->waiting, packet);
	return work(client);
}

static err_t on_sent(void *context, struct tcp_pcb *pcb, u16_t size)
{
	struct client *client = context;

	client->quiet = 0;
	push(client);
	return work(client);
}

/* Every ten seconds: who has neither sent nor taken anything for a minute is left. */
static err_t on_poll(void *context, struct tcp_pcb *pcb)
{
	struct client *client = context;

	if (++client->quiet < QUIET_POLLS)
		return ERR_OK;
	tcp_abort(pcb); /* on_error forgets the client */
	return ERR_ABRT;
}

static err_t on_accept(void *context, struct tcp_pcb *pcb, err_t error)
{
	struct client *client = free_clients;

	if (pcb == NULL || error != ERR_OK || client == NULL)
		return ERR_MEM; /* lwIP resets it */
	free_clients = client->next;
	stats.connections++;
	stats.open++;
	client->pcb = pcb;
	client->quiet = 0;
	client->ending = false;
	client->ended = false;
	next_request(client);
	tcp_nagle_disable(pcb);
	tcp_arg(pcb, client);
	tcp_recv(pcb, on_receive);
	tcp_sent(pcb, on_sent);
	tcp_err(pcb, on_error);
	tcp_poll(pcb, on_poll, POLL_HALF_SECONDS);
	return ERR_OK;
}

static int listen_at(const struct lwip_exo *port, uint16_t number)
{
	struct tcp_pcb *pcb = tcp_new();

	if (pcb == NULL || tcp_bind(pcb, &port->netif.ip_addr, number) != ERR_OK)
		return -1;
	pcb = tcp_listen_with_backlog(pcb, BACKLOG);
	if (pcb == NULL)
		return -1;
	tcp_accept(pcb, on_accept);
	return 0;
}

/* At the port of libos-tcp, too: for when its flows come here. */
static int listen(const struct lwip_exo *port)
{
	return listen_at(port, LWIP_PORT) != 0 ? -1 : listen_at(port, OWN_PORT);
}

int exo_main(void)
{
	static struct lwip_exo port = {.shared = true};
	int files = content_open(0);
	struct exo_mailbox_end mailbox;

	for (unsigned i = 0; i < CONNECTIONS; i++) {
		clients[i].next = free_clients;
		free_clients = &clients[i];
	}
	if (files < 0 || lwip_exo_open(&port, NULL) < 0) {
		exo_printf("%s\n", files < 0 ? exo_error_text(files) : port.error);
		return 1;
	}
	if (listen(&port) != 0) {
		exo_printf("cannot listen\n");
		return 1;
	}
	exo_printf("ready: %d files on port %u, by lwIP\n", files, LWIP_PORT);
	if (exo_mailbox_open(&mailbox) == 0)
		exo_mailbox_send(&mailbox, EXO_CHANNEL_HELLO, NULL, 0);
	lwip_exo_serve(&port);
}
