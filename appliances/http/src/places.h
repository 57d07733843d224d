/* SPDX-License-Identifier: BSD-2-Clause */
/* Connections of the server, the lists in which they wait, and who gives up his place. */
#ifndef HTTP_PLACES_H
#define HTTP_PLACES_H

#include <http/server.h>

#define SECOND_NS 1000000000ull

struct http_conn {
	struct tcp_conn *tcp;
	struct http_server *server;
	struct http_list *list;
	struct http_conn *previous, *next;
	uint64_t since;   /* when it came into the list */
	uint32_t unacked; /* what the peer had not taken then */
	bool ended;       /* nothing more is read */
	bool answered;    /* the request whose body is being read */
	struct http_request request;
};

/* ---- Lists ---- */

static inline void leave(struct http_conn *conn)
{
	struct http_list *list = conn->list;

	if (conn->previous != NULL)
		conn->previous->next = conn->next;
	else
		list->first = conn->next;
	if (conn->next != NULL)
		conn->next->previous = conn->previous;
	else
		list->last = conn->previous;
}

static inline void enter(struct http_conn *conn, struct http_list *list)
{
	conn->list = list;
	conn->since = conn->server->now;
	conn->next = NULL;
	conn->previous = list->last;
	if (list->last != NULL)
		list->last->next = conn;
	else
		list->first = conn;
	list->last = conn;
}

static inline void move(struct http_conn *conn, struct http_list *list)
{
	if (conn->list == list && list->last == conn) {
		conn->since = conn->server->now;
		return;
	}
	leave(conn);
	enter(conn, list);
}

/* ---- The end of a connection ---- */

static inline void forget(struct http_conn *conn)
{
	struct http_server *server = conn->server;

	leave(conn);
	conn->next = server->free;
	server->free = conn;
	server->in_use--;
}

static inline void close_now(struct http_conn *conn)
{
	struct tcp_conn *tcp = conn->tcp;

	forget(conn);
	tcp_close(tcp);
}

static inline void abort_now(struct http_conn *conn)
{
	struct tcp_conn *tcp = conn->tcp;

	forget(conn);
	tcp_abort(tcp);
}

/* ---- places.c ---- */

/* All places are taken and somebody comes: one is to be free, if anyone can be asked for it. */
void http_places_evict(struct http_server *server);
/* Looks whether the stacks' pools run low, and who keeps them so; again at `pools_at`. */
void http_places_run(struct http_server *server);

#endif
