/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A program for Linux about sockets, built with the computer's own C library: each line that it
 * prints says what works. It is run on Linux itself, too, where all of it must. It needs 127.0.0.1
 * and ::1 and nothing else of a network.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sockets.h"

enum { TURNS = 200 };

static int failures;

void expect(int truth, const char *what)
{
	printf("sockets: %s: %s\n", what, truth ? "works" : "WRONG");
	fflush(stdout);
	failures += !truth;
}

pid_t forked(void)
{
	pid_t child = fork();

	if (child < 0) {
		expect(0, "fork");
		exit(1); /* what waits for the child would wait for ever */
	}
	return child;
}

int fails(ssize_t result, int error)
{
	return result == -1 && errno == error;
}

int wait_for(int fd, short events)
{
	struct pollfd one = {.fd = fd, .events = events};

	return poll(&one, 1, PATIENCE_MS) == 1 ? one.revents : 0;
}

/* ---- Local sockets ---- */

static socklen_t path_of(struct sockaddr_un *un, const char *path)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(un->sun_path, path);
	return sizeof(*un);
}

socklen_t abstract(struct sockaddr_un *un, const char *name)
{
	*un = (struct sockaddr_un){.sun_family = AF_UNIX};
	strcpy(un->sun_path + 1, name);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

ssize_t send_fd(int socket, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = {.header = {.cmsg_len = CMSG_LEN(sizeof(int)),
	                        .cmsg_level = SOL_SOCKET,
	                        .cmsg_type = SCM_RIGHTS}};
	struct iovec piece = {"fd", 2};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof(control)};

	memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	return sendmsg(socket, &message, 0);
}

static int receive_fd(int socket)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	char text[8];
	struct iovec piece = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = &control,
	                         .msg_controllen = sizeof(control)};
	int fd;

	if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 2 || CMSG_FIRSTHDR(&message) == NULL ||
	    control.header.cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	return fd;
}

/* A descriptor goes from a child to its parent, and is the last one of its file. */
static void try_rights(void)
{
	int ends[2], pipes[2], fd, status;
	char text[8] = "";
	pid_t child;

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	child = forked();
	if (child == 0) {
		if (pipe(pipes) < 0 || write(pipes[1], "inside", 6) != 6)
			_exit(1);
		_exit(send_fd(ends[1], pipes[0]) != 2);
	}
	waitpid(child, &status, 0);
	close(ends[1]);
	fd = receive_fd(ends[0]);
	expect(status == 0 && fd >= 0 && read(fd, text, sizeof(text)) == 6 &&
	               strcmp(text, "inside") == 0 && read(fd, text, sizeof(text)) == 0 &&
	               (fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0,
	       "a descriptor is passed");
	close(fd);
	close(ends[0]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	expect(fails(send_fd(ends[0], 1000), EBADF), "what is no descriptor is not");
	/* In a queue that nobody reads any more: the pipe ends. */
	if (pipe(pipes) == 0 && send_fd(ends[0], pipes[1]) == 2) {
		close(pipes[1]);
		close(ends[0]);
		close(ends[1]);
		expect(read(pipes[0], text, 1) == 0, "a descriptor that nobody took is closed");
	}
}

static void try_names(void)
{
	struct sockaddr_un un, found;
	socklen_t size = path_of(&un, "/tmp/name"), n = sizeof(found);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
	struct stat status;
	char text[8] = "";
	int end;

	unlink("/tmp/name");
	expect(fails(connect(client, (void *)&un, size), ENOENT), "no such name");
	expect(bind(listener, (void *)&un, size) == 0 && stat("/tmp/name", &status) == 0 &&
	               S_ISSOCK(status.st_mode) && fails(open("/tmp/name", O_RDONLY), ENXIO),
	       "a name is a file");
	expect(fails(bind(client, (void *)&un, size), EADDRINUSE) &&
	               fails(connect(client, (void *)&un, size), ECONNREFUSED),
	       "nobody listens yet");
	listen(listener, 1);
	if (chdir("/tmp") == 0)
		size = path_of(&un, "./name");
	expect(connect(client, (void *)&un, size) == 0 && wait_for(listener, POLLIN) == POLLIN,
	       "connecting by another path");
	end = accept(listener, NULL, NULL);
	expect(getpeername(client, (void *)&found, &n) == 0 &&
	               n == offsetof(struct sockaddr_un, sun_path) + 10 &&
	               strcmp(found.sun_path, "/tmp/name") == 0,
	       "the peer's name");
	expect(write(client, "abc", 3) == 3 && read(end, text, 8) == 3 &&
	               shutdown(end, SHUT_WR) == 0 && read(client, text, 8) == 0 &&
	               write(client, "d", 1) == 1,
	       "half of it is shut");
	close(end);
	signal(SIGPIPE, SIG_IGN);
	expect(fails(read(client, text, 1), ECONNRESET) && read(client, text, 1) == 0 &&
	               fails(write(client, "x", 1), EPIPE),
	       "a reset for what was not read, and EPIPE");
	signal(SIGPIPE, SIG_DFL);
	unlink("/tmp/name");
	close(client);
	close(listener);
}

static void try_local_datagrams(void)
{
	struct sockaddr_un to, from;
	socklen_t size = abstract(&to, "abstract"), n = sizeof(from);
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[8] = "";

	expect(fails(sendto(b, "x", 1, 0, (void *)&to, size), ECONNREFUSED), "an abstract name");
	(void)bind(a, (void *)&to, size);
	from.sun_family = AF_UNIX;
	(void)bind(b, (void *)&from, sizeof(sa_family_t));
	expect(sendto(b, "one", 3, 0, (void *)&to, size) == 3 &&
	               sendto(b, "", 0, 0, (void *)&to, size) == 0 &&
	               recvfrom(a, text, 2, MSG_TRUNC, (void *)&from, &n) == 3 &&
	               n == sizeof(sa_family_t) + 6 && from.sun_path[0] == 0 &&
	               recvfrom(a, text, 8, 0, NULL, NULL) == 0 &&
	               fails(recv(a, text, 8, MSG_DONTWAIT), EAGAIN),
	       "local datagrams and their senders");
	close(a);
	close(b);
}

static void try_records(void)
{
	int ends[2];
	char text[8];

	expect(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ends) == 0 && write(ends[0], "abc", 3) == 3 &&
	               write(ends[0], "de", 2) == 2 && read(ends[1], text, 2) == 2 &&
	               read(ends[1], text, 8) == 2,
	       "records");
	close(ends[0]);
	close(ends[1]);
}

/* ---- Datagrams ---- */

struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)port),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

int bound(int type, int port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, type, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(fd, (void *)&any, sizeof(any)) < 0)
		perror("bind");
	return fd;
}

static void try_packet_info(void)
{
	struct sockaddr_in to = loopback(PORT);
	int fd = bound(SOCK_DGRAM, PORT), from = socket(AF_INET, SOCK_DGRAM, 0);
	char text[8], control[128];
	struct iovec piece = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	struct cmsghdr *header;
	struct in_pktinfo info = {0};
	int ttl = 0;

	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &(int){1}, sizeof(int));
	setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &(int){1}, sizeof(int));
	sendto(from, "x", 1, 0, (void *)&to, sizeof(to));
	wait_for(fd, POLLIN);
	if (recvmsg(fd, &message, MSG_DONTWAIT) == 1)
		for (header = CMSG_FIRSTHDR(&message); header != NULL;
		     header = CMSG_NXTHDR(&message, header)) {
			if (header->cmsg_level != IPPROTO_IP)
				continue;
			if (header->cmsg_type == IP_PKTINFO)
				memcpy(&info, CMSG_DATA(header), sizeof(info));
			else if (header->cmsg_type == IP_TTL)
				memcpy(&ttl, CMSG_DATA(header), sizeof(ttl));
		}
	expect(info.ipi_addr.s_addr == htonl(INADDR_LOOPBACK) && ttl == 64,
	       "IP_PKTINFO, IP_RECVTTL");
	sendto(from, "x", 1, 0, (void *)&to, sizeof(to));
	wait_for(fd, POLLIN);
	message.msg_controllen = 20;
	expect(recvmsg(fd, &message, MSG_DONTWAIT) == 1 && (message.msg_flags & MSG_CTRUNC) != 0,
	       "too little room for control messages");
	close(fd);
	close(from);
}

static void try_packet_info6(void)
{
	struct sockaddr_in6 at = {.sin6_family = AF_INET6, .sin6_port = htons(PORT)};
	int fd = socket(AF_INET6, SOCK_DGRAM, 0), from = socket(AF_INET6, SOCK_DGRAM, 0);
	char text[8], control[64];
	struct iovec piece = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	struct in6_pktinfo info = {0};

	(void)bind(fd, (void *)&at, sizeof(at));
	at.sin6_addr = in6addr_loopback;
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &(int){1}, sizeof(int));
	sendto(from, "x", 1, 0, (void *)&at, sizeof(at));
	wait_for(fd, POLLIN);
	if (recvmsg(fd, &message, MSG_DONTWAIT) == 1 && CMSG_FIRSTHDR(&message) != NULL &&
	    CMSG_FIRSTHDR(&message)->cmsg_type == IPV6_PKTINFO)
		memcpy(&info, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(info));
	expect(memcmp(&info.ipi6_addr, &in6addr_loopback, 16) == 0, "IPV6_RECVPKTINFO");
	close(fd);
	close(from);
}

static void try_many(void)
{
	struct sockaddr_in to = loopback(PORT);
	int fd = bound(SOCK_DGRAM, PORT), from = socket(AF_INET, SOCK_DGRAM, 0);
	char text[4][8] = {"a", "bb", "ccc", "dddd"}, back[4][8];
	struct iovec out[4], in[4];
	struct mmsghdr sent[4] = {0}, got[4] = {0};
	int n = 0, more;

	for (int i = 0; i < 4; i++) {
		out[i] = (struct iovec){text[i], (size_t)i + 1};
		in[i] = (struct iovec){back[i], sizeof(back[i])};
		sent[i].msg_hdr = (struct msghdr){.msg_iov = &out[i],
		                                  .msg_iovlen = 1,
		                                  .msg_name = &to,
		                                  .msg_namelen = sizeof(to)};
		got[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
	}
	expect(sendmmsg(from, sent, 4, 0) == 4 && sent[3].msg_len == 4, "sendmmsg");
	while (n < 4 && wait_for(fd, POLLIN) &&
	       (more = recvmmsg(fd, got + n, (unsigned)(4 - n), MSG_DONTWAIT, NULL)) > 0)
		n += more;
	expect(n == 4 && got[0].msg_len == 1 && got[3].msg_len == 4 &&
	               memcmp(back[3], "dddd", 4) == 0,
	       "recvmmsg");
	expect(fails(recvmmsg(fd, got, 4, MSG_DONTWAIT, NULL), EAGAIN), "recvmmsg of nothing");
	close(fd);
	close(from);
}

/* Messages that come one by one, from a process that sends them later; recvmmsg waits for all. */
static void try_waiting_for_many(void)
{
	struct sockaddr_in to = loopback(PORT);
	int fd = bound(SOCK_DGRAM, PORT), from = socket(AF_INET, SOCK_DGRAM, 0);
	struct timespec none = {0, 0}, wrong = {0, 1000000000};
	struct mmsghdr got[4] = {0};
	struct iovec in[4];
	char back[4][8];

	for (int i = 0; i < 4; i++) {
		in[i] = (struct iovec){back[i], sizeof(back[i])};
		got[i].msg_hdr = (struct msghdr){.msg_iov = &in[i], .msg_iovlen = 1};
	}
	sendto(from, "first", 5, 0, (void *)&to, sizeof(to));
	if (forked() == 0) {
		for (int i = 0; i < 7; i++) {
			usleep(100000);
			sendto(from, "later", 5, 0, (void *)&to, sizeof(to));
		}
		_exit(0);
	}
	expect(recvmmsg(fd, got, 4, 0, NULL) == 4 && memcmp(back[3], "later", 5) == 0,
	       "recvmmsg that waits");
	expect(recvmmsg(fd, got, 4, MSG_WAITFORONE, NULL) == 1, "recvmmsg that waits for one");
	expect(recvmmsg(fd, got, 4, 0, &none) == 1, "recvmmsg without time");
	expect(fails(recvmmsg(fd, got, 4, 0, &wrong), EINVAL), "recvmmsg with no time at all");
	wait(NULL);
	close(fd);
	close(from);
}

/* ---- Streams ---- */

void connected(int ends[2])
{
	struct sockaddr_in to = loopback(PORT);
	int listener = bound(SOCK_STREAM, PORT);

	listen(listener, 4);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(ends[0], (void *)&to, sizeof(to)) < 0)
		perror("connect");
	ends[1] = accept(listener, NULL, NULL);
	close(listener);
}

void close_both(const int ends[2])
{
	close(ends[0]);
	close(ends[1]);
}

/* Connections are shared out among listeners of one port: each gets some of many. */
static void try_reuse_port(void)
{
	struct sockaddr_in to = loopback(PORT + 2);
	int fds[2], got[2] = {0, 0}, plain = socket(AF_INET, SOCK_STREAM, 0);

	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		setsockopt(fds[i], SOL_SOCKET, SO_REUSEPORT, &(int){1}, sizeof(int));
		fcntl(fds[i], F_SETFL, O_NONBLOCK);
		if (bind(fds[i], (void *)&to, sizeof(to)) < 0 || listen(fds[i], 32) < 0)
			perror("listen");
	}
	expect(fails(bind(plain, (void *)&to, sizeof(to)), EADDRINUSE),
	       "SO_REUSEPORT is for those who all say so");
	close(plain);
	for (int i = 0; i < 24; i++) {
		int client = socket(AF_INET, SOCK_STREAM, 0);

		if (connect(client, (void *)&to, sizeof(to)) < 0)
			perror("connect");
		for (int one, k = 0; k < 2; k++)
			if ((one = accept(fds[k], NULL, NULL)) >= 0) {
				got[k]++;
				close(one);
			}
		close(client);
	}
	expect(got[0] > 0 && got[1] > 0 && got[0] + got[1] == 24, "SO_REUSEPORT shares");
	close_both(fds);
}

static void try_epoll(void)
{
	int ends[2], epoll = epoll_create1(0);
	struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = 5};
	char text[8];

	connected(ends);
	epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event);
	if (write(ends[0], "ab", 2) != 2)
		perror("write");
	expect(epoll_wait(epoll, &event, 1, PATIENCE_MS) == 1 && event.data.u64 == 5 &&
	               epoll_wait(epoll, &event, 1, 0) == 0 && read(ends[1], text, 1) == 1 &&
	               epoll_wait(epoll, &event, 1, 0) == 0 && write(ends[0], "c", 1) == 1 &&
	               epoll_wait(epoll, &event, 1, PATIENCE_MS) == 1,
	       "EPOLLET");
	event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT};
	epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &event);
	expect(epoll_wait(epoll, &event, 1, PATIENCE_MS) == 1 && write(ends[0], "d", 1) == 1 &&
	               epoll_wait(epoll, &event, 1, 50) == 0,
	       "EPOLLONESHOT");
	event = (struct epoll_event){.events = EPOLLIN | EPOLLONESHOT};
	epoll_ctl(epoll, EPOLL_CTL_MOD, ends[1], &event);
	expect(epoll_wait(epoll, &event, 1, PATIENCE_MS) == 1 &&
	               fails(epoll_ctl(epoll, EPOLL_CTL_ADD, ends[1], &event), EEXIST) &&
	               epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], NULL) == 0 &&
	               fails(epoll_ctl(epoll, EPOLL_CTL_DEL, ends[1], NULL), ENOENT),
	       "EPOLLONESHOT armed again; EEXIST, ENOENT");
	close(epoll);
	close_both(ends);
}

/* close with SO_LINGER waits for what was written to arrive: so somebody has to have read. */
static void try_lingering(void)
{
	struct linger linger = {1, 30};
	static char text[65536];
	int ends[2], begun[2];
	ssize_t n = 0, got;
	struct pollfd has;

	connected(ends);
	if (pipe(begun) < 0)
		return;
	has = (struct pollfd){.fd = begun[0], .events = POLLIN};
	setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	while ((got = send(ends[0], text, sizeof(text), MSG_DONTWAIT)) > 0)
		n += got;
	if (forked() == 0) {
		close(ends[0]);
		(void)!write(begun[1], "c", 1);
		usleep(300000);
		(void)!write(begun[1], "r", 1);
		while ((got = read(ends[1], text, sizeof(text))) > 0)
			n -= got;
		_exit(n == 0 && got == 0 ? 7 : 1);
	}
	close(ends[1]);
	(void)!read(begun[0], text, 1); /* from here on it is the last one's to close */
	expect(close(ends[0]) == 0 && poll(&has, 1, 0) == 1, "close that lingers");
	expect(wait(&ends[1]) > 0 && WEXITSTATUS(ends[1]) == 7, "what it lingered for");
	close_both(begun);
}

/* Connecting by sending waits as connecting does. */
static void try_fast(void)
{
	struct sockaddr_in to = loopback(PORT);
	int listener = bound(SOCK_STREAM, PORT), fd = socket(AF_INET, SOCK_STREAM, 0), other;
	struct tcp_info info = {0};
	socklen_t size = sizeof(info);
	char back[8] = "";

	listen(listener, 4);
	expect(sendto(fd, "hello", 5, MSG_FASTOPEN, (void *)&to, sizeof(to)) == 5, "MSG_FASTOPEN");
	getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size);
	expect(info.tcpi_state == TCP_ESTABLISHED, "MSG_FASTOPEN that waits");
	other = accept(listener, NULL, NULL);
	expect(recv(other, back, 5, MSG_WAITALL) == 5 && strcmp(back, "hello") == 0,
	       "what it sent");
	close(listener);
	close(fd);
	close(other);
	to.sin_port = htons(PORT + 1);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	expect(fails(sendto(fd, "hello", 5, MSG_FASTOPEN, (void *)&to, sizeof(to)), ECONNREFUSED),
	       "MSG_FASTOPEN to nobody");
	close(fd);
}

static volatile sig_atomic_t pipes;

static void on_pipe(int signal)
{
	pipes++;
}

static void try_ends(void)
{
	int ends[2];
	char text[8];

	connected(ends);
	shutdown(ends[0], SHUT_WR);
	signal(SIGPIPE, on_pipe);
	expect(fails(write(ends[0], "x", 1), EPIPE) && pipes == 1 &&
	               fails(send(ends[0], "x", 1, MSG_NOSIGNAL), EPIPE) && pipes == 1,
	       "EPIPE and SIGPIPE");
	signal(SIGPIPE, SIG_DFL);
	expect((wait_for(ends[1], POLLIN | POLLRDHUP) & POLLRDHUP) != 0 &&
	               read(ends[1], text, 8) == 0 && write(ends[1], "back", 4) == 4 &&
	               read(ends[0], text, 8) == 4,
	       "the other half stays open");
	shutdown(ends[1], SHUT_WR);
	expect((wait_for(ends[0], POLLIN) & POLLIN) != 0 && read(ends[0], text, 8) == 0 &&
	               (wait_for(ends[0], POLLIN) & POLLHUP) != 0,
	       "both halves shut: POLLHUP");
	expect(fails(shutdown(socket(AF_INET, SOCK_STREAM, 0), SHUT_WR), ENOTCONN),
	       "shutdown of what is not connected");
	close_both(ends);
}

static void try_connecting(void)
{
	struct sockaddr_in to = loopback(PORT + 1), there = loopback(PORT);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), listener, error = 0, result;
	socklen_t size = sizeof(error);

	result = connect(fd, (void *)&to, sizeof(to));
	expect(result == -1 && (errno == EINPROGRESS || errno == ECONNREFUSED),
	       "connecting without waiting");
	if (errno == EINPROGRESS) {
		expect((wait_for(fd, POLLOUT) & (POLLERR | POLLHUP)) != 0, "refused, says poll");
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
		expect(error == ECONNREFUSED, "refused, says SO_ERROR");
	}
	close(fd);
	listener = bound(SOCK_STREAM, PORT);
	listen(listener, 1);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	(void)connect(fd, (void *)&there, sizeof(there));
	error = -1;
	expect(wait_for(fd, POLLOUT) == POLLOUT &&
	               getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0 &&
	               connect(fd, (void *)&there, sizeof(there)) == 0 &&
	               fails(connect(fd, (void *)&there, sizeof(there)), EISCONN),
	       "connected, says poll");
	close(fd);
	close(listener);
}

static void try_options(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0), value = 0, ends[2];
	socklen_t size = 2;
	struct tcp_info info;

	expect(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size) == 0 && size == 2 &&
	               value == SOCK_STREAM,
	       "an option cut short");
	size = sizeof(value);
	expect(fails(getsockopt(fd, IPPROTO_TCP, 9999, &value, &size), ENOPROTOOPT) &&
	               fails(getsockopt(fd, 9999, 1, &value, &size), EOPNOTSUPP) &&
	               fails(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 2), EINVAL) &&
	               fails(getsockopt(999, SOL_SOCKET, SO_TYPE, &value, &size), EBADF) &&
	               fails(getsockopt(fd, SOL_SOCKET, SO_TYPE, NULL, &size), EFAULT),
	       "options that are none");
	size = (socklen_t)-1;
	expect(fails(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &size), EINVAL),
	       "a negative size");
	close(fd);
	connected(ends);
	size = sizeof(info);
	expect(getsockopt(ends[0], IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
	               size == sizeof(info) && info.tcpi_state == TCP_ESTABLISHED,
	       "TCP_INFO");
	close_both(ends);
	socketpair(AF_UNIX, SOCK_DGRAM, 0, ends);
	size = sizeof(value);
	expect(getsockopt(ends[0], SOL_SOCKET, SO_TYPE, &value, &size) == 0 &&
	               value == SOCK_DGRAM &&
	               getsockopt(ends[0], SOL_SOCKET, SO_DOMAIN, &value, &size) == 0 &&
	               value == AF_UNIX,
	       "a local socket's options");
	close_both(ends);
}

/* A child and its parent take turns over TCP: each waits for what the other sent. */
static void try_turns(void)
{
	int ends[2], status = -1;
	char byte = 0;
	pid_t child;

	connected(ends);
	setsockopt(ends[0], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	setsockopt(ends[1], IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
	child = forked();
	if (child == 0) {
		for (int i = 0; i < TURNS; i++)
			if (read(ends[1], &byte, 1) != 1 || write(ends[1], &byte, 1) != 1)
				_exit(1);
		_exit(0);
	}
	for (int i = 0; i < TURNS; i++) {
		char sent = (char)i;

		if (write(ends[0], &sent, 1) != 1 || read(ends[0], &byte, 1) != 1 || byte != sent)
			break;
	}
	waitpid(child, &status, 0);
	expect(status == 0, "turns of parent and child");
	close_both(ends);
}

int main(void)
{
	try_rights();
	try_names();
	try_local_datagrams();
	try_records();
	try_packet_info();
	try_packet_info6();
	try_many();
	try_waiting_for_many();
	try_reuse_port();
	try_epoll();
	try_lingering();
	try_fast();
	try_ends();
	try_connecting();
	try_options();
	try_turns();
	try_ends_of_all();
	try_waits();
	printf("sockets: %s\n", failures == 0 ? "all is well" : "not all is well");
	return failures != 0;
}
