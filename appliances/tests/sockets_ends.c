/* SPDX-License-Identifier: BSD-2-Clause */
/* Of sockets.c: what is told of sockets that end, or are in the way: errors, bits of poll, names.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sockets.h"

enum { BULK = 4 << 20, TICK_US = 100000, FAMILY = 5 };

static void reset(int fd)
{
	struct linger now = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static int exit_of(pid_t child)
{
	int status = -1;

	waitpid(child, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* The error waits for the next call where this one has something to tell. */
static void try_late_errors(void)
{
	static char bulk[BULK];
	int ends[2];
	ssize_t n;
	pid_t child;

	connected(ends);
	child = forked();
	if (child == 0) {
		close(ends[0]);
		_exit(recv(ends[1], bulk, 100, MSG_WAITALL) == 3 &&
		                      fails(recv(ends[1], bulk, 100, 0), ECONNRESET)
		              ? 7
		              : 1);
	}
	close(ends[1]);
	(void)!write(ends[0], "abc", 3);
	usleep(2 * TICK_US);
	reset(ends[0]);
	expect(exit_of(child) == 7, "a reset behind what MSG_WAITALL gave");
	connected(ends);
	child = forked();
	if (child == 0) {
		close(ends[0]);
		usleep(2 * TICK_US);
		reset(ends[1]);
		_exit(7);
	}
	close(ends[1]);
	n = write(ends[0], bulk, sizeof(bulk));
	expect(n > 0 && n < (ssize_t)sizeof(bulk) && fails(write(ends[0], "x", 1), ECONNRESET),
	       "a reset behind what was written");
	expect(exit_of(child) == 7 &&
	               fails(getpeername(ends[0], (void *)bulk, &(socklen_t){16}), ENOTCONN),
	       "no peer is left");
	close(ends[0]);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int signal)
{
	pipes++;
}

/* SIGPIPE is for streams. */
static void try_no_signal(void)
{
	struct sockaddr_in to = loopback(PORT);
	int ends[2], fd = socket(AF_INET, SOCK_DGRAM, 0);

	signal(SIGPIPE, on_pipe);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	close(ends[1]);
	expect(fails(send(ends[0], "x", 1, 0), EPIPE) && pipes == 0, "EPIPE of records");
	(void)connect(fd, (void *)&to, sizeof(to));
	shutdown(fd, SHUT_WR);
	expect(fails(send(fd, "x", 1, 0), EPIPE) && pipes == 0, "EPIPE of datagrams");
	signal(SIGPIPE, SIG_DFL);
	close(ends[0]);
	close(fd);
}

static int now(int fd)
{
	struct pollfd one = {.fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP};

	return poll(&one, 1, 0) >= 0 ? one.revents : -1;
}

static void try_shut(void)
{
	struct sockaddr_in to = loopback(PORT);
	int ends[2], fd = socket(AF_INET, SOCK_DGRAM, 0);
	char text[8];

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	shutdown(ends[1], SHUT_RDWR);
	expect(now(ends[0]) == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP),
	       "the other end shut both ways");
	close_both(ends);
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	expect(write(ends[0], "abc", 3) == 3 && shutdown(ends[1], SHUT_RD) == 0 &&
	               read(ends[1], text, 8) == 3 && read(ends[1], text, 8) == 0,
	       "what had come before can be read");
	close_both(ends);
	(void)connect(fd, (void *)&to, sizeof(to));
	expect(shutdown(fd, SHUT_RD) == 0 && now(fd) == (POLLIN | POLLOUT | POLLRDHUP) &&
	               shutdown(fd, SHUT_WR) == 0 &&
	               now(fd) == (POLLIN | POLLOUT | POLLRDHUP | POLLHUP),
	       "datagrams are shut");
	close(fd);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends);
	expect(write(ends[0], "abc", 3) == 3 && write(ends[0], "de", 2) == 2 &&
	               ioctl(ends[1], FIONREAD, &fd) == 0 && fd == 5,
	       "FIONREAD counts all records");
	close_both(ends);
}

/* Who accepts is let go. */
static void try_shut_listener(void)
{
	struct sockaddr_un un;
	socklen_t size = abstract(&un, "shut");
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), fd = socket(AF_UNIX, SOCK_STREAM, 0);
	pid_t child;

	(void)bind(listener, (void *)&un, size);
	listen(listener, 1);
	child = forked();
	if (child == 0)
		_exit(fails(accept(listener, NULL, NULL), EINVAL) ? 7 : 1);
	usleep(TICK_US);
	expect(shutdown(listener, SHUT_RDWR) == 0 && exit_of(child) == 7,
	       "a listener that is shut lets accept go");
	expect(fails(connect(fd, (void *)&un, size), ECONNREFUSED), "and nobody in");
	close(listener);
	close(fd);
}

/* A server's children live side by side, and each gives back what it had when it ends. */
static void try_families(void)
{
	pid_t children[FAMILY];
	int ends[2], status, well = 0;
	char byte;

	(void)!pipe(ends);
	for (int i = 0; i < FAMILY; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			close(ends[1]);
			_exit(read(ends[0], &byte, 1) == 0 ? 7 : 1);
		}
	}
	close_both(ends);
	for (int i = 0; i < FAMILY; i++)
		well += children[i] > 0 && exit_of(children[i]) == 7;
	expect(well == FAMILY, "children at once");
	for (int i = 0; i < 4 * FAMILY; i++) {
		pid_t child = fork();

		if (child == 0)
			_exit(0);
		well += child > 0 && wait(&status) == child;
	}
	expect(well == 5 * FAMILY, "children one after another");
}

/* ---- Names ---- */

static int port_of(int fd, unsigned *address)
{
	struct sockaddr_in in = {0};
	socklen_t size = sizeof(in);

	getsockname(fd, (void *)&in, &size);
	*address = ntohl(in.sin_addr.s_addr);
	return ntohs(in.sin_port);
}

static void try_bound(void)
{
	struct sockaddr_in any = loopback(0), to = loopback(PORT);
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	int fd = socket(AF_INET, SOCK_STREAM, 0), port;
	unsigned address;

	(void)bind(fd, (void *)&any, sizeof(any));
	port = port_of(fd, &address);
	expect(port != 0 && listen(fd, 1) == 0 && port_of(fd, &address) == port,
	       "a port is chosen when it is bound");
	close(fd);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	any = loopback(PORT + 3);
	(void)bind(fd, (void *)&any, sizeof(any));
	(void)connect(fd, (void *)&to, sizeof(to));
	expect(connect(fd, &none, sizeof(none)) == 0 && port_of(fd, &address) == PORT + 3 &&
	               address == INADDR_LOOPBACK,
	       "who was bound to an address stays there");
	close(fd);
}

/* ---- Descriptors ---- */

/* What can't be accepted now waits. */
static void try_no_descriptor(void)
{
	struct rlimit limit = {128, 128};
	struct sockaddr_in to = loopback(PORT);
	int listener = bound(SOCK_STREAM, PORT), fd = socket(AF_INET, SOCK_STREAM, 0), last = -1, n;
	char text[8];

	setrlimit(RLIMIT_NOFILE, &limit);
	listen(listener, 1);
	(void)connect(fd, (void *)&to, sizeof(to));
	while ((n = dup(fd)) >= 0)
		last = n;
	expect(fails(accept(listener, NULL, NULL), EMFILE), "accept without a descriptor");
	close(last);
	n = accept(listener, NULL, NULL);
	expect(n == last && write(n, "x", 1) == 1 && recv(fd, text, 8, 0) == 1, "and with one");
	for (; n > fd; n--)
		close(n);
	close(fd);
	close(listener);
}

static void try_again_listening(void)
{
	struct sockaddr_in to = loopback(PORT);
	int listener = bound(SOCK_STREAM, PORT), fds[4], got = 0;

	listen(listener, 0);
	listen(listener, 8);
	for (int i = 0; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(fds[i], (void *)&to, sizeof(to));
	}
	usleep(3 * TICK_US);
	for (int i = 0; i < 4; i++) {
		got += now(fds[i]) == POLLOUT;
		close(fds[i]);
	}
	expect(got == 4, "a backlog that is changed");
	close(listener);
}

/* A descriptor came, and the name has no place: it is there all the same. */
static void try_received(void)
{
	struct sockaddr_un un;
	socklen_t size = abstract(&un, "sender");
	char text[8], control[CMSG_SPACE(sizeof(int))];
	struct iovec piece = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_name = (void *)16,
	                         .msg_namelen = sizeof(un),
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	int to = socket(AF_UNIX, SOCK_DGRAM, 0), from = socket(AF_UNIX, SOCK_DGRAM, 0), next;

	(void)bind(from, (void *)&un, size);
	size = abstract(&un, "receiver");
	(void)bind(to, (void *)&un, size);
	(void)connect(from, (void *)&un, size);
	next = dup(to);
	close(next);
	expect(send_fd(from, to) == 2 && fails(recvmsg(to, &message, 0), EFAULT) &&
	               fcntl(next, F_GETFD) >= 0,
	       "a descriptor whose sender's name has no place");
	close(next);
	piece.iov_len = 2;
	message.msg_name = NULL;
	expect(send(from, "long", 4, 0) == 4 && recvmsg(to, &message, MSG_TRUNC) == 4 &&
	               (message.msg_flags & MSG_TRUNC) != 0,
	       "MSG_TRUNC asked for is told, too");
	close(to);
	close(from);
}

static void try_range(void)
{
	int fd = dup(0);

	expect(syscall(SYS_close_range, fd, ~0u, CLOSE_RANGE_CLOEXEC) == 0 &&
	               fcntl(fd, F_GETFD) == FD_CLOEXEC &&
	               syscall(SYS_close_range, fd, ~0u, 0) == 0 &&
	               fails(fcntl(fd, F_GETFD), EBADF) &&
	               fails(syscall(SYS_close_range, 5, 4, 0), EINVAL),
	       "a range of descriptors is marked, closed");
}

/* The network's last address, which both know that the program runs on. */
static void try_broadcast(void)
{
	struct sockaddr_in all = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	inet_pton(AF_INET, "10.51.0.255", &all.sin_addr);
	expect(fails(sendto(fd, "all", 3, 0, (void *)&all, sizeof(all)), EACCES) &&
	               fails(connect(fd, (void *)&all, sizeof(all)), EACCES),
	       "a broadcast is asked for");
	setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &(int){1}, sizeof(int));
	expect(sendto(fd, "all", 3, 0, (void *)&all, sizeof(all)) == 3 &&
	               connect(fd, (void *)&all, sizeof(all)) == 0 && write(fd, "all", 3) == 3,
	       "and then sent");
	close(fd);
}

static void try_no_patience(void)
{
	struct timeval none = {.tv_sec = -1}, odd = {.tv_usec = 1000000};
	int fd = bound(SOCK_DGRAM, PORT);
	char byte;

	expect(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)) == 0 &&
	               fails(recv(fd, &byte, 1, 0), EAGAIN),
	       "SO_RCVTIMEO below nothing");
	expect(fails(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &odd, sizeof(odd)), EDOM),
	       "a time that is none");
	close(fd);
}

void try_ends_of_all(void)
{
	try_late_errors();
	try_no_signal();
	try_shut();
	try_shut_listener();
	try_families();
	try_broadcast();
	try_no_patience();
	try_bound();
	try_again_listening();
	try_received();
	try_range();
	try_no_descriptor();
}
