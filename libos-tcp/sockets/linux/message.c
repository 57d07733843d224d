/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket calls that move data. A call that has to wait is made again from its beginning: what
 * it had moved by then is the task's progress, and left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include <libexo/lib.h>

#include "net.h"

#define NS 1000000000ull

enum { PIECES_MOST = 1024, MESSAGES_MOST = 1024 };

/* A message's pieces stay in the program's memory: no other thread of it runs meanwhile. */
static int prepare(const struct iovec *pieces, size_t n, bool write)
{
	if (n > PIECES_MOST)
		return -EMSGSIZE;
	if (!vm_prepare((uintptr_t)pieces, n * sizeof(*pieces), false))
		return -EFAULT;
	for (size_t i = 0; i < n; i++)
		if (!vm_prepare((uintptr_t)pieces[i].iov_base, pieces[i].iov_len, write))
			return -EFAULT;
	return 0;
}

/* ---- Rights: files on their way, each with a reference of its own ---- */

/* Nobody else uses these two while the family's lock is held, and they are large. */
static struct sock_rights sent, received;

static int hold(struct sock_rights *rights, int fd)
{
	uint16_t file = fd_hold((uint32_t)fd);

	if (file == NONE)
		return -EBADF;
	rights->files[rights->n++] = file;
	return 0;
}

static void release_all(struct sock_rights *rights)
{
	while (rights->n > 0)
		fd_release(rights->files[--rights->n]);
}

/* As many as fit become descriptors of this process; the others are given back. */
static uint32_t adopt(size_t room, bool close_on_exec, int fds[SOCK_RIGHTS_MAX])
{
	size_t most = room < CMSG_LEN(0) ? 0 : (room - CMSG_LEN(0)) / sizeof(int);
	uint32_t n = 0;

	for (uint32_t i = 0; i < received.n; i++) {
		int64_t fd = n < most ? fd_adopt(received.files[i], close_on_exec) : -EMFILE;

		if (fd >= 0)
			fds[n++] = (int)fd;
		else
			fd_release(received.files[i]);
	}
	received.n = 0;
	return n;
}

/* ---- Sending ---- */

/* What goes beside the data: its address and control messages. */
static int beside(const struct sock *sock, const struct msghdr *message, struct sock_data *data,
                  uint8_t to[ADDRESS_BYTES], struct sock_name *name)
{
	enum { CONTROL_MOST = 65536 };
	socklen_t size;

	if (message->msg_name != NULL && sock->kind != SOCK_KIND_LOCAL) {
		if (address_in(to, (uintptr_t)message->msg_name, message->msg_namelen, &size) < 0)
			return -EFAULT;
	} else if (message->msg_name != NULL && sock->type == SOCK_DGRAM) {
		int error = local_name_in((uintptr_t)message->msg_name, message->msg_namelen, name);

		if (error < 0)
			return error;
		data->name = name;
	}
	/* What went with the first bytes is not sent again with the rest. */
	if (message->msg_control == NULL || message->msg_controllen == 0 || data->skip > 0)
		return 0;
	if (message->msg_controllen > CONTROL_MOST)
		return -ENOBUFS;
	if (!vm_prepare((uintptr_t)message->msg_control, message->msg_controllen, false))
		return -EFAULT;
	data->rights = &sent;
	return sock_control_read(sock, message->msg_control, message->msg_controllen, data, hold);
}

static int64_t send_all(struct sock *sock, const struct msghdr *message, uint64_t flags)
{
	struct sock_data from = {
	        .pieces = message->msg_iov, .n = message->msg_iovlen, .skip = task_self->progress};
	uint8_t to[ADDRESS_BYTES];
	struct sock_name name;
	int64_t result;

	sent.n = 0;
	result = beside(sock, message, &from, to, &name);
	if (result == 0)
		net_run();
	while (result >= 0) {
		result = sock_send(sock, &from, (int)flags, message->msg_name != NULL ? to : NULL,
		                   message->msg_namelen);
		if (result > 0)
			task_self->progress += (uint64_t)result;
		from.skip = task_self->progress;
		if (result <= 0 || sock_data_bytes(&from) == 0)
			break;
	}
	release_all(&sent);
	net_run();
	return result;
}

/* MSG_FASTOPEN connects, and waits for the end of that, whatever went with SYN. LINUX_WAIT; an
 * error; 0: it is open. */
static int64_t open_fast(const struct file *file, struct sock *sock, uint64_t flags)
{
	int64_t result = sock_connected(sock);

	if (result != -EAGAIN)
		return result;
	result = sock_wait(file, flags, sock->send_ns);
	return result == -EAGAIN ? -EINPROGRESS : result;
}

/* Its pieces have been prepared. */
static int64_t send_message(uint64_t fd, const struct msghdr *message, uint64_t flags)
{
	bool fast = (flags & MSG_FASTOPEN) != 0;
	struct file *file;
	int64_t result;
	struct sock *sock = sock_of(fd, &file, &result);

	if (sock == NULL)
		return result;
	if (fast && task_self->retry) {
		net_run();
		result = open_fast(file, sock, flags);
		if (result < 0)
			return result != -EINPROGRESS || task_self->progress == 0
			               ? result
			               : (int64_t)task_self->progress;
		flags &= ~(uint64_t)MSG_FASTOPEN;
	}
	result = send_all(sock, message, flags);
	if (fast && result > 0 && sock->connecting &&
	    sock_wait(file, flags, sock->send_ns) == LINUX_WAIT)
		return LINUX_WAIT;
	if ((result == -EAGAIN || result == -EINPROGRESS) &&
	    sock_wait(file, flags, sock->send_ns) == LINUX_WAIT)
		return LINUX_WAIT;
	if (result < 0 && task_self->progress == 0) {
		if (result == -EPIPE && (flags & MSG_NOSIGNAL) == 0)
			signal_raise(task_self, SIGPIPE);
		return result;
	}
	return (int64_t)task_self->progress;
}

int64_t call_sendto(linux_regs *regs)
{
	struct iovec piece = {(void *)regs->rsi, regs->rdx};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_name = (void *)regs->r8,
	                         .msg_namelen = (socklen_t)regs->r9};

	if (!vm_prepare(regs->rsi, regs->rdx, false))
		return -EFAULT;
	return send_message(regs->rdi, &message, regs->r10);
}

static int64_t send_at(uint64_t fd, uint64_t at, uint64_t flags)
{
	struct msghdr message;
	int error;

	if (copy_in(&message, at, sizeof(message)) < 0)
		return -EFAULT;
	error = prepare(message.msg_iov, message.msg_iovlen, false);
	return error < 0 ? error : send_message(fd, &message, flags);
}

int64_t call_sendmsg(linux_regs *regs)
{
	return send_at(regs->rdi, regs->rsi, regs->rdx);
}

/* ---- Receiving ---- */

/* How long recvmmsg waits, which nobody else uses while the family's lock is held. */
static uint64_t most_ns = UINT64_MAX;

/* What was received, and how it came. */
struct arrival {
	struct sock *sock;
	struct sock_origin origin;
};

static int64_t wait_received(const struct file *file, uint64_t flags, const struct sock *sock)
{
	uint64_t ns = sock->receive_ns != 0 ? sock->receive_ns : UINT64_MAX;

	return sock_wait(file, flags, most_ns != 0 && most_ns < ns ? most_ns : ns);
}

static int64_t receive_pieces(uint64_t fd, const struct msghdr *message, uint64_t flags,
                              struct arrival *arrival)
{
	struct sock_data to = {.pieces = message->msg_iov,
	                       .n = message->msg_iovlen,
	                       .skip = task_self->progress,
	                       .rights = message->msg_control != NULL ? &received : NULL};
	bool all = (flags & MSG_WAITALL) != 0 && (flags & MSG_PEEK) == 0;
	struct file *file;
	int64_t result;

	arrival->sock = sock_of(fd, &file, &result);
	if (arrival->sock == NULL)
		return result;
	received.n = 0;
	net_run();
	do {
		result = sock_receive(arrival->sock, &to, (int)flags, &arrival->origin);
		if (result > 0)
			task_self->progress += (uint64_t)result;
		to.skip = task_self->progress;
		all = all && !arrival->origin.datagram && received.n == 0;
	} while (all && result > 0 && sock_data_bytes(&to) > 0);
	net_run();
	if (result == -EAGAIN && (task_self->progress == 0 || all))
		result = wait_received(file, flags, arrival->sock);
	if (result == LINUX_WAIT)
		return LINUX_WAIT;
	return task_self->progress > 0 ? (int64_t)task_self->progress : result;
}

/* From whom it came: a stream tells nobody. */
static socklen_t name_of(const struct arrival *arrival, uint8_t address[ADDRESS_BYTES])
{
	socklen_t size = ADDRESS_BYTES;

	if (arrival->origin.name.size > 0)
		local_name_put(&arrival->origin.name, address, &size);
	else if (arrival->origin.datagram && arrival->origin.from.ip.family != 0)
		sock_address_put(arrival->sock, &arrival->origin.from, address, &size);
	else
		return 0;
	return size;
}

int64_t call_recvfrom(linux_regs *regs)
{
	struct iovec piece = {(void *)regs->rsi, regs->rdx};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	uint8_t address[ADDRESS_BYTES];
	struct arrival arrival;
	int64_t result;

	if (!vm_prepare(regs->rsi, regs->rdx, true))
		return -EFAULT;
	result = receive_pieces(regs->rdi, &message, regs->r10, &arrival);
	if (result >= 0 && regs->r8 != 0 &&
	    address_out(regs->r8, regs->r9, address, name_of(&arrival, address)) < 0)
		return -EFAULT;
	return result;
}

/* Control messages; the room for them has been prepared. */
static void tell_beside(struct msghdr *message, struct arrival *arrival, uint64_t flags)
{
	static int fds[SOCK_RIGHTS_MAX];
	size_t room = message->msg_control != NULL ? message->msg_controllen : 0;
	uint32_t got = received.n, n = adopt(room, (flags & MSG_CMSG_CLOEXEC) != 0, fds);
	bool cut;

	message->msg_controllen = sock_control_write(arrival->sock, &arrival->origin, fds, n,
	                                             message->msg_control, room, &cut);
	message->msg_flags |= cut || n < got ? MSG_CTRUNC : 0;
}

/* MSG_ERRQUEUE. The room for control messages has been prepared. */
static int64_t receive_errors(uint64_t fd, struct msghdr *message)
{
	struct file *file;
	int64_t result;
	struct sock *sock = sock_of(fd, &file, &result);
	bool cut;

	if (sock == NULL)
		return result;
	net_run();
	result = sock_errors(sock, message->msg_control, message->msg_controllen,
	                     &message->msg_controllen, &cut);
	message->msg_namelen = 0;
	message->msg_flags = MSG_ERRQUEUE | (result > 0 ? (int)result : 0) |
	                     (result >= 0 && cut ? MSG_CTRUNC : 0);
	return result < 0 ? result : 0;
}

/* `at`: where the program's struct msghdr is. */
static int64_t receive_message(uint64_t fd, uint64_t at, uint64_t flags)
{
	uint8_t address[ADDRESS_BYTES];
	struct msghdr message;
	struct arrival arrival;
	int64_t result;
	socklen_t size;

	if (copy_in(&message, at, sizeof(message)) < 0)
		return -EFAULT;
	result = prepare(message.msg_iov, message.msg_iovlen, true);
	if (result == 0 && message.msg_control != NULL &&
	    !vm_prepare((uintptr_t)message.msg_control, message.msg_controllen, true))
		result = -EFAULT;
	if (result == 0 && (flags & MSG_ERRQUEUE) != 0) {
		result = receive_errors(fd, &message);
		return result == 0 && copy_out(at, &message, sizeof(message)) < 0 ? -EFAULT
		                                                                  : result;
	}
	if (result == 0)
		result = receive_pieces(fd, &message, flags, &arrival);
	if (result < 0)
		return result;
	size = name_of(&arrival, address);
	if (message.msg_name != NULL &&
	    copy_out((uintptr_t)message.msg_name, address,
	             size < message.msg_namelen ? size : message.msg_namelen) < 0)
		return -EFAULT;
	message.msg_namelen = size;
	message.msg_flags =
	        arrival.origin.datagram && arrival.origin.size > (uint64_t)result ? MSG_TRUNC : 0;
	tell_beside(&message, &arrival, flags);
	return copy_out(at, &message, sizeof(message)) < 0 ? -EFAULT : result;
}

int64_t call_recvmsg(linux_regs *regs)
{
	return receive_message(regs->rdi, regs->rsi, regs->rdx);
}

/* ---- Several at once ---- */

typedef int64_t move_fn(uint64_t fd, uint64_t at, uint64_t flags);

static int64_t move_one(const linux_regs *regs, move_fn *move)
{
	const struct mmsghdr *all = (const struct mmsghdr *)regs->rsi;
	uintptr_t at = (uintptr_t)&all[task_self->done];
	uint64_t flags = regs->r10;
	uint32_t size;
	int64_t moved;

	if ((flags & MSG_WAITFORONE) != 0 && task_self->done > 0)
		flags |= MSG_DONTWAIT;
	moved = move(regs->rdi, at, flags);
	if (moved < 0)
		return moved;
	size = (uint32_t)moved;
	at += offsetof(struct mmsghdr, msg_len);
	return copy_out(at, &size, sizeof(size)) < 0 ? -EFAULT : 0;
}

/* Each of them may wait. An error is told where it is the first one's. */
static int64_t move_all(const linux_regs *regs, move_fn *move)
{
	uint64_t n = (uint32_t)regs->rdx;
	int64_t result = 0;

	n = n < MESSAGES_MOST ? n : MESSAGES_MOST;
	while (task_self->done < n) {
		result = move_one(regs, move);
		if (result < 0)
			break;
		task_self->done++;
		task_self->progress = 0;
		if (most_ns == 0)
			break;
	}
	return task_self->done > 0 && result != LINUX_WAIT ? (int64_t)task_self->done : result;
}

int64_t call_sendmmsg(linux_regs *regs)
{
	return move_all(regs, send_at);
}

/* The time counts from the call on; Linux asks for it only when something has come, so that the
 * first one is waited for where there is none. */
int64_t call_recvmmsg(linux_regs *regs)
{
	struct timespec time;
	int64_t result;

	if (regs->r8 != 0) {
		if (copy_in(&time, regs->r8, sizeof(time)) < 0)
			return -EFAULT;
		if (time.tv_sec < 0 || (uint64_t)time.tv_nsec >= NS)
			return -EINVAL;
		most_ns = (uint64_t)time.tv_sec < UINT32_MAX
		                  ? (uint64_t)time.tv_sec * NS + (uint64_t)time.tv_nsec
		                  : UINT64_MAX;
	}
	result = move_all(regs, receive_message);
	most_ns = UINT64_MAX;
	return result;
}
