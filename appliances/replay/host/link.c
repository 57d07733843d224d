/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * QEMU's stream sockets.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link.h"

enum { PREFIX = 4, IN_ROOM = 2 * (PREFIX + LINK_FRAME_MAX) };

int link_listen(struct link *link, const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	*link = (struct link){.listener = -1, .socket = -1};
	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	link->in = malloc(IN_ROOM);
	link->out = malloc(LINK_BACKLOG);
	link->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (!link->in || !link->out || link->listener < 0 ||
	    bind(link->listener, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(link->listener, 1)) {
		int error = errno;
		link_close(link);
		return -error;
	}
	return 0;
}

void link_close(struct link *link)
{
	if (link->listener >= 0)
		close(link->listener);
	if (link->socket >= 0)
		close(link->socket);
	free(link->in);
	free(link->out);
	*link = (struct link){.listener = -1, .socket = -1};
}

int link_accept(struct link *link)
{
	if (link->socket >= 0)
		return 0;
	int caller = accept4(link->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (caller < 0)
		return -errno;
	link->socket = caller;
	return 0;
}

bool link_has_room(const struct link *link, uint32_t length)
{
	return LINK_BACKLOG - link->out_size >= PREFIX + length;
}

void link_send(struct link *link, const void *frame, uint32_t length)
{
	if (LINK_BACKLOG - link->out_start - link->out_size < PREFIX + length) {
		memmove(link->out, link->out + link->out_start, link->out_size);
		link->out_start = 0;
	}
	uint8_t *place = link->out + link->out_start + link->out_size;
	place[0] = (uint8_t)(length >> 24);
	place[1] = (uint8_t)(length >> 16);
	place[2] = (uint8_t)(length >> 8);
	place[3] = (uint8_t)length;
	memcpy(place + PREFIX, frame, length);
	link->out_size += PREFIX + length;
}

int link_flush(struct link *link)
{
	while (link->out_size) {
		ssize_t sent = send(link->socket, link->out + link->out_start, link->out_size,
		                    MSG_NOSIGNAL);
		if (sent < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		link->out_start += (size_t)sent;
		link->out_size -= (size_t)sent;
	}
	link->out_start = 0;
	return 0;
}

/* Forgets the frame that was handed out last. */
static void drop_taken(struct link *link)
{
	memmove(link->in, link->in + link->taken, link->in_size - link->taken);
	link->in_size -= link->taken;
	link->taken = 0;
}

int link_fill(struct link *link)
{
	drop_taken(link);
	ssize_t got = recv(link->socket, link->in + link->in_size, IN_ROOM - link->in_size, 0);
	if (got < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (got == 0 && link->in_size < IN_ROOM)
		return -EPIPE;
	link->in_size += (size_t)got;
	return 0;
}

int link_next(struct link *link, const uint8_t **frame)
{
	drop_taken(link);
	if (link->in_size < PREFIX)
		return 0;
	uint32_t length = (uint32_t)link->in[0] << 24 | (uint32_t)link->in[1] << 16 |
	                  (uint32_t)link->in[2] << 8 | link->in[3];
	if (length > LINK_FRAME_MAX)
		return -EPROTO;
	if (link->in_size - PREFIX < length)
		return 0;
	*frame = link->in + PREFIX;
	link->taken = PREFIX + length;
	/* An empty frame is none; the next one may be. */
	return length ? (int)length : link_next(link, frame);
}

short link_events(const struct link *link)
{
	return (short)(POLLIN | (link->out_size ? POLLOUT : 0));
}
