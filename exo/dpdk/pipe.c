/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Pipes, by which iavf hands events from its interrupt handler to its event thread. They are the
 * only file descriptors here. Used on the first core only.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "thread.h"

enum { PIPES_MAX = 32, PIPE_SIZE = 256, FIRST_FD = 3 };

/* Descriptor FIRST_FD + 2i reads from pipe i, FIRST_FD + 2i + 1 writes to it. */
struct pipe {
	bool open[2];
	unsigned used; /* bytes in `data`, oldest first */
	char data[PIPE_SIZE];
};

static struct pipe pipes[PIPES_MAX];

enum end { READ_END, WRITE_END };

static struct pipe *pipe_of(int fd, enum end end)
{
	int i = (fd - FIRST_FD) / 2;

	if (fd < FIRST_FD || i >= PIPES_MAX || (fd - FIRST_FD) % 2 != (int)end ||
	    !pipes[i].open[end])
		return NULL;
	return &pipes[i];
}

int pipe(int fds[2])
{
	for (int i = 0; i < PIPES_MAX; i++)
		if (!pipes[i].open[READ_END] && !pipes[i].open[WRITE_END]) {
			pipes[i] = (struct pipe){.open = {true, true}};
			fds[0] = FIRST_FD + 2 * i;
			fds[1] = fds[0] + 1;
			return 0;
		}
	errno = EMFILE;
	return -1;
}

static bool is_readable(void *argument)
{
	const struct pipe *p = argument;

	return p->used > 0 || !p->open[WRITE_END];
}

ssize_t read(int fd, void *to, size_t size)
{
	struct pipe *p = pipe_of(fd, READ_END);
	size_t n;

	if (p == NULL) {
		errno = EBADF;
		return -1;
	}
	dpdk_wait(is_readable, p, UINT64_MAX);
	n = size < p->used ? size : p->used;
	memcpy(to, p->data, n);
	p->used -= (unsigned)n;
	memmove(p->data, p->data + n, p->used);
	return (ssize_t)n;
}

ssize_t write(int fd, const void *from, size_t size)
{
	struct pipe *p = pipe_of(fd, WRITE_END);

	if (p == NULL || !p->open[READ_END]) {
		errno = p == NULL ? EBADF : EPIPE;
		return -1;
	}
	/* Whole or not at all, as POSIX promises for short messages. */
	if (size > PIPE_SIZE - p->used) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(p->data + p->used, from, size);
	p->used += (unsigned)size;
	dpdk_threads_kick();
	return (ssize_t)size;
}

int close(int fd)
{
	enum end end = fd >= FIRST_FD && (fd - FIRST_FD) % 2 == 1 ? WRITE_END : READ_END;
	struct pipe *p = pipe_of(fd, end);

	if (p == NULL) {
		errno = EBADF;
		return -1;
	}
	p->open[end] = false;
	dpdk_threads_kick();
	return 0;
}
