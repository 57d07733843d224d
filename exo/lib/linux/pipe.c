/* SPDX-License-Identifier: BSD-2-Clause */
/* Pipes: one block of the shared area each. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

#include <libexo/lib.h>

#include "family.h"

static struct pipe *pipe_of(const struct file *file)
{
	return &family->pipes[file->object % PIPES_MAX];
}

static uint32_t filled(const struct pipe *pipe)
{
	uint32_t n = pipe->head - pipe->tail;

	return n <= BLOCK_BYTES ? n : 0;
}

/* Copies between the program and the ring, in at most two pieces. */
static void move(struct pipe *pipe, uint64_t address, uint32_t at, uint32_t size, bool in)
{
	uint8_t *ring = block_bytes(pipe->block);

	while (size > 0) {
		uint32_t from = at % BLOCK_BYTES, part = BLOCK_BYTES - from;

		part = part < size ? part : size;
		if (in)
			memcpy(ring + from, (const void *)address, part);
		else
			memcpy((void *)address, ring + from, part);
		address += part;
		at += part;
		size -= part;
	}
}

static int64_t pipe_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct pipe *pipe = pipe_of(file);
	uint32_t n = filled(pipe);

	if (n == 0)
		return pipe->writers == 0 || size == 0 ? 0 : LINUX_WAIT;
	n = n < size ? n : (uint32_t)size;
	move(pipe, address, pipe->tail, n, false);
	pipe->tail += n;
	family_changed();
	return n;
}

/* What fits in one piece is not torn (POSIX, PIPE_BUF). */
static int64_t pipe_write(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct pipe *pipe = pipe_of(file);
	uint32_t room = BLOCK_BYTES - filled(pipe);

	if (pipe->readers == 0) {
		signal_raise(task_self, SIGPIPE);
		return -EPIPE;
	}
	if (size > room && (size <= BLOCK_BYTES || room == 0))
		return LINUX_WAIT;
	room = room < size ? room : (uint32_t)size;
	move(pipe, address, pipe->head, room, true);
	pipe->head += room;
	family_changed();
	return room;
}

static unsigned pipe_out_poll(struct file *file)
{
	const struct pipe *pipe = pipe_of(file);

	return (filled(pipe) > 0 ? POLLIN : 0) | (pipe->writers == 0 ? POLLHUP : 0);
}

static unsigned pipe_in_poll(struct file *file)
{
	const struct pipe *pipe = pipe_of(file);

	return pipe->readers == 0 ? POLLOUT | POLLERR : filled(pipe) == 0 ? POLLOUT : 0;
}

/* What was written, and read, are the edges; so are the other side's ends. */
static uint32_t pipe_out_edges(struct file *file)
{
	return pipe_of(file)->head + (pipe_of(file)->writers == 0);
}

static uint32_t pipe_in_edges(struct file *file)
{
	return pipe_of(file)->tail + (pipe_of(file)->readers == 0);
}

static void end_if_unused(struct pipe *pipe)
{
	family_changed();
	if (pipe->readers == 0 && pipe->writers == 0)
		block_give(pipe->block);
}

static void pipe_out_close(struct file *file)
{
	pipe_of(file)->readers--;
	end_if_unused(pipe_of(file));
}

static void pipe_in_close(struct file *file)
{
	pipe_of(file)->writers--;
	end_if_unused(pipe_of(file));
}

static struct pipe *take_pipe(void)
{
	for (unsigned i = 0; i < PIPES_MAX; i++) {
		struct pipe *pipe = &family->pipes[i];

		if (pipe->readers != 0 || pipe->writers != 0)
			continue;
		*pipe = (struct pipe){.block = block_take()};
		return pipe->block == NONE ? NULL : pipe;
	}
	return NULL;
}

int64_t pipe_open(uint64_t address, uint32_t flags)
{
	struct pipe *pipe = take_pipe();
	uint16_t object;
	int32_t fds[2];

	if (pipe == NULL)
		return -ENFILE;
	object = (uint16_t)(pipe - family->pipes);
	pipe->readers = pipe->writers = 1;
	fds[0] = (int32_t)fd_open(FILE_PIPE_OUT, object, flags | O_RDONLY, 0);
	if (fds[0] < 0) {
		pipe->readers = pipe->writers = 0;
		block_give(pipe->block);
		return fds[0];
	}
	fds[1] = (int32_t)fd_open(FILE_PIPE_IN, object, flags | O_WRONLY, 0);
	if (fds[1] < 0) {
		pipe->writers = 0;
		fd_close((uint64_t)fds[0]);
		return fds[1];
	}
	if (copy_out(address, fds, sizeof(fds)) == 0)
		return 0;
	fd_close((uint64_t)fds[0]);
	fd_close((uint64_t)fds[1]);
	return -EFAULT;
}

const struct file_type_operations pipe_out_operations = {
        .read = pipe_read,
        .poll = pipe_out_poll,
        .edges = pipe_out_edges,
        .close = pipe_out_close,
        .mode = S_IFIFO | 0600,
};
const struct file_type_operations pipe_in_operations = {
        .write = pipe_write,
        .poll = pipe_in_poll,
        .edges = pipe_in_edges,
        .close = pipe_in_close,
        .mode = S_IFIFO | 0600,
};
