/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket calls that move data. A call that has to wait is made again from its beginning: what
 * it had moved by then is the task's progress, and left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>

#include <libexo/lib.h>

#include "net.h"

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

/* ---- Sending ---- */

static int64_t send_pieces(uint64_t fd, const struct iovec *pieces, size_t n, uint64_t flags,
                           uint64_t address, uint64_t address_size)
{
	struct sock_data from = {.pieces = pieces, .n = n, .skip = task_self->progress};
	uint8_t to[ADDRESS_BYTES];
	socklen_t size = 0;
	struct file *file;
	int64_t result;
	struct sock *sock = sock_of(fd, &file, &result);

	if (sock == NULL)
		return result;
	if (address != 0 && address_in(to, address, address_size, &size) < 0)
		return -EFAULT;
	net_run();
	do {
		result = sock_send(sock, &from, (int)flags, address != 0 ? to : NULL, size);
		if (result > 0)
			task_self->progress += (uint64_t)result;
		from.skip = task_self->progress;
	} while (result > 0 && sock_data_bytes(&from) > 0);
	net_run();
	if (result == -EAGAIN)
		result = sock_wait(file, flags, sock->send_ns);
	if (result == LINUX_WAIT)
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

	if (!vm_prepare(regs->rsi, regs->rdx, false))
		return -EFAULT;
	return send_pieces(regs->rdi, &piece, 1, regs->r10, regs->r8, regs->r9);
}

static int64_t send_message(uint64_t fd, const struct msghdr *message, uint64_t flags)
{
	int error = prepare(message->msg_iov, message->msg_iovlen, false);

	if (error < 0)
		return error;
	return send_pieces(fd, message->msg_iov, message->msg_iovlen, flags,
	                   (uintptr_t)message->msg_name, message->msg_namelen);
}

int64_t call_sendmsg(linux_regs *regs)
{
	struct msghdr message;

	if (copy_in(&message, regs->rsi, sizeof(message)) < 0)
		return -EFAULT;
	return send_message(regs->rdi, &message, regs->rdx);
}

/* ---- Receiving ---- */

/* What was received, and how it came. */
struct arrival {
	struct sock *sock;
	struct sock_origin origin;
};

static int64_t receive_pieces(uint64_t fd, const struct iovec *pieces, size_t n, uint64_t flags,
                              struct arrival *arrival)
{
	struct sock_data to = {.pieces = pieces, .n = n, .skip = task_self->progress};
	bool all = (flags & MSG_WAITALL) != 0 && (flags & MSG_PEEK) == 0;
	struct file *file;
	int64_t result;

	arrival->sock = sock_of(fd, &file, &result);
	if (arrival->sock == NULL)
		return result;
	net_run();
	do {
		result = sock_receive(arrival->sock, &to, (int)flags, &arrival->origin);
		if (result > 0)
			task_self->progress += (uint64_t)result;
		to.skip = task_self->progress;
		all = all && !arrival->origin.datagram;
	} while (all && result > 0 && sock_data_bytes(&to) > 0);
	net_run();
	if (result == -EAGAIN && (task_self->progress == 0 || all))
		result = sock_wait(file, flags, arrival->sock->receive_ns);
	if (result == LINUX_WAIT)
		return LINUX_WAIT;
	return task_self->progress > 0 ? (int64_t)task_self->progress : result;
}

/* From whom it came: a stream tells nobody. */
static socklen_t name_of(const struct arrival *arrival, uint8_t address[ADDRESS_BYTES])
{
	socklen_t size = ADDRESS_BYTES;

	if (!arrival->origin.datagram || arrival->origin.from.ip.family == 0)
		return 0;
	sock_address_put(arrival->sock, &arrival->origin.from, address, &size);
	return size;
}

int64_t call_recvfrom(linux_regs *regs)
{
	struct iovec piece = {(void *)regs->rsi, regs->rdx};
	uint8_t address[ADDRESS_BYTES];
	struct arrival arrival;
	int64_t result;

	if (!vm_prepare(regs->rsi, regs->rdx, true))
		return -EFAULT;
	result = receive_pieces(regs->rdi, &piece, 1, regs->r10, &arrival);
	if (result >= 0 && regs->r8 != 0 &&
	    address_out(regs->r8, regs->r9, address, name_of(&arrival, address)) < 0)
		return -EFAULT;
	return result;
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
	if (result == 0)
		result = receive_pieces(fd, message.msg_iov, message.msg_iovlen, flags, &arrival);
	if (result < 0)
		return result;
	size = name_of(&arrival, address);
	if (message.msg_name != NULL &&
	    copy_out((uintptr_t)message.msg_name, address,
	             size < message.msg_namelen ? size : message.msg_namelen) < 0)
		return -EFAULT;
	message.msg_namelen = size;
	message.msg_controllen = 0;
	message.msg_flags =
	        arrival.origin.datagram && arrival.origin.size > (uint64_t)result ? MSG_TRUNC : 0;
	return copy_out(at, &message, sizeof(message)) < 0 ? -EFAULT : result;
}

int64_t call_recvmsg(linux_regs *regs)
{
	return receive_message(regs->rdi, regs->rsi, regs->rdx);
}

/* ---- Several at once ---- */

/* The i-th message is moved; the first may wait, the others not. */
typedef int64_t move_fn(uint64_t fd, uint64_t at, uint64_t flags);

static int64_t send_at(uint64_t fd, uint64_t at, uint64_t flags)
{
	struct msghdr message;

	return copy_in(&message, at, sizeof(message)) < 0 ? -EFAULT
	                                                  : send_message(fd, &message, flags);
}

static int64_t move_all(linux_regs *regs, move_fn *move)
{
	struct mmsghdr *all = (struct mmsghdr *)regs->rsi;
	uint64_t n = (uint32_t)regs->rdx, flags = regs->r10;
	int64_t i, moved = 0;

	n = n < MESSAGES_MOST ? n : MESSAGES_MOST;
	for (i = 0; i < (int64_t)n; i++) {
		uint32_t size;

		if (i > 0)
			task_self->progress = 0;
		moved = move(regs->rdi, (uintptr_t)&all[i], i > 0 ? flags | MSG_DONTWAIT : flags);
		if (moved < 0)
			break;
		size = (uint32_t)moved;
		if (copy_out((uintptr_t)&all[i].msg_len, &size, sizeof(size)) < 0)
			return -EFAULT;
	}
	return i > 0 ? i : moved;
}

int64_t call_sendmmsg(linux_regs *regs)
{
	return move_all(regs, send_at);
}

int64_t call_recvmmsg(linux_regs *regs)
{
	return move_all(regs, receive_message);
}
