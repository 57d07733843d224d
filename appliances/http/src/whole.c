/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whole answers. Who asks with the same words in the same second gets the same bytes: status, date,
 * fields and a short content lie in one piece then, with their sum, so that an answer is one chunk
 * for the stack. There are few such pieces; where all are in flight, the parts are sent.
 */
#include "whole.h"

#include <string.h>

const char *http_fixed_fields(const struct http_answer *answer,
                              const struct http_resource *resource, uint32_t *size)
{
	uint32_t skip = answer->close ? 0 : resource->fixed_keep;

	*size = resource->fixed_size - skip;
	return resource->fixed + skip;
}

static void release(void *context, const void *data, uint32_t size)
{
	((struct http_whole *)context)->users--;
}

int http_whole_send(struct http_server *server, struct tcp_conn *tcp,
                    const struct http_known *known, const struct http_resource *resource)
{
	struct http_whole *whole = known->whole;
	int result;

	if (whole == NULL || whole->second != server->second || whole->resource != resource)
		return 0;
	result = tcp_send_summed(tcp, whole->bytes, whole->size, whole->sum, release, whole,
	                         whole->close ? TCP_SEND_END : 0);
	if (result != 0)
		return result;
	whole->users++;
	server->counters.answers_2xx++;
	server->counters.bytes += whole->body;
	return 1;
}

/* One that nobody sends any more; NULL: all are in flight. */
static struct http_whole *find_free(struct http_server *server)
{
	for (unsigned tries = 0; tries < HTTP_WHOLES; tries++) {
		struct http_whole *whole = &server->wholes[server->next_whole++ % HTTP_WHOLES];

		if (whole->users == 0)
			return whole;
	}
	return NULL;
}

static void forget(struct http_server *server, const struct http_whole *whole)
{
	for (unsigned i = 0; i < HTTP_KNOWN; i++)
		if (server->known[i].whole == whole)
			server->known[i].whole = NULL;
}

static void add(struct http_whole *whole, const void *data, uint32_t size)
{
	memcpy(whole->bytes + whole->size, data, size);
	whole->size += size;
}

void http_whole_make(struct http_server *server, struct http_known *known,
                     const struct http_answer *answer, const struct http_resource *resource)
{
	const struct http_clock_line *line = &server->lines[server->line];
	struct http_whole *whole;
	const char *fixed;
	uint32_t size;

	fixed = http_fixed_fields(answer, resource, &size);
	if (resource->size > HTTP_WHOLE_BYTES - line->size - size)
		return;
	whole = find_free(server);
	if (whole == NULL)
		return;
	forget(server, whole);
	whole->size = 0;
	add(whole, line->text, line->size);
	add(whole, fixed, size);
	add(whole, resource->data, resource->size);
	whole->sum = tcp_content_sum(whole->bytes, whole->size);
	whole->body = resource->size;
	whole->second = server->second;
	whole->resource = resource;
	whole->close = answer->close;
	known->whole = whole;
}
