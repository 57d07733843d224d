/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes (pipe(7)), and moving bytes between them and sockets (splice(2)). A pipe is two
 * descriptors; its bytes are copied on the way, which nobody sees. And from files (sendfile(2)).
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "internal.h"

enum { PIPE_BYTES = 65536, FILE_BYTES = 65536 };

struct pipe {
	uint32_t begin, size;
	bool read, write; /* the ends that are open */
	uint8_t bytes[PIPE_BYTES];
};

void pipe_close(struct entry *entry)
{
	struct pipe *pipe = entry->pipe;

	if (entry->writes)
		pipe->write = false;
	else
		pipe->read = false;
	if (!pipe->read && !pipe->write)
		free(pipe);
}

int sluice_pipe(struct sluice_net *net, int fds[2])
{
	struct pipe *pipe = calloc(1, sizeof(*pipe));

	if (!pipe)
		return net_fail(ENOMEM);
	pipe->read = pipe->write = true;
	net_enter(net);
	fds[0] = entry_put(net, (struct entry){.pipe = pipe});
	fds[1] = fds[0] < 0 ? -1 : entry_put(net, (struct entry){.pipe = pipe, .writes = true});
	if (fds[0] >= 0 && fds[1] < 0)
		*entry_of(net, fds[0]) = (struct entry){.pipe = NULL};
	net_leave(net);
	if (fds[1] >= 0)
		return 0;
	free(pipe);
	return -1;
}

/* Bytes that are there, or that there is room for, in one piece. */
static uint32_t run_at(struct pipe *pipe, bool room, uint8_t **at)
{
	uint32_t begin = room ? (pipe->begin + pipe->size) % PIPE_BYTES : pipe->begin;
	uint32_t n = room ? PIPE_BYTES - pipe->size : pipe->size;

	*at = pipe->bytes + begin;
	return n < PIPE_BYTES - begin ? n : PIPE_BYTES - begin;
}

static void took(struct pipe *pipe, uint32_t n)
{
	pipe->begin = (pipe->begin + n) % PIPE_BYTES;
	pipe->size -= n;
}

/* -EAGAIN: nothing is there yet. */
static int64_t take(struct pipe *pipe, struct sock_data *to)
{
	uint64_t skip = to->skip;
	int64_t got = 0;

	for (size_t i = 0; i < to->n; skip = 0, i++) {
		uint8_t *at, *base = to->pieces[i].iov_base;
		uint64_t size = to->pieces[i].iov_len;
		while (skip < size && pipe->size > 0) {
			uint32_t n = run_at(pipe, false, &at);
			n = n < size - skip ? n : (uint32_t)(size - skip);
			memcpy(base + skip, at, n);
			took(pipe, n);
			skip += n;
			got += n;
		}
	}
	return got || !pipe->write || !sock_data_bytes(to) ? got : -EAGAIN;
}

/* -EAGAIN: it is full. */
static int64_t give(struct pipe *pipe, const uint8_t *from, uint64_t size)
{
	int64_t put = 0;

	if (!pipe->read)
		return -EPIPE;
	while ((uint64_t)put < size && pipe->size < PIPE_BYTES) {
		uint8_t *at;
		uint32_t n = run_at(pipe, true, &at);
		n = n < size - (uint64_t)put ? n : (uint32_t)(size - (uint64_t)put);
		memcpy(at, from + put, n);
		pipe->size += n;
		put += n;
	}
	return put || !size ? put : -EAGAIN;
}

static struct entry *end_of(struct sluice_net *net, int fd, bool writes)
{
	struct entry *entry = entry_of(net, fd);

	if (entry && (!entry->pipe || entry->writes != writes)) {
		errno = EBADF;
		return NULL;
	}
	return entry;
}

ssize_t pipe_read(struct sluice_net *net, int fd, const struct msghdr *message)
{
	struct sock_data to = {.pieces = message->msg_iov, .n = message->msg_iovlen};
	const struct entry *entry;
	int64_t got = -EBADF;

	while ((entry = end_of(net, fd, false))) {
		got = take(entry->pipe, &to);
		if (got != -EAGAIN || (entry->flags & O_NONBLOCK))
			break;
		if (!net_wait(net))
			return -1;
	}
	return entry ? net_result(got) : -1;
}

ssize_t pipe_write(struct sluice_net *net, int fd, const struct msghdr *message)
{
	const struct entry *entry = end_of(net, fd, true);
	int64_t put = 0;

	for (size_t i = 0, done = 0; entry && i < message->msg_iovlen; done = 0, i++) {
		const struct iovec *piece = &message->msg_iov[i];
		while (done < piece->iov_len) {
			int64_t part = give(entry->pipe, (const uint8_t *)piece->iov_base + done,
			                    piece->iov_len - done);
			if (part < 0 && (part != -EAGAIN || (entry->flags & O_NONBLOCK)))
				return put ? put : net_result(part);
			if (part > 0) {
				done += (size_t)part;
				put += part;
			} else if (!net_wait(net) || !(entry = end_of(net, fd, true))) {
				return put ? put : -1;
			}
		}
	}
	return entry ? put : -1;
}

/* ---- Between a pipe and a socket ---- */

/* -EAGAIN: it would have to wait. */
static int64_t from_socket(struct sock *sock, struct pipe *pipe, uint64_t size)
{
	struct sock_origin origin;
	uint8_t *at;
	uint32_t n = run_at(pipe, true, &at);
	struct iovec piece = {at, n < size ? n : size};
	struct sock_data to = {.pieces = &piece, .n = 1};
	bool there = tcp_unread(sock->conn) > 0;
	int64_t got;

	if (!pipe->read)
		return -EPIPE;
	if (n == 0)
		return -EAGAIN;
	/* What is urgent stays where it is: nothing comes, and nobody waits for more. */
	if (there && stream_stands(sock))
		return 0;
	got = sock_receive(sock, &to, 0, &origin);
	pipe->size += got > 0 ? (uint32_t)got : 0;
	return got;
}

static int64_t to_socket(struct pipe *pipe, struct sock *sock, uint64_t size, unsigned flags)
{
	uint8_t *at;
	uint32_t n = run_at(pipe, false, &at);
	struct iovec piece = {at, n < size ? n : size};
	struct sock_data from = {.pieces = &piece, .n = 1};
	bool more = (flags & SPLICE_F_MORE) || (pipe->size > n && size > n);
	int64_t put;

	if (n == 0)
		return pipe->write ? -EAGAIN : 0;
	put = sock_send(sock, &from, more ? MSG_MORE : 0, NULL, 0);
	if (put > 0)
		took(pipe, (uint32_t)put);
	return put;
}

static int64_t between(struct pipe *from, struct pipe *to, uint64_t size)
{
	uint8_t *at;
	uint32_t n = run_at(from, false, &at);
	int64_t put;

	if (n == 0)
		return from->write ? -EAGAIN : 0;
	put = give(to, at, n < size ? n : size);
	if (put > 0)
		took(from, (uint32_t)put);
	return put;
}

static bool is_stream(const struct entry *entry)
{
	return entry->sock && entry->sock->kind == SOCK_KIND_STREAM;
}

static int64_t splice_once(const struct entry *from, const struct entry *to, uint64_t size,
                           unsigned flags)
{
	if ((from->pipe && from->writes) || (to->pipe && !to->writes))
		return -EBADF;
	if (from->pipe && to->pipe)
		return from->pipe == to->pipe ? -EINVAL : between(from->pipe, to->pipe, size);
	if (to->pipe && is_stream(from))
		return from->sock->conn ? from_socket(from->sock, to->pipe, size) : -ENOTCONN;
	if (from->pipe && is_stream(to))
		return to_socket(from->pipe, to->sock, size, flags);
	return -EINVAL;
}

ssize_t sluice_splice(struct sluice_net *net, int from, loff_t *from_at, int to, loff_t *to_at,
                      size_t size, unsigned flags)
{
	const struct entry *source, *target;
	int64_t moved = 0, part;

	if (from_at || to_at)
		return net_fail(ESPIPE);
	net_enter(net);
	for (;;) {
		source = entry_of(net, from);
		target = source ? entry_of(net, to) : NULL;
		if (!target) {
			part = -EBADF;
			break;
		}
		part = splice_once(source, target, size - (uint64_t)moved, flags);
		net_settle(net);
		moved += part > 0 ? part : 0;
		if (part > 0 && (uint64_t)moved < size)
			continue;
		if (part != -EAGAIN || moved > 0 || size == 0 || (flags & SPLICE_F_NONBLOCK) ||
		    ((source->pipe ? target : source)->flags & O_NONBLOCK))
			break;
		if (!net_wait(net)) {
			part = -errno;
			break;
		}
	}
	net_leave(net);
	return moved ? (ssize_t)moved : net_result(part);
}

/* ---- From a file ---- */

static bool file_ends(int file, off_t at)
{
	char byte;

	return pread(file, &byte, 1, at) <= 0;
}

/* What is at `from` goes out, all of it if that may wait. → bytes, or -1 with errno. */
static ssize_t send_file(struct sluice_net *net, int to, int file, off_t from, size_t size)
{
	size_t moved = 0;
	ssize_t part = 0;
	uint8_t *room = malloc(FILE_BYTES);

	if (!room)
		return net_fail(ENOMEM);
	while (moved < size) {
		size_t most = size - moved < FILE_BYTES ? size - moved : FILE_BYTES;
		ssize_t n = pread(file, room, most, from + (off_t)moved);
		bool more = n > 0 && moved + (size_t)n < size &&
		            !file_ends(file, from + (off_t)moved + n);
		part = n > 0 ? sluice_send(net, to, room, (size_t)n, more ? MSG_MORE : 0) : n;
		if (part > 0)
			moved += (size_t)part;
		if (part <= 0 || part < n)
			break;
	}
	free(room);
	return moved ? (ssize_t)moved : part;
}

ssize_t sluice_sendfile(struct sluice_net *net, int to, int file, off_t *at, size_t size)
{
	off_t from = at ? *at : lseek(file, 0, SEEK_CUR);
	ssize_t moved = -1;
	bool known;

	net_enter(net);
	known = sock_entry_of(net, to) != NULL;
	net_leave(net);
	if (known && at && from < 0)
		moved = net_fail(EINVAL);
	else if (known && from >= 0)
		moved = send_file(net, to, file, from, size);

	if (moved > 0 && at)
		*at = from + moved;
	else if (moved > 0)
		(void)lseek(file, from + moved, SEEK_SET);
	return moved;
}
