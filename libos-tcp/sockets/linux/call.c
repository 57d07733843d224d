/* SPDX-License-Identifier: BSD-2-Clause */
/* The socket calls that make, name and end sockets; sockets as files. */
#include <asm/unistd_64.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <libexo/lib.h>

#include "net.h"

#define NS 1000000000ull

enum { OPTION_BYTES = 512, NONBLOCK = SOCK_NONBLOCK, CLOEXEC = SOCK_CLOEXEC };

_Static_assert(SOCK_NONBLOCK == O_NONBLOCK && SOCK_CLOEXEC == O_CLOEXEC, "one is the other");

int sock_file_type;

struct sock *sock_of(uint64_t fd, struct file **file, int64_t *error)
{
	struct sock *sock = NULL;

	*file = fd_of_call((uint32_t)fd);
	*error = *file == NULL ? -EBADF : -ENOTSOCK;
	if (*file != NULL && (*file)->type == sock_file_type)
		sock = socks_at(net_sockets, (*file)->object);
	return sock;
}

int64_t sock_wait(const struct file *file, uint64_t flags, uint64_t ns)
{
	if ((file->flags & O_NONBLOCK) != 0 || (flags & MSG_DONTWAIT) != 0)
		return -EAGAIN;
	return task_deadline(ns != 0 ? ns : UINT64_MAX) ? -EAGAIN : LINUX_WAIT;
}

int address_in(uint8_t to[ADDRESS_BYTES], uint64_t address, uint64_t size, socklen_t *bytes)
{
	if ((uint32_t)size > ADDRESS_BYTES)
		return -EINVAL;
	*bytes = (socklen_t)size;
	return copy_in(to, address, *bytes);
}

int address_out(uint64_t to, uint64_t size_address, const void *from, socklen_t bytes)
{
	uint32_t room;

	if (to == 0)
		return 0;
	if (copy_in(&room, size_address, sizeof(room)) < 0)
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	if (copy_out(to, from, room < bytes ? room : bytes) < 0)
		return -EFAULT;
	return copy_out(size_address, &bytes, sizeof(bytes));
}

/* ---- Making ---- */

/* Its descriptor; where there is none, the socket goes again. */
static int64_t put_file(struct sock *sock, uint64_t flags)
{
	int64_t fd = fd_open((uint8_t)sock_file_type, (uint16_t)sock_index(sock),
	                     ((uint32_t)flags & (NONBLOCK | CLOEXEC)) | O_RDWR, 0);

	if (fd < 0)
		sock_close(sock);
	return fd;
}

static int64_t call_socket(linux_regs *regs)
{
	uint64_t flags = regs->rsi & (NONBLOCK | CLOEXEC);
	struct sock *sock;
	int error;

	if (regs->rdi == AF_UNIX) {
		if (regs->rdx != 0)
			return -EPROTONOSUPPORT;
		error = sock_open_local(net_sockets, (int)(regs->rsi & ~flags), &sock);
		return error < 0 ? error : put_file(sock, flags);
	}
	if (!net_there())
		return -EAFNOSUPPORT;
	error = sock_open(net_sockets, (int)regs->rdi, (int)(regs->rsi & ~flags), (int)regs->rdx,
	                  &sock);
	return error < 0 ? error : put_file(sock, flags);
}

static int64_t call_socketpair(linux_regs *regs)
{
	uint64_t flags = regs->rsi & (NONBLOCK | CLOEXEC);
	struct sock *pair[2];
	int32_t fds[2];
	int error;

	if (regs->rdi != AF_UNIX)
		return -EAFNOSUPPORT;
	if (!vm_prepare(regs->r10, sizeof(fds), true))
		return -EFAULT;
	error = sock_pair(net_sockets, (int)(regs->rsi & ~flags), pair);
	if (error < 0)
		return error;
	fds[0] = (int32_t)put_file(pair[0], flags);
	if (fds[0] < 0) {
		sock_close(pair[1]);
		return fds[0];
	}
	fds[1] = (int32_t)put_file(pair[1], flags);
	if (fds[1] < 0) {
		fd_close((uint64_t)fds[0]);
		return fds[1];
	}
	return copy_out(regs->r10, fds, sizeof(fds));
}

static int64_t call_bind(linux_regs *regs)
{
	uint8_t address[ADDRESS_BYTES];
	struct file *file;
	socklen_t size;
	int64_t error;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	if (sock == NULL)
		return error;
	if (sock->kind == SOCK_KIND_LOCAL)
		return local_bind(sock, regs->rsi, regs->rdx);
	error = address_in(address, regs->rsi, regs->rdx, &size);
	return error < 0 ? error : sock_bind(sock, address, size);
}

static int64_t call_listen(linux_regs *regs)
{
	struct file *file;
	int64_t error;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	return sock == NULL ? error : sock_listen(sock, (int)regs->rsi);
}

static int64_t put_accepted(struct sock *sock, uint64_t to, uint64_t size_address)
{
	uint8_t address[ADDRESS_BYTES];
	socklen_t size = sizeof(address);

	sock_accepted_name(sock, address, &size);
	return address_out(to, size_address, address, size);
}

static int64_t put_name(struct sock *sock, bool peer, uint64_t to, uint64_t size_address)
{
	uint8_t address[ADDRESS_BYTES];
	socklen_t size = sizeof(address);
	int error = sock_name(sock, peer, address, &size);

	return error < 0 ? error : address_out(to, size_address, address, size);
}

static int64_t accept_one(linux_regs *regs, uint64_t flags)
{
	struct file *file;
	int64_t result, fd;
	struct sock *sock = sock_of(regs->rdi, &file, &result), *made;

	if (sock == NULL)
		return result;
	if ((flags & ~(uint64_t)(NONBLOCK | CLOEXEC)) != 0)
		return -EINVAL;
	result = fd_room(); /* else nobody would have what is taken off the queue */
	if (result < 0)
		return result;
	net_run();
	result = sock_accept(sock, &made);
	if (result < 0)
		return result == -EAGAIN ? sock_wait(file, 0, sock->receive_ns) : result;
	fd = put_file(made, flags);
	if (fd >= 0 && regs->rsi != 0) {
		result = put_accepted(made, regs->rsi, regs->rdx);
		if (result < 0) {
			fd_close((uint64_t)fd);
			return result;
		}
	}
	net_run();
	return fd;
}

static int64_t call_accept(linux_regs *regs)
{
	return accept_one(regs, 0);
}

static int64_t call_accept4(linux_regs *regs)
{
	return accept_one(regs, (uint32_t)regs->r10);
}

static int64_t connect_local(linux_regs *regs, const struct file *file, struct sock *sock)
{
	struct sock_name name;
	int error = local_name_in(regs->rsi, regs->rdx, &name);

	if (error == 0)
		error = sock_connect_local(sock, &name);
	net_run();
	return error == -EAGAIN ? sock_wait(file, 0, sock->send_ns) : error;
}

static int64_t call_connect(linux_regs *regs)
{
	uint8_t address[ADDRESS_BYTES];
	struct file *file;
	socklen_t size;
	int64_t error, waits;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	if (sock == NULL)
		return error;
	if (sock->kind == SOCK_KIND_LOCAL)
		return connect_local(regs, file, sock);
	net_run();
	if (task_self->retry) {
		error = sock_connected(sock);
	} else {
		error = address_in(address, regs->rsi, regs->rdx, &size);
		if (error == 0)
			error = sock_connect(sock, address, size);
		net_run();
	}
	if (error != -EINPROGRESS && error != -EALREADY && !(task_self->retry && error == -EAGAIN))
		return error;
	waits = sock_wait(file, 0, sock->send_ns);
	return waits == LINUX_WAIT ? LINUX_WAIT : error == -EALREADY ? -EALREADY : -EINPROGRESS;
}

static int64_t call_shutdown(linux_regs *regs)
{
	struct file *file;
	int64_t error;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	if (sock == NULL)
		return error;
	net_run();
	error = sock_shutdown(sock, (int)regs->rsi);
	net_run();
	return error;
}

/* ---- Asking ---- */

static int64_t call_getsockname(linux_regs *regs)
{
	struct file *file;
	int64_t error;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	return sock == NULL ? error : put_name(sock, false, regs->rsi, regs->rdx);
}

static int64_t call_getpeername(linux_regs *regs)
{
	struct file *file;
	int64_t error;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	return sock == NULL ? error : put_name(sock, true, regs->rsi, regs->rdx);
}

static int64_t call_setsockopt(linux_regs *regs)
{
	uint8_t value[OPTION_BYTES];
	uint32_t size = (uint32_t)regs->r8 < OPTION_BYTES ? (uint32_t)regs->r8 : OPTION_BYTES;
	struct file *file;
	int64_t error;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	if (sock == NULL)
		return error;
	if (copy_in(value, regs->r10, size) < 0)
		return -EFAULT;
	error = sock_set_option(sock, (int)regs->rsi, (int)regs->rdx, value, size);
	net_run();
	return error;
}

static int64_t call_getsockopt(linux_regs *regs)
{
	uint8_t value[OPTION_BYTES];
	uint32_t room;
	socklen_t size;
	struct file *file;
	int64_t error;
	struct sock *sock = sock_of(regs->rdi, &file, &error);

	if (sock == NULL)
		return error;
	if (copy_in(&room, regs->r8, sizeof(room)) < 0)
		return -EFAULT;
	if ((int32_t)room < 0)
		return -EINVAL;
	size = room < OPTION_BYTES ? room : OPTION_BYTES;
	net_run();
	error = sock_get_option(sock, (int)regs->rsi, (int)regs->rdx, value, &size);
	if (error < 0)
		return error;
	if (copy_out(regs->r10, value, size) < 0 || copy_out(regs->r8, &size, sizeof(size)) < 0)
		return -EFAULT;
	return 0;
}

/* ---- As files ---- */

static struct sock *file_sock(const struct file *file)
{
	return socks_at(net_sockets, file->object);
}

/* For sendfile; read and write are calls of their own (message.c). */
static int64_t file_write(struct file *file, uint64_t address, uint64_t size, uint64_t offset)
{
	struct iovec piece = {(void *)address, size};
	struct sock_data from = {.pieces = &piece, .n = 1};
	struct sock *sock = file_sock(file);
	int64_t n;

	if (sock == NULL)
		return -EBADF;
	net_run();
	n = sock_send(sock, &from, 0, NULL, 0);
	net_run();
	if (n == -EPIPE && sock_streams(sock))
		signal_raise(task_self, SIGPIPE);
	return n == -EAGAIN ? sock_wait(file, 0, sock->send_ns) : n;
}

static unsigned file_poll(struct file *file)
{
	struct sock *sock = file_sock(file);

	return sock != NULL ? sock_poll(sock) : 0;
}

static uint32_t file_edges(struct file *file)
{
	const struct sock *sock = file_sock(file);

	return sock != NULL ? sock->edges : 0;
}

static bool file_linger(struct file *file)
{
	struct sock *sock = file_sock(file);
	bool lingers;

	if (sock == NULL)
		return false;
	net_run();
	lingers = task_self->retry ? sock_lingers(sock) : sock_linger(sock);
	net_run();
	return lingers && !task_deadline((uint64_t)sock->linger_s * NS);
}

static void file_close(struct file *file)
{
	struct sock *sock = file_sock(file);

	net_run();
	if (sock != NULL)
		sock_close(sock);
	net_run();
}

static int64_t file_ioctl(struct file *file, uint64_t request, uint64_t argument)
{
	struct sock *sock = file_sock(file);
	int32_t value;
	int error;

	if (sock == NULL)
		return -EBADF;
	error = sock_ioctl(sock, request, &value);
	return error < 0 ? error : copy_out(argument, &value, sizeof(value));
}

const struct file_type_operations sock_operations = {.write = file_write,
                                                     .poll = file_poll,
                                                     .edges = file_edges,
                                                     .linger = file_linger,
                                                     .close = file_close,
                                                     .ioctl = file_ioctl,
                                                     .mode = S_IFSOCK | 0777};

void call_register(void)
{
	static const struct {
		unsigned number;
		linux_call *call;
	} calls[] = {
	        {__NR_socket, call_socket},
	        {__NR_socketpair, call_socketpair},
	        {__NR_bind, call_bind},
	        {__NR_listen, call_listen},
	        {__NR_accept, call_accept},
	        {__NR_accept4, call_accept4},
	        {__NR_connect, call_connect},
	        {__NR_shutdown, call_shutdown},
	        {__NR_getsockname, call_getsockname},
	        {__NR_getpeername, call_getpeername},
	        {__NR_setsockopt, call_setsockopt},
	        {__NR_getsockopt, call_getsockopt},
	        {__NR_sendto, call_sendto},
	        {__NR_recvfrom, call_recvfrom},
	        {__NR_sendmsg, call_sendmsg},
	        {__NR_recvmsg, call_recvmsg},
	        {__NR_sendmmsg, call_sendmmsg},
	        {__NR_recvmmsg, call_recvmmsg},
	        {__NR_read, call_read},
	        {__NR_write, call_write},
	        {__NR_readv, call_readv},
	        {__NR_writev, call_writev},
	};

	for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		linux_call_set(calls[i].number, calls[i].call);
}
