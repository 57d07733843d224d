/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Descriptors: 0, 1 and 2 are the console, the others content files of the start page, read-only. A
 * path is the file's name; leading "/" and "./" do not count. What goes to the console is cut into
 * lines, for the kernel puts time and name before each piece.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/start.h>

#include "linux.h"

enum {
	CONSOLE_FDS = 3,
	FILES_MAX = 64,
	LINE_MAX_BYTES = 512,
	PATH_MAX_BYTES = 256,
	IOV_MAX_VECTORS = 1024,
	READ_ONLY_FILE = S_IFREG | 0444,
	TERMINAL = S_IFCHR | 0620,
};

static struct {
	const struct exo_start_file *file; /* NULL: closed */
	uint64_t offset;
} open_files[FILES_MAX];

static char line[LINE_MAX_BYTES];
static unsigned line_bytes;

/* ---- The console ---- */

void file_flush(void)
{
	const struct exo_cap *console = exo_start_cap(EXO_USE_CONSOLE);

	if (line_bytes > 0 && console != NULL)
		exo_console_write(console, line, line_bytes);
	line_bytes = 0;
}

static void print(const char *text, uint64_t size)
{
	for (uint64_t i = 0; i < size; i++) {
		line[line_bytes++] = text[i];
		if (text[i] == '\n' || line_bytes == sizeof(line))
			file_flush();
	}
}

static int64_t console_read(uint64_t address, uint64_t size)
{
	const struct exo_cap *console = exo_start_cap(EXO_USE_CONSOLE);
	int64_t n;

	file_flush();
	if (console == NULL || (console->rights & EXO_RIGHT_READ) == 0)
		return 0;
	n = exo_console_read(console, (char *)address, size);
	return n;
}

/* ---- Descriptors ---- */

static bool is_console(uint64_t fd)
{
	return fd < CONSOLE_FDS;
}

static bool is_file(uint64_t fd)
{
	return fd >= CONSOLE_FDS && fd < FILES_MAX && open_files[fd].file != NULL;
}

const void *file_content(int fd, uint64_t *size)
{
	if (fd < 0 || !is_file((uint64_t)fd))
		return NULL;
	*size = open_files[fd].file->size;
	return (const void *)open_files[fd].file->address;
}

/* Copies a path in. 0, -EFAULT or -ENAMETOOLONG. */
static int read_path(uint64_t address, char path[PATH_MAX_BYTES])
{
	for (unsigned i = 0; i < PATH_MAX_BYTES; i++) {
		if ((i == 0 || (address + i) % EXO_PAGE_SIZE == 0) &&
		    !vm_prepare(address + i, 1, false))
			return -EFAULT;
		path[i] = ((const char *)address)[i];
		if (path[i] == '\0')
			return 0;
	}
	return -ENAMETOOLONG;
}

/* The content file of a path of the program's. Negative errno in *error where there is none. */
static const struct exo_start_file *look_up(uint64_t address, int64_t *error)
{
	char path[PATH_MAX_BYTES];
	const char *name = path;
	const struct exo_start_file *file;

	*error = read_path(address, path);
	if (*error < 0)
		return NULL;
	for (;;) {
		if (name[0] == '/')
			name++;
		else if (name[0] == '.' && name[1] == '/')
			name += 2;
		else
			break;
	}
	file = exo_start_file(name);
	*error = file == NULL ? -ENOENT : 0;
	return file;
}

static int64_t open_path(uint64_t path, uint64_t flags)
{
	int64_t error;
	const struct exo_start_file *file = look_up(path, &error);

	if (file == NULL)
		return error == -ENOENT && (flags & O_CREAT) != 0 ? -EROFS : error;
	if ((flags & O_ACCMODE) != O_RDONLY)
		return -EROFS;
	for (int64_t fd = CONSOLE_FDS; fd < FILES_MAX; fd++) {
		if (open_files[fd].file != NULL)
			continue;
		open_files[fd].file = file;
		open_files[fd].offset = 0;
		return fd;
	}
	return -EMFILE;
}

int64_t linux_open(linux_regs *regs)
{
	return open_path(regs->rdi, regs->rsi);
}

int64_t linux_openat(linux_regs *regs)
{
	return open_path(regs->rsi, regs->rdx);
}

int64_t linux_close(linux_regs *regs)
{
	if (is_console(regs->rdi))
		return 0;
	if (!is_file(regs->rdi))
		return -EBADF;
	open_files[regs->rdi].file = NULL;
	return 0;
}

/* ---- Reading and writing ---- */

static int64_t read_at(const struct exo_start_file *file, uint64_t offset, uint64_t address,
                       uint64_t size)
{
	uint64_t left = offset < file->size ? file->size - offset : 0;
	uint64_t part = size < left ? size : left;

	if (!vm_prepare(address, part, true))
		return -EFAULT;
	memcpy((void *)address, (const char *)file->address + offset, part);
	return (int64_t)part;
}

static int64_t read_some(uint64_t fd, uint64_t address, uint64_t size)
{
	int64_t n;

	if (is_console(fd))
		return vm_prepare(address, size, true) ? console_read(address, size) : -EFAULT;
	if (!is_file(fd))
		return -EBADF;
	n = read_at(open_files[fd].file, open_files[fd].offset, address, size);
	if (n > 0)
		open_files[fd].offset += (uint64_t)n;
	return n;
}

static int64_t write_some(uint64_t fd, uint64_t address, uint64_t size)
{
	if (!is_console(fd))
		return -EBADF;
	if (size > INT32_MAX)
		size = INT32_MAX;
	if (!vm_prepare(address, size, false))
		return -EFAULT;
	print((const char *)address, size);
	return (int64_t)size;
}

int64_t linux_read(linux_regs *regs)
{
	return read_some(regs->rdi, regs->rsi, regs->rdx);
}

int64_t linux_write(linux_regs *regs)
{
	return write_some(regs->rdi, regs->rsi, regs->rdx);
}

int64_t linux_pread64(linux_regs *regs)
{
	if (is_console(regs->rdi))
		return -ESPIPE;
	if (!is_file(regs->rdi))
		return -EBADF;
	return read_at(open_files[regs->rdi].file, regs->r10, regs->rsi, regs->rdx);
}

static int64_t each_vector(linux_regs *regs, int64_t (*one)(uint64_t, uint64_t, uint64_t))
{
	const struct iovec *vectors = (const struct iovec *)regs->rsi;
	int64_t total = 0;

	if (regs->rdx > IOV_MAX_VECTORS)
		return -EINVAL;
	if (!vm_prepare(regs->rsi, regs->rdx * sizeof(*vectors), false))
		return -EFAULT;
	for (uint64_t i = 0; i < regs->rdx; i++) {
		int64_t n = one(regs->rdi, (uint64_t)vectors[i].iov_base, vectors[i].iov_len);

		if (n < 0)
			return total > 0 ? total : n;
		total += n;
		if ((uint64_t)n < vectors[i].iov_len)
			break;
	}
	return total;
}

int64_t linux_readv(linux_regs *regs)
{
	return each_vector(regs, read_some);
}

int64_t linux_writev(linux_regs *regs)
{
	return each_vector(regs, write_some);
}

int64_t linux_lseek(linux_regs *regs)
{
	uint64_t fd = regs->rdi, base;
	int64_t to;

	if (is_console(fd))
		return -ESPIPE;
	if (!is_file(fd))
		return -EBADF;
	if (regs->rdx > 2)
		return -EINVAL;
	base = regs->rdx == 0   ? 0
	       : regs->rdx == 1 ? open_files[fd].offset
	                        : open_files[fd].file->size;
	if (__builtin_add_overflow((int64_t)base, (int64_t)regs->rsi, &to) || to < 0)
		return -EINVAL;
	open_files[fd].offset = (uint64_t)to;
	return to;
}

/* ---- Status ---- */

/* `file` NULL: the console. */
static int64_t put_stat(uint64_t address, const struct exo_start_file *file)
{
	struct stat *to = (struct stat *)address;

	if (!vm_prepare(address, sizeof(*to), true))
		return -EFAULT;
	memset(to, 0, sizeof(*to));
	to->st_nlink = 1;
	to->st_blksize = EXO_PAGE_SIZE;
	to->st_mode = file == NULL ? TERMINAL : READ_ONLY_FILE;
	if (file == NULL)
		return 0;
	to->st_ino = file->address >> EXO_PAGE_SHIFT;
	to->st_size = (int64_t)file->size;
	to->st_blocks = (int64_t)((file->size + 511) / 512);
	return 0;
}

static int64_t stat_path(uint64_t path, uint64_t to)
{
	int64_t error;
	const struct exo_start_file *file = look_up(path, &error);

	return file == NULL ? error : put_stat(to, file);
}

int64_t linux_fstat(linux_regs *regs)
{
	if (!is_console(regs->rdi) && !is_file(regs->rdi))
		return -EBADF;
	return put_stat(regs->rsi, is_console(regs->rdi) ? NULL : open_files[regs->rdi].file);
}

int64_t linux_stat(linux_regs *regs)
{
	return stat_path(regs->rdi, regs->rsi);
}

int64_t linux_newfstatat(linux_regs *regs)
{
	linux_regs inner = *regs;

	if ((regs->r10 & AT_EMPTY_PATH) == 0)
		return stat_path(regs->rsi, regs->rdx);
	inner.rsi = regs->rdx;
	return linux_fstat(&inner);
}

static int64_t may_access(uint64_t path, uint64_t mode)
{
	int64_t error;

	if (look_up(path, &error) == NULL)
		return error;
	return (mode & 2) != 0 ? -EROFS : 0;
}

int64_t linux_access(linux_regs *regs)
{
	return may_access(regs->rdi, regs->rsi);
}

int64_t linux_faccessat(linux_regs *regs)
{
	return may_access(regs->rsi, regs->rdx);
}

/* There are no links; a file that is there is none. */
static int64_t read_link(uint64_t path)
{
	int64_t error;

	return look_up(path, &error) == NULL ? error : -EINVAL;
}

int64_t linux_readlink(linux_regs *regs)
{
	return read_link(regs->rdi);
}

int64_t linux_readlinkat(linux_regs *regs)
{
	return read_link(regs->rsi);
}

int64_t linux_getcwd(linux_regs *regs)
{
	if (regs->rsi < 2)
		return -ERANGE;
	if (!vm_prepare(regs->rdi, 2, true))
		return -EFAULT;
	memcpy((void *)regs->rdi, "/", 2);
	return 2;
}

/* The console looks like a terminal of unknown size: C libraries then show each line when it is
 * complete. */
int64_t linux_ioctl(linux_regs *regs)
{
	if (!is_console(regs->rdi))
		return is_file(regs->rdi) ? -ENOTTY : -EBADF;
	if (regs->rsi != TIOCGWINSZ)
		return -ENOTTY;
	if (!vm_prepare(regs->rdx, sizeof(struct winsize), true))
		return -EFAULT;
	memset((void *)regs->rdx, 0, sizeof(struct winsize));
	return 0;
}

int64_t linux_fcntl(linux_regs *regs)
{
	if (!is_console(regs->rdi) && !is_file(regs->rdi))
		return -EBADF;
	switch (regs->rsi) {
	case F_GETFD:
	case F_SETFD:
	case F_SETFL:
		return 0;
	case F_GETFL:
		return is_console(regs->rdi) ? O_RDWR : O_RDONLY;
	default:
		return -EINVAL;
	}
}

/* Everything can be written and files can be read at any time; nothing ever becomes ready later. */
static int64_t poll_all(uint64_t address, uint64_t n, uint64_t timeout_ns)
{
	struct pollfd *fds = (struct pollfd *)address;
	int64_t ready = 0;

	if (n > FILES_MAX)
		return -EINVAL;
	if (!vm_prepare(address, n * sizeof(*fds), true))
		return -EFAULT;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t fd = (uint64_t)(int64_t)fds[i].fd;

		fds[i].revents = 0;
		if (fds[i].fd < 0)
			continue;
		if (is_console(fd))
			fds[i].revents = (short)(fds[i].events & POLLOUT);
		else if (is_file(fd))
			fds[i].revents = (short)(fds[i].events & (POLLIN | POLLOUT));
		else
			fds[i].revents = POLLNVAL;
		ready += fds[i].revents != 0;
	}
	if (ready == 0 && timeout_ns != 0)
		clock_sleep(timeout_ns);
	return ready;
}

int64_t linux_poll(linux_regs *regs)
{
	int32_t ms = (int32_t)regs->rdx;

	return poll_all(regs->rdi, regs->rsi, ms < 0 ? UINT64_MAX : (uint64_t)ms * 1000000);
}

int64_t linux_ppoll(linux_regs *regs)
{
	uint64_t ns = UINT64_MAX;

	if (regs->rdx != 0 && !clock_read_timespec(regs->rdx, &ns))
		return -EINVAL;
	return poll_all(regs->rdi, regs->rsi, ns);
}
