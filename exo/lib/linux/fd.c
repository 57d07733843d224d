/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors: this process's numbers for the family's open files, and the calls that work on any
 * type of file through its table of operations.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <asm/ioctls.h>
#include <linux/close_range.h>

#include <libexo/lib.h>

#include "family.h"

enum {
	IOV_MOST = 1024,
	TRANSFER_MOST = 1 << 20, /* bytes of one read or write; more come back as a short count */
};

static struct {
	uint16_t file; /* index + 1; 0: closed */
	bool close_on_exec;
} fds[FDS_MAX];

/* ---- Types ---- */

static int64_t node_read(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	return tree_read(tree_node(file->object), (void *)address, size, offset);
}

static int64_t node_write(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct node *node = tree_node(file->object);

	if ((file->flags & O_APPEND) != 0)
		file->offset = offset = node->size;
	return tree_write(node, (const void *)address, size, offset);
}

static void node_close(struct file *file)
{
	tree_closed(file->object);
}

static const struct file_type_operations node_operations = {
        .read = node_read, .write = node_write, .close = node_close, .seeks = true};

static const struct file_type_operations *types[FILE_TYPES_MAX] = {
        [FILE_NODE] = &node_operations,       [FILE_CONSOLE] = &console_operations,
        [FILE_NULL] = &null_operations,       [FILE_ZERO] = &zero_operations,
        [FILE_RANDOM] = &random_operations,   [FILE_PIPE_OUT] = &pipe_out_operations,
        [FILE_PIPE_IN] = &pipe_in_operations, [FILE_EPOLL] = &epoll_operations,
        [FILE_EVENT] = &event_operations,     [FILE_TIMER] = &timer_operations,
};

int fd_type_register(const struct file_type_operations *operations)
{
	for (int i = FILE_FREE + 1; i < FILE_TYPES_MAX; i++) {
		if (types[i] == NULL) {
			types[i] = operations;
			return i;
		}
	}
	return -ENFILE;
}

static const struct file_type_operations *type_of(const struct file *file)
{
	static const struct file_type_operations nothing;
	const struct file_type_operations *type =
	        file->type < FILE_TYPES_MAX ? types[file->type] : NULL;

	return type != NULL ? type : &nothing;
}

/* ---- Descriptors ---- */

struct file *fd_file(uint64_t fd)
{
	return fd < FDS_MAX && fds[fd].file != 0 ? &family->files[fds[fd].file - 1] : NULL;
}

struct file *fd_of_call(uint64_t fd)
{
	struct file *file = fd_file(fd);

	if (file != NULL && !task_self->retry)
		task_self->file = file->id;
	return file != NULL && file->id == task_self->file ? file : NULL;
}

static int64_t free_fd(uint64_t least)
{
	for (uint64_t fd = least; fd < FDS_MAX; fd++)
		if (fds[fd].file == 0)
			return (int64_t)fd;
	return -EMFILE;
}

static unsigned free_file(void)
{
	unsigned i = 0;

	while (i < FILES_MAX && family->files[i].references != 0)
		i++;
	return i;
}

int64_t fd_room(void)
{
	int64_t fd = free_fd(0);

	if (fd < 0)
		return fd;
	return free_file() < FILES_MAX ? 0 : -ENFILE;
}

int64_t fd_open(uint8_t type, uint16_t object, uint32_t flags, uint64_t least)
{
	int64_t fd = free_fd(least);
	unsigned i = free_file();

	if (fd < 0)
		return fd;
	if (i == FILES_MAX)
		return -ENFILE;
	family->files[i] = (struct file){.type = type,
	                                 .object = object,
	                                 .references = 1,
	                                 .flags = flags,
	                                 .id = ++family->files_opened};
	fds[fd].file = (uint16_t)(i + 1);
	fds[fd].close_on_exec = (flags & O_CLOEXEC) != 0;
	return fd;
}

int64_t fd_close(uint64_t fd)
{
	struct file *file = fd_file(fd);

	if (file == NULL)
		return -EBADF;
	fds[fd].file = 0;
	fd_release((uint16_t)(file - family->files));
	return 0;
}

uint16_t fd_hold(uint64_t fd)
{
	struct file *file = fd_file(fd);

	if (file == NULL)
		return NONE;
	file->references++;
	return (uint16_t)(file - family->files);
}

int64_t fd_adopt(uint16_t file, bool close_on_exec)
{
	int64_t fd = free_fd(0);

	if (fd < 0)
		return fd;
	fds[fd].file = (uint16_t)(file + 1);
	fds[fd].close_on_exec = close_on_exec;
	return fd;
}

/* A socket that ends may hold the last references to others: they wait for their turns, so that no
 * chain of them grows the stack. */
void fd_release(uint16_t index)
{
	static uint16_t gone[FILES_MAX];
	static unsigned n;
	static bool busy;

	if (--family->files[index].references != 0)
		return;
	epoll_forget(index);
	gone[n++] = index;
	if (busy)
		return;
	busy = true;
	while (n > 0) {
		struct file *file = &family->files[gone[--n]];

		if (type_of(file)->close != NULL)
			type_of(file)->close(file);
		file->type = FILE_FREE;
	}
	busy = false;
}

void fd_init(void)
{
	for (uint64_t fd = 0; fd < 3; fd++)
		fd_open(FILE_CONSOLE, NONE, O_RDWR, fd);
}

void fd_inherit(void)
{
	for (uint64_t fd = 0; fd < FDS_MAX; fd++)
		if (fds[fd].file != 0)
			fd_file(fd)->references++;
}

void fd_disinherit(void)
{
	for (uint64_t fd = 0; fd < FDS_MAX; fd++)
		if (fds[fd].file != 0)
			fd_file(fd)->references--;
}

void fd_close_all(void)
{
	for (uint64_t fd = 0; fd < FDS_MAX; fd++)
		fd_close(fd);
}

void fd_close_on_exec(void)
{
	for (uint64_t fd = 0; fd < FDS_MAX; fd++)
		if (fds[fd].close_on_exec)
			fd_close(fd);
}

int64_t linux_close(linux_regs *regs)
{
	struct file *file = fd_of_call((uint32_t)regs->rdi);

	if (file == NULL) /* while it lingered, somebody else has closed it */
		return task_self->retry ? 0 : -EBADF;
	if (file->references == 1 && type_of(file)->linger != NULL && type_of(file)->linger(file))
		return LINUX_WAIT;
	return fd_close((uint32_t)regs->rdi);
}

int64_t linux_close_range(linux_regs *regs)
{
	bool mark = (regs->rdx & CLOSE_RANGE_CLOEXEC) != 0;
	uint32_t first = (uint32_t)regs->rdi, last = (uint32_t)regs->rsi;

	if (first > last ||
	    (regs->rdx & ~(uint64_t)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)) != 0)
		return -EINVAL;
	for (uint64_t fd = first; fd <= last && fd < FDS_MAX; fd++) {
		if (mark)
			fds[fd].close_on_exec = true;
		else
			fd_close(fd);
	}
	return 0;
}

static int64_t duplicate(uint64_t from, int64_t to, bool close_on_exec)
{
	struct file *file = fd_file(from);

	if (file == NULL)
		return -EBADF;
	if (to < 0)
		return to;
	if (to >= FDS_MAX)
		return -EBADF;
	if ((uint64_t)to == from)
		return to;
	fd_close((uint64_t)to);
	file->references++;
	fds[to].file = fds[from].file;
	fds[to].close_on_exec = close_on_exec;
	return to;
}

int64_t linux_dup(linux_regs *regs)
{
	return duplicate((uint32_t)regs->rdi, free_fd(0), false);
}

int64_t linux_dup2(linux_regs *regs)
{
	return duplicate((uint32_t)regs->rdi, (uint32_t)regs->rsi, false);
}

int64_t linux_dup3(linux_regs *regs)
{
	if ((uint32_t)regs->rdi == (uint32_t)regs->rsi)
		return -EINVAL;
	return duplicate((uint32_t)regs->rdi, (uint32_t)regs->rsi, (regs->rdx & O_CLOEXEC) != 0);
}

int64_t linux_fcntl(linux_regs *regs)
{
	enum { SETTABLE = O_APPEND | O_NONBLOCK };
	uint64_t fd = (uint32_t)regs->rdi;
	struct file *file = fd_file(fd);

	if (file == NULL)
		return -EBADF;
	switch (regs->rsi) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return regs->rdx >= FDS_MAX
		               ? -EINVAL
		               : duplicate(fd, free_fd(regs->rdx), regs->rsi == F_DUPFD_CLOEXEC);
	case F_GETFD:
		return fds[fd].close_on_exec ? FD_CLOEXEC : 0;
	case F_SETFD:
		fds[fd].close_on_exec = (regs->rdx & FD_CLOEXEC) != 0;
		return 0;
	case F_GETFL:
		return (int64_t)(file->flags & ~(uint32_t)O_CLOEXEC);
	case F_SETFL:
		file->flags = (file->flags & ~(uint32_t)SETTABLE) | (regs->rdx & SETTABLE);
		return 0;
	case F_SETLK:
	case F_SETLKW:
		return 0;
	default:
		return -EINVAL;
	}
}

int64_t linux_pipe(linux_regs *regs)
{
	return pipe_open(regs->rdi, 0);
}

int64_t linux_pipe2(linux_regs *regs)
{
	if ((regs->rsi & ~(uint64_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) != 0)
		return -EINVAL;
	return pipe_open(regs->rdi, (uint32_t)regs->rsi);
}

/* ---- Reading and writing ---- */

static int64_t unless_nonblocking(const struct file *file, int64_t result)
{
	return result == LINUX_WAIT && (file->flags & O_NONBLOCK) != 0 ? -EAGAIN : result;
}

int64_t fd_read_at(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	if ((file->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (type_of(file)->read == NULL)
		return -EINVAL;
	size = size < TRANSFER_MOST ? size : TRANSFER_MOST;
	if (!vm_prepare(address, size, true))
		return -EFAULT;
	return unless_nonblocking(file, type_of(file)->read(file, address, size, offset));
}

static int64_t write_at(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	if ((file->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (type_of(file)->write == NULL)
		return -EINVAL;
	size = size < TRANSFER_MOST ? size : TRANSFER_MOST;
	if (!vm_prepare(address, size, false))
		return -EFAULT;
	return unless_nonblocking(file, type_of(file)->write(file, address, size, offset));
}

typedef int64_t transfer(struct file *file, uint64_t address, uint64_t size, uint64_t offset);

static int64_t move_on(uint64_t fd, uint64_t address, uint64_t size, transfer *one)
{
	struct file *file = fd_of_call(fd);
	int64_t n;

	if (file == NULL)
		return -EBADF;
	n = one(file, address, size, file->offset);
	if (n > 0 && type_of(file)->seeks)
		file->offset += (uint64_t)n;
	return n;
}

int64_t linux_read(linux_regs *regs)
{
	return move_on((uint32_t)regs->rdi, regs->rsi, regs->rdx, fd_read_at);
}

static int64_t move_there(linux_regs *regs, transfer *one)
{
	struct file *file = fd_file((uint32_t)regs->rdi);

	if (file == NULL)
		return -EBADF;
	if (!type_of(file)->seeks)
		return -ESPIPE;
	return (int64_t)regs->r10 < 0 ? -EINVAL : one(file, regs->rsi, regs->rdx, regs->r10);
}

int64_t linux_pread64(linux_regs *regs)
{
	return move_there(regs, fd_read_at);
}

int64_t linux_pwrite64(linux_regs *regs)
{
	return move_there(regs, write_at);
}

/* A call's pieces of memory, prepared. 0 or errno. */
static int64_t get_vectors(const linux_regs *regs, const struct iovec **vectors)
{
	*vectors = (const struct iovec *)regs->rsi;
	if (regs->rdx > IOV_MOST)
		return -EINVAL;
	return vm_prepare(regs->rsi, regs->rdx * sizeof(**vectors), false) ? 0 : -EFAULT;
}

int64_t linux_readv(linux_regs *regs)
{
	const struct iovec *vectors;
	int64_t total = 0, error = get_vectors(regs, &vectors);

	for (uint64_t i = 0; error == 0 && i < regs->rdx; i++) {
		uint64_t size = vectors[i].iov_len;
		int64_t n;

		if (size == 0)
			continue;
		n = move_on((uint32_t)regs->rdi, (uint64_t)vectors[i].iov_base, size, fd_read_at);
		if (n < 0)
			return total > 0 ? total : n;
		total += n;
		if ((uint64_t)n < size)
			break;
	}
	return error < 0 ? error : total;
}

/* Writes all of one piece but its first `skip` bytes; what was written is the task's progress.
 * → 0, or what stopped it. */
static int64_t write_piece(uint64_t fd, uint64_t address, uint64_t size, uint64_t skip)
{
	while (skip < size) {
		int64_t n = move_on(fd, address + skip, size - skip, write_at);

		if (n <= 0)
			return n < 0 ? n : -EAGAIN;
		skip += (uint64_t)n;
		task_self->progress += (uint64_t)n;
	}
	return 0;
}

/* Who may wait writes everything, in as many turns as it takes (POSIX, write). */
static int64_t write_all(uint64_t fd, const struct iovec *pieces, uint64_t n)
{
	uint64_t done = task_self->progress;
	int64_t stopped = fd_file(fd) != NULL ? 0 : -EBADF;

	for (uint64_t i = 0; stopped == 0 && i < n; i++) {
		uint64_t size = pieces[i].iov_len;

		if (done < size)
			stopped = write_piece(fd, (uint64_t)pieces[i].iov_base, size, done);
		done -= done < size ? done : size;
	}
	if (stopped == LINUX_WAIT)
		return LINUX_WAIT;
	return task_self->progress > 0 ? (int64_t)task_self->progress : stopped;
}

int64_t linux_write(linux_regs *regs)
{
	struct iovec piece = {(void *)regs->rsi, regs->rdx};

	if (regs->rdx == 0)
		return move_on((uint32_t)regs->rdi, regs->rsi, 0, write_at);
	return write_all((uint32_t)regs->rdi, &piece, 1);
}

int64_t linux_writev(linux_regs *regs)
{
	const struct iovec *vectors;
	int64_t error = get_vectors(regs, &vectors);

	return error < 0 ? error : write_all((uint32_t)regs->rdi, vectors, regs->rdx);
}

/* A piece of a file's content: where it lies already, or a copy. → its bytes, or errno. */
static int64_t content_piece(const struct file *from, uint64_t offset, uint64_t size,
                             const void **content)
{
	static char copy[BLOCK_BYTES];
	const struct node *node = tree_node(from->object);

	if (!node->read_only) {
		*content = copy;
		return tree_read(node, copy, size < sizeof(copy) ? size : sizeof(copy), offset);
	}
	if (offset >= node->size)
		return 0;
	*content = (const char *)node->address + offset;
	return (int64_t)(size < node->size - offset ? size : node->size - offset);
}

static int64_t send_content(struct file *to, const struct file *from, uint64_t offset,
                            uint64_t size)
{
	int64_t sent = 0;

	while ((uint64_t)sent < size) {
		const void *content;
		int64_t n = content_piece(from, offset + (uint64_t)sent, size - (uint64_t)sent,
		                          &content);

		if (n > 0)
			n = type_of(to)->write(to, (uintptr_t)content, (uint64_t)n, to->offset);
		if (n <= 0)
			return sent > 0 ? sent : unless_nonblocking(to, n);
		if (type_of(to)->seeks)
			to->offset += (uint64_t)n;
		sent += n;
	}
	return sent;
}

/* From a file of the tree to anything (sendfile(2)); fewer bytes than asked for where there is no
 * more room now. */
int64_t linux_sendfile(linux_regs *regs)
{
	struct file *to = fd_file((uint32_t)regs->rdi), *from = fd_file((uint32_t)regs->rsi);
	uint64_t size = regs->r10 < TRANSFER_MOST ? regs->r10 : TRANSFER_MOST, offset;
	int64_t n;

	if (to == NULL || from == NULL || (to->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (from->type != FILE_NODE || type_of(to)->write == NULL)
		return -EINVAL;
	offset = from->offset;
	if (regs->rdx != 0 && copy_in(&offset, regs->rdx, sizeof(offset)) < 0)
		return -EFAULT;
	n = send_content(to, from, offset, size);
	if (n <= 0)
		return n;
	offset += (uint64_t)n;
	if (regs->rdx == 0)
		from->offset = offset;
	else if (copy_out(regs->rdx, &offset, sizeof(offset)) < 0)
		return -EFAULT;
	return n;
}

int64_t linux_fsync(linux_regs *regs)
{
	return fd_file((uint32_t)regs->rdi) != NULL ? 0 : -EBADF;
}

int64_t linux_lseek(linux_regs *regs)
{
	struct file *file = fd_file((uint32_t)regs->rdi);
	uint64_t base;
	int64_t to;

	if (file == NULL)
		return -EBADF;
	if (!type_of(file)->seeks)
		return -ESPIPE;
	if (regs->rdx > SEEK_END)
		return -EINVAL;
	base = regs->rdx == SEEK_SET   ? 0
	       : regs->rdx == SEEK_CUR ? file->offset
	                               : tree_node(file->object)->size;
	if (__builtin_add_overflow((int64_t)base, (int64_t)regs->rsi, &to) || to < 0)
		return -EINVAL;
	file->offset = (uint64_t)to;
	return to;
}

int64_t linux_ioctl(linux_regs *regs)
{
	struct file *file = fd_file((uint32_t)regs->rdi);

	if (file == NULL)
		return -EBADF;
	if (regs->rsi == FIONBIO) {
		int32_t on;

		if (copy_in(&on, regs->rdx, sizeof(on)) < 0)
			return -EFAULT;
		file->flags =
		        on != 0 ? file->flags | O_NONBLOCK : file->flags & ~(uint32_t)O_NONBLOCK;
		return 0;
	}
	return type_of(file)->ioctl == NULL ? -ENOTTY
	                                    : type_of(file)->ioctl(file, regs->rsi, regs->rdx);
}

/* ---- What a type says of a file ---- */

uint32_t fd_edges(struct file *file)
{
	return type_of(file)->edges != NULL ? type_of(file)->edges(file) : 0;
}

unsigned fd_poll(struct file *file, unsigned wanted)
{
	unsigned now = type_of(file)->poll != NULL ? type_of(file)->poll(file) : POLLIN | POLLOUT;
	return now & (wanted | POLLHUP | POLLERR);
}

uint32_t fd_mode(const struct file *file)
{
	return type_of(file)->mode;
}
