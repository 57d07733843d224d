/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The socket calls that move data. A call that has to wait is made again from its beginning: what
 * it had moved by then is the task's progress, and left out.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include <libexo/lib.h>

#include "net.h"

#define NS 1000000000ull

enum {
	PIECES_MOST = 1024,
	MESSAGES_MOST = 1024,
	WINDOW = 1 << 20, /* bytes that are moved at a time: more than any datagram, or window */
};

/* A message's list of pieces is there, or the call's own. */
static int prepare(const struct iovec *pieces, size_t n)
{
	if (n > PIECES_MOST)
		return -EMSGSIZE;
	return vm_prepare((uintptr_t)pieces, n * sizeof(*pieces), false) ? 0 : -EFAULT;
}

enum use { SENT, RECEIVED, NOT_TOUCHED };

/* Prepares what may be moved next of a message: its pieces as far as WINDOW bytes behind those that
 * were moved, so that a large buffer need not be there as a whole. The list is copied, for what is
 * received may come to lie upon it. 0, 1: there is more behind; -EFAULT. */
static int show(const struct msghdr *message, enum use use, struct sock_data *data)
{
	static struct iovec pieces[PIECES_MOST];
	uint64_t before = data->skip, room = WINDOW;

	data->pieces = pieces;
	for (data->n = 0; data->n < message->msg_iovlen && room > 0; data->n++) {
		struct iovec piece = message->msg_iov[data->n];
		uint64_t moved = piece.iov_len < before ? piece.iov_len : before;

		before -= moved;
		if (piece.iov_len - moved > room)
			piece.iov_len = moved + room;
		room -= piece.iov_len - moved;
		if (use != NOT_TOUCHED && piece.iov_len > moved &&
		    !vm_prepare((uintptr_t)piece.iov_base + moved, piece.iov_len - moved,
		                use == RECEIVED))
			return -EFAULT;
		pieces[data->n] = piece;
	}
	return room == 0;
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
	int error = 0;

	if (message->msg_name != NULL && sock->kind != SOCK_KIND_LOCAL) {
		error = address_in(to, (uintptr_t)message->msg_name, message->msg_namelen, &size);
	} else if (message->msg_name != NULL && sock->type == SOCK_DGRAM) {
		error = local_name_in((uintptr_t)message->msg_name, message->msg_namelen, name);
		data->name = name;
	}
	if (error < 0)
		return error;
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

static int64_t send_pieces(struct sock *sock, const struct msghdr *message, uint64_t flags,
                           struct sock_data *from, const uint8_t *to)
{
	int64_t result;
	int more;

	do {
		more = show(message, SENT, from);
		if (more < 0)
			return more;
		result = sock_send(sock, from,
		                   more > 0 ? ((int)flags | MSG_MORE) & ~MSG_EOR : (int)flags, to,
		                   message->msg_namelen);
		task_self->progress += result > 0 ? (uint64_t)result : 0;
		from->skip = task_self->progress;
	} while (result > 0 && (more > 0 || sock_data_bytes(from) > 0));
	return result;
}

static int64_t send_all(struct sock *sock, const struct msghdr *message, uint64_t flags)
{
	struct sock_data from = {.skip = task_self->progress};
	uint8_t to[ADDRESS_BYTES];
	struct sock_name name;
	int64_t result;

	sent.n = 0;
	result = beside(sock, message, &from, to, &name);
	if (result == 0) {
		net_run();
		result = send_pieces(sock, message, flags, &from,
		                     message->msg_name != NULL ? to : NULL);
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

/* Its list of pieces has been prepared. */
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
		if (result == -EPIPE && (flags & MSG_NOSIGNAL) == 0 && sock_streams(sock))
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

	return send_message(regs->rdi, &message, regs->r10);
}

static int64_t send_at(uint64_t fd, uint64_t at, uint64_t flags)
{
	struct msghdr message;
	int error;

	if (copy_in(&message, at, sizeof(message)) < 0)
		return -EFAULT;
	error = prepare(message.msg_iov, message.msg_iovlen);
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
	uint64_t room; /* there was for it */
};

static int64_t wait_received(const struct file *file, uint64_t flags, const struct sock *sock)
{
	uint64_t ns = sock->receive_ns != 0 ? sock->receive_ns : UINT64_MAX;

	return sock_wait(file, flags, most_ns != 0 && most_ns < ns ? most_ns : ns);
}

/* What there is, without taking it; where there is time, as much as is awaited. */
static int64_t peek(const struct file *file, const struct sock_data *to, uint64_t flags,
                    struct arrival *arrival)
{
	struct sock *sock = arrival->sock;
	int64_t n = sock_receive(sock, to, (int)flags, &arrival->origin);
	bool ended = (sock_poll(sock) & (POLLRDHUP | POLLERR)) != 0;

	if (n == -EAGAIN ||
	    (n > 0 && !ended && (uint64_t)n < sock_awaited(sock, (int)flags, sock_data_bytes(to))))
		return wait_received(file, flags, sock) == LINUX_WAIT ? LINUX_WAIT : n;
	return n;
}

/* Takes what there is, up to what is awaited. The last result; bytes are the task's progress. */
static int64_t take(const struct msghdr *message, uint64_t flags, enum use use,
                    struct sock_data *to, struct arrival *arrival)
{
	const struct sock_data whole = {.pieces = message->msg_iov, .n = message->msg_iovlen};
	uint64_t *progress = &task_self->progress;
	uint64_t awaited = sock_awaited(arrival->sock, (int)flags, sock_data_bytes(&whole));
	int64_t n;

	do {
		n = sock_receive(arrival->sock, to, (int)flags, &arrival->origin);
		to->skip = *progress += n > 0 ? (uint64_t)n : 0;
	} while (n > 0 && *progress < awaited && !arrival->origin.datagram && received.n == 0 &&
	         (n = show(message, use, to)) >= 0);
	return n == -EAGAIN && *progress >= awaited ? 0 : n;
}

/* Its list of pieces has been prepared. */
static int64_t receive_pieces(uint64_t fd, const struct msghdr *message, uint64_t flags,
                              struct arrival *arrival)
{
	struct sock_data to = {.skip = task_self->progress,
	                       .rights = message->msg_control != NULL ? &received : NULL};
	struct file *file;
	enum use use;
	int64_t result;

	arrival->sock = sock_of(fd, &file, &result);
	if (arrival->sock == NULL)
		return result;
	use = (flags & MSG_TRUNC) != 0 && arrival->sock->kind == SOCK_KIND_STREAM ? NOT_TOUCHED
	                                                                          : RECEIVED;
	received.n = 0;
	if (show(message, use, &to) < 0)
		return to.skip > 0 ? (int64_t)to.skip : -EFAULT;
	arrival->room = sock_data_bytes(&to);
	net_run();
	result = flags & MSG_PEEK ? peek(file, &to, flags, arrival)
	                          : take(message, flags, use, &to, arrival);
	net_run();
	if (result == -EAGAIN)
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

/* Local sockets have no error queue. */
static bool asks_for_errors(uint64_t fd, uint64_t flags)
{
	struct file *file;
	int64_t error;
	const struct sock *sock = sock_of(fd, &file, &error);

	return (flags & MSG_ERRQUEUE) != 0 && (sock == NULL || sock->kind != SOCK_KIND_LOCAL);
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

int64_t call_recvfrom(linux_regs *regs)
{
	struct iovec piece = {(void *)regs->rsi, regs->rdx};
	struct msghdr message = {.msg_iov = &piece, .msg_iovlen = 1};
	uint8_t address[ADDRESS_BYTES];
	struct arrival arrival;
	int64_t result;

	if (asks_for_errors(regs->rdi, regs->r10))
		return receive_errors(regs->rdi, &message);
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

/* `at`: where the program's struct msghdr is. */
static int64_t receive_message(uint64_t fd, uint64_t at, uint64_t flags)
{
	uint8_t address[ADDRESS_BYTES];
	struct msghdr message;
	struct arrival arrival;
	int64_t result;
	socklen_t size, room;

	if (copy_in(&message, at, sizeof(message)) < 0)
		return -EFAULT;
	result = prepare(message.msg_iov, message.msg_iovlen);
	if (result == 0 && message.msg_control != NULL &&
	    !vm_prepare((uintptr_t)message.msg_control, message.msg_controllen, true))
		result = -EFAULT;
	if (result == 0 && asks_for_errors(fd, flags)) {
		result = receive_errors(fd, &message);
		return result == 0 && copy_out(at, &message, sizeof(message)) < 0 ? -EFAULT
		                                                                  : result;
	}
	if (result == 0)
		result = receive_pieces(fd, &message, flags, &arrival);
	if (result < 0)
		return result;
	size = name_of(&arrival, address);
	room = size < message.msg_namelen ? size : message.msg_namelen;
	message.msg_namelen = size;
	message.msg_flags =
	        arrival.origin.datagram && arrival.origin.size > arrival.room ? MSG_TRUNC : 0;
	tell_beside(&message, &arrival, flags);
	if (message.msg_name != NULL && room > 0 &&
	    copy_out((uintptr_t)message.msg_name, address, room) < 0)
		return -EFAULT;
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

/* ---- As files ---- */

static bool is_socket(uint64_t fd)
{
	const struct file *file = fd_file((uint32_t)fd);

	return file != NULL && file->type == sock_file_type;
}

static int64_t read_pieces(uint64_t fd, struct iovec *pieces, uint64_t n)
{
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = n};
	struct arrival arrival;

	return receive_pieces(fd, &message, 0, &arrival);
}

static int64_t write_pieces(uint64_t fd, struct iovec *pieces, uint64_t n)
{
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = n};

	return send_message(fd, &message, 0);
}

/* Reading nothing takes nothing, not even a datagram. */
int64_t call_read(linux_regs *regs)
{
	struct iovec piece = {(void *)regs->rsi, regs->rdx};

	if (!is_socket(regs->rdi))
		return linux_read(regs);
	return regs->rdx == 0 ? 0 : read_pieces(regs->rdi, &piece, 1);
}

int64_t call_write(linux_regs *regs)
{
	struct iovec piece = {(void *)regs->rsi, regs->rdx};

	return is_socket(regs->rdi) ? write_pieces(regs->rdi, &piece, 1) : linux_write(regs);
}

int64_t call_readv(linux_regs *regs)
{
	struct iovec *pieces = (struct iovec *)regs->rsi;
	int error;

	if (!is_socket(regs->rdi))
		return linux_readv(regs);
	error = prepare(pieces, regs->rdx);
	if (error == 0)
		return read_pieces(regs->rdi, pieces, regs->rdx);
	return error == -EMSGSIZE ? -EINVAL : error;
}

int64_t call_writev(linux_regs *regs)
{
	struct iovec *pieces = (struct iovec *)regs->rsi;
	int error;

	if (!is_socket(regs->rdi))
		return linux_writev(regs);
	error = prepare(pieces, regs->rdx);
	if (error == 0)
		return write_pieces(regs->rdi, pieces, regs->rdx);
	return error == -EMSGSIZE ? -EINVAL : error;
}
