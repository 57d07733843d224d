/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The shared library, as a packet-script driver uses it; and two nets that talk to each other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/ioctl.h>

#include <cmocka.h>
#include <sluice/tcp_host.h>

enum { PORT = 8080, PACKET = 2048, MS = 1000000 };

struct pair {
	struct sluice_net *client, *server;
	uint64_t now;
	uint32_t delay_ns;
	unsigned packets;
};

static struct sockaddr_in address_of(const char *text, uint16_t port)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

	assert_int_equal(inet_pton(AF_INET, text, &in.sin_addr), 1);
	return in;
}

static struct pair open_pair(void)
{
	struct sluice_net_options options = sluice_net_options_default();
	struct pair pair = {.now = 0};

	options.seed = 1;
	options.address4 = "192.0.2.1";
	pair.client = sluice_net_open(&options);
	options.seed = 2;
	options.address4 = "192.0.2.2";
	pair.server = sluice_net_open(&options);
	assert_non_null(pair.client);
	assert_non_null(pair.server);
	return pair;
}

static void close_pair(struct pair *pair)
{
	sluice_net_close(pair->client);
	sluice_net_close(pair->server);
}

/* What one sent goes to the other. */
static unsigned carry(struct pair *pair, struct sluice_net *from, struct sluice_net *to)
{
	uint8_t packet[PACKET];
	unsigned n = 0;
	size_t size;

	while ((size = sluice_net_output(from, packet, sizeof(packet), NULL))) {
		assert_int_equal(sluice_net_input(to, packet, size), 0);
		n++;
	}
	pair->packets += n;
	return n;
}

/* Runs both for a while, in steps of a millisecond. */
static void run(struct pair *pair, unsigned ms)
{
	for (unsigned i = 0; i < ms; i++) {
		pair->now += MS;
		sluice_net_advance(pair->client, pair->now);
		sluice_net_advance(pair->server, pair->now);
		while (carry(pair, pair->client, pair->server) +
		       carry(pair, pair->server, pair->client))
			;
	}
}

static int listen_at(struct sluice_net *net, uint16_t port)
{
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = sluice_socket(net, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 3);
	assert_int_equal(sluice_bind(net, fd, (struct sockaddr *)&any, sizeof(any)), 0);
	assert_int_equal(sluice_listen(net, fd, 5), 0);
	return fd;
}

struct ends {
	int listener, client, server;
};

static struct ends connect_pair(struct pair *pair)
{
	struct sockaddr_in to = address_of("192.0.2.2", PORT);
	struct ends ends = {.listener = listen_at(pair->server, PORT)};

	ends.client = sluice_socket(pair->client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(
	        sluice_connect(pair->client, ends.client, (struct sockaddr *)&to, sizeof(to)), -1);
	assert_int_equal(errno, EINPROGRESS);
	assert_int_equal(sluice_accept(pair->server, ends.listener, NULL, NULL), -1);
	assert_int_equal(errno, EAGAIN);
	run(pair, 5);
	ends.server = sluice_accept(pair->server, ends.listener, NULL, NULL);
	assert_true(ends.server > ends.listener);
	assert_int_equal(sluice_fcntl(pair->server, ends.server, F_SETFL, O_NONBLOCK), 0);
	return ends;
}

static void test_conversation(void **state)
{
	struct pair pair = open_pair();
	struct ends ends = connect_pair(&pair);
	char text[64];
	int waiting = 0;

	assert_int_equal(sluice_write(pair.client, ends.client, "hello", 5), 5);
	assert_int_equal(sluice_read(pair.server, ends.server, text, sizeof(text)), -1);
	assert_int_equal(errno, EAGAIN);
	run(&pair, 3);
	assert_int_equal(sluice_ioctl(pair.server, ends.server, FIONREAD, &waiting), 0);
	assert_int_equal(waiting, 5);
	assert_int_equal(sluice_recv(pair.server, ends.server, text, 3, MSG_PEEK), 3);
	assert_int_equal(sluice_read(pair.server, ends.server, text, sizeof(text)), 5);
	assert_memory_equal(text, "hello", 5);
	assert_int_equal(sluice_shutdown(pair.client, ends.client, SHUT_WR), 0);
	run(&pair, 3);
	assert_int_equal(sluice_read(pair.server, ends.server, text, sizeof(text)), 0);
	assert_int_equal(sluice_close(pair.server, ends.server), 0);
	run(&pair, 100);
	assert_int_equal(sluice_read(pair.client, ends.client, text, sizeof(text)), 0);
	assert_int_equal(sluice_write(pair.client, ends.client, "x", 1), -1);
	assert_int_equal(errno, EPIPE);
	assert_int_equal(sluice_close(pair.client, ends.client), 0);
	assert_int_equal(sluice_close(pair.client, ends.client), -1);
	assert_int_equal(errno, EBADF);
	close_pair(&pair);
}

static void test_bulk_arrives_whole(void **state)
{
	enum { SIZE = 3000000 };
	struct pair pair = open_pair();
	struct ends ends = connect_pair(&pair);
	uint8_t *sent = malloc(SIZE), *got = malloc(SIZE);
	size_t put = 0, taken = 0;

	for (size_t i = 0; i < SIZE; i++)
		sent[i] = (uint8_t)(i * 7 + i / 1000);
	for (int step = 0; taken < SIZE; step++) {
		ssize_t n = sluice_send(pair.client, ends.client, sent + put, SIZE - put, 0);
		if (n > 0)
			put += (size_t)n;
		run(&pair, 1);
		while ((n = sluice_recv(pair.server, ends.server, got + taken, SIZE - taken, 0)) >
		       0)
			taken += (size_t)n;
		assert_true(step < 100000);
	}
	assert_memory_equal(sent, got, SIZE);
	free(sent);
	free(got);
	close_pair(&pair);
}

static void test_options(void **state)
{
	struct pair pair = open_pair();
	struct ends ends = connect_pair(&pair);
	struct tcp_info info;
	socklen_t size = sizeof(info);
	int value = 1;
	char name[16];

	assert_int_equal(
	        sluice_getsockopt(pair.client, ends.client, IPPROTO_TCP, TCP_INFO, &info, &size),
	        0);
	assert_int_equal(info.tcpi_state, 1);
	assert_int_equal(info.tcpi_snd_cwnd, 10);
	assert_int_equal(info.tcpi_snd_mss, 1448);
	assert_true(info.tcpi_options & TCPI_OPT_TIMESTAMPS);
	size = sizeof(value);
	assert_int_equal(
	        sluice_setsockopt(pair.client, ends.client, IPPROTO_TCP, TCP_NODELAY, &value, size),
	        0);
	value = 5000;
	assert_int_equal(
	        sluice_setsockopt(pair.client, ends.client, SOL_SOCKET, SO_SNDBUF, &value, size),
	        0);
	assert_int_equal(
	        sluice_getsockopt(pair.client, ends.client, SOL_SOCKET, SO_SNDBUF, &value, &size),
	        0);
	assert_int_equal(value, 10000);
	assert_int_equal(
	        sluice_setsockopt(pair.client, ends.client, IPPROTO_TCP, TCP_CONGESTION, "reno", 4),
	        0);
	size = sizeof(name);
	assert_int_equal(sluice_getsockopt(pair.client, ends.client, IPPROTO_TCP, TCP_CONGESTION,
	                                   name, &size),
	                 0);
	assert_string_equal(name, "reno");
	assert_int_equal(sluice_setsockopt(pair.client, ends.client, IPPROTO_TCP, 9999, &value, 4),
	                 -1);
	assert_int_equal(errno, ENOPROTOOPT);
	close_pair(&pair);
}

static void test_refused(void **state)
{
	struct sockaddr_in to = address_of("192.0.2.2", 81);
	struct pair pair = open_pair();
	int error = 0, fd = sluice_socket(pair.client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(error);

	assert_int_equal(sluice_connect(pair.client, fd, (struct sockaddr *)&to, sizeof(to)), -1);
	run(&pair, 3);
	struct pollfd poll_for = {.fd = fd, .events = POLLOUT};
	assert_int_equal(sluice_poll(pair.client, &poll_for, 1, 0), 1);
	assert_true(poll_for.revents & POLLERR);
	assert_int_equal(sluice_getsockopt(pair.client, fd, SOL_SOCKET, SO_ERROR, &error, &size),
	                 0);
	assert_int_equal(error, ECONNREFUSED);
	close_pair(&pair);
}

/* The first packets of a connection, twice: the same to the byte. */
static void test_deterministic(void **state)
{
	struct sockaddr_in to = address_of("192.0.2.2", PORT);
	uint8_t packets[2][PACKET];
	size_t sizes[2];

	for (int i = 0; i < 2; i++) {
		struct sluice_net *net = sluice_net_open(NULL);
		int fd = sluice_socket(net, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		uint64_t at = 1;
		(void)sluice_connect(net, fd, (struct sockaddr *)&to, sizeof(to));
		sizes[i] = sluice_net_output(net, packets[i], PACKET, &at);
		assert_int_equal(at, 0);
		sluice_net_advance(net, 1500ull * MS);
		assert_true(sluice_net_output(net, packets[i] + 1000, 1000, &at) > 0);
		assert_int_equal(at, 1000ull * MS); /* RTO of a SYN (RFC 6298) */
		sluice_net_close(net);
	}
	assert_int_equal(sizes[0], 60); /* IP, TCP, 20 bytes of options */
	assert_int_equal(sizes[0], sizes[1]);
	assert_memory_equal(packets[0], packets[1], sizes[0]);
	/* MSS, SACK permitted, timestamps, NOP, window scale: Linux's order */
	assert_int_equal(packets[0][40], 2);
	assert_int_equal(packets[0][44], 4);
	assert_int_equal(packets[0][46], 8);
	assert_int_equal(packets[0][56], 1);
	assert_int_equal(packets[0][57], 3);
}

static void *accept_and_read(void *context)
{
	struct pair *pair = context;
	static char text[8];
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	int fd = sluice_socket(pair->server, AF_INET, SOCK_STREAM, 0);

	if (sluice_bind(pair->server, fd, (struct sockaddr *)&any, sizeof(any)) ||
	    sluice_listen(pair->server, fd, 1))
		return NULL;
	int got = sluice_accept(pair->server, fd, NULL, NULL);
	return got >= 0 && sluice_recv(pair->server, got, text, 4, MSG_WAITALL) == 4 ? text : NULL;
}

static void test_blocking_calls(void **state)
{
	struct sockaddr_in to = address_of("192.0.2.2", PORT);
	struct pair pair = open_pair();
	pthread_t thread;
	void *text = NULL;
	int fd = sluice_socket(pair.client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), error;

	assert_int_equal(pthread_create(&thread, NULL, accept_and_read, &pair), 0);
	for (int i = 0; i < 100000; i++) {
		error = sluice_connect(pair.client, fd, (struct sockaddr *)&to, sizeof(to));
		run(&pair, 1);
		struct pollfd poll_for = {.fd = fd, .events = POLLOUT};
		(void)sluice_poll(pair.client, &poll_for, 1, 0);
		if (!error || errno == EISCONN ||
		    (poll_for.revents & (POLLOUT | POLLERR)) == POLLOUT)
			break;
		if (poll_for.revents & POLLERR) { /* nobody listened yet */
			(void)sluice_close(pair.client, fd);
			fd = sluice_socket(pair.client, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		}
	}
	assert_int_equal(sluice_write(pair.client, fd, "ab", 2), 2);
	run(&pair, 2);
	assert_int_equal(sluice_write(pair.client, fd, "cd", 2), 2);
	run(&pair, 50);
	assert_int_equal(pthread_join(thread, &text), 0);
	assert_non_null(text);
	assert_memory_equal(text, "abcd", 4);
	close_pair(&pair);
}

static void *blocked(void *context)
{
	struct sluice_net *net = context;
	int fd = sluice_socket(net, AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = address_of("192.0.2.9", PORT);
	intptr_t status = sluice_connect(net, fd, (struct sockaddr *)&to, sizeof(to));

	return (void *)(status < 0 ? (intptr_t)errno : 0);
}

static void test_closing_wakes(void **state)
{
	struct sluice_net *net = sluice_net_open(NULL);
	pthread_t thread;
	uint8_t packet[PACKET];
	void *error;

	assert_int_equal(pthread_create(&thread, NULL, blocked, net), 0);
	while (!sluice_net_output(net, packet, sizeof(packet), NULL))
		;
	sluice_net_close(net);
	assert_int_equal(pthread_join(thread, &error), 0);
	assert_int_equal((intptr_t)error, ECANCELED);
}

static void test_garbage(void **state)
{
	struct sluice_net *net = sluice_net_open(NULL);
	uint8_t packet[100];
	uint32_t seed = 1;

	(void)listen_at(net, PORT);
	for (int i = 0; i < 200000; i++) {
		size_t size = (seed = seed * 1103515245 + 12345) >> 16 & 63;
		for (size_t k = 0; k < size; k++)
			packet[k] = (uint8_t)((seed = seed * 1103515245 + 12345) >> 16);
		if (size && i % 2)
			packet[0] = i % 4 == 1 ? 0x45 : 0x60;
		(void)sluice_net_input(net, packet, size);
		while (sluice_net_output(net, packet, sizeof(packet), NULL))
			;
	}
	sluice_net_close(net);
}

static void test_packetdrill_table(void **state)
{
	void *self = dlopen(NULL, RTLD_NOW);
	void (*init)(const char *, void **) =
	        (void (*)(const char *, void **))dlsym(self, "packetdrill_interface_init");
	void *table[34] = {0};

	assert_non_null(init);
	init("local=192.0.2.7,seed=5", table);
	for (int i = 0; i < 33; i++)
		assert_non_null(table[i]);
	((void (*)(void *))table[1])(table[0]);
	dlclose(self);
}

/* ---- Datagrams ---- */

static int datagram_at(struct sluice_net *net, const char *address, uint16_t port)
{
	struct sockaddr_in in = address_of(address, port);
	int fd = sluice_socket(net, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 3);
	assert_int_equal(sluice_bind(net, fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static void test_datagrams(void **state)
{
	struct pair pair = open_pair();
	int server = datagram_at(pair.server, "0.0.0.0", 53);
	int client = sluice_socket(pair.client, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in to = address_of("192.0.2.2", 53), from;
	socklen_t size = sizeof(from);
	char text[64];

	assert_int_equal(sluice_recv(pair.server, server, text, sizeof(text), 0), -1);
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(sluice_send(pair.client, client, "x", 1, 0), -1);
	assert_int_equal(errno, EDESTADDRREQ);
	assert_int_equal(sluice_sendto(pair.client, client, "question", 8, 0,
	                               (struct sockaddr *)&to, sizeof(to)),
	                 8);
	assert_int_equal(
	        sluice_sendto(pair.client, client, "", 0, 0, (struct sockaddr *)&to, sizeof(to)),
	        0);
	run(&pair, 2);
	assert_int_equal(sluice_recvfrom(pair.server, server, text, 4, MSG_TRUNC,
	                                 (struct sockaddr *)&from, &size),
	                 8);
	assert_memory_equal(text, "ques", 4);
	assert_int_equal(from.sin_addr.s_addr, inet_addr("192.0.2.1"));
	assert_int_equal(sluice_recv(pair.server, server, text, sizeof(text), 0), 0);
	assert_int_equal(
	        sluice_sendto(pair.server, server, "answer", 6, 0, (struct sockaddr *)&from, size),
	        6);
	run(&pair, 2);
	assert_int_equal(sluice_recv(pair.client, client, text, sizeof(text), MSG_PEEK), 6);
	assert_int_equal(sluice_recv(pair.client, client, text, sizeof(text), 0), 6);
	assert_memory_equal(text, "answer", 6);
	close_pair(&pair);
}

/* 20,000 bytes go in fragments and come as one; what is too long for any datagram is refused. */
static void test_long_datagrams(void **state)
{
	enum { LONG = 20000 };
	static uint8_t sent[70000], got[LONG];
	struct pair pair = open_pair();
	int server = datagram_at(pair.server, "192.0.2.2", 7);
	int client = datagram_at(pair.client, "0.0.0.0", 0);
	struct sockaddr_in to = address_of("192.0.2.2", 7);
	struct iovec halves[2] = {{got, LONG / 2}, {got + LONG / 2, LONG / 2}};
	struct msghdr message = {.msg_iov = halves, .msg_iovlen = 2};

	for (unsigned i = 0; i < LONG; i++)
		sent[i] = (uint8_t)(i * 7);
	assert_int_equal(sluice_sendto(pair.client, client, sent, LONG, 0, (struct sockaddr *)&to,
	                               sizeof(to)),
	                 LONG);
	run(&pair, 2);
	assert_int_equal(sluice_recvmsg(pair.server, server, &message, 0), LONG);
	assert_memory_equal(sent, got, LONG);
	assert_int_equal(sluice_sendto(pair.client, client, sent, 65508, 0, (struct sockaddr *)&to,
	                               sizeof(to)),
	                 -1);
	assert_int_equal(errno, EMSGSIZE);
	close_pair(&pair);
}

/* Nobody listens: who is connected hears of it, once. */
static void test_refused_datagrams(void **state)
{
	struct pair pair = open_pair();
	int fd = sluice_socket(pair.client, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in to = address_of("192.0.2.2", 9), name;
	struct pollfd look = {.fd = fd, .events = POLLIN};
	socklen_t size = sizeof(name);
	char byte;

	assert_int_equal(sluice_connect(pair.client, fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(sluice_getsockname(pair.client, fd, (struct sockaddr *)&name, &size), 0);
	assert_int_equal(name.sin_addr.s_addr, inet_addr("192.0.2.1"));
	assert_true(name.sin_port != 0);
	assert_int_equal(sluice_send(pair.client, fd, "x", 1, 0), 1);
	run(&pair, 2);
	assert_int_equal(sluice_poll(pair.client, &look, 1, 0), 1);
	assert_true(look.revents & POLLERR);
	assert_int_equal(sluice_recv(pair.client, fd, &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNREFUSED);
	assert_int_equal(sluice_recv(pair.client, fd, &byte, 1, 0), -1);
	assert_int_equal(errno, EAGAIN);
	close_pair(&pair);
}

/* A reader that never reads: memory is bounded, and the newest are dropped. */
static void test_bounded_queue(void **state)
{
	struct pair pair = open_pair();
	int server = datagram_at(pair.server, "192.0.2.2", 7), small = 4096;
	int client = datagram_at(pair.client, "0.0.0.0", 0), got = 0;
	struct sockaddr_in to = address_of("192.0.2.2", 7);
	char byte;

	assert_int_equal(sluice_setsockopt(pair.server, server, SOL_SOCKET, SO_RCVBUF, &small,
	                                   sizeof(small)),
	                 0);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(sluice_sendto(pair.client, client, &i, 1, 0,
		                               (struct sockaddr *)&to, sizeof(to)),
		                 1);
	run(&pair, 2);
	for (; sluice_recv(pair.server, server, &byte, 1, 0) == 1; got++)
		assert_int_equal(byte, got);
	assert_int_equal(got,
	                 4); /* 8,192 bytes of memory, as Linux doubles it, in blocks of 2,048 */
	close_pair(&pair);
}

/* ---- epoll ---- */

static uint32_t ready(struct sluice_net *net, int set)
{
	struct epoll_event event;
	int n = sluice_epoll_wait(net, set, &event, 1, 0);

	assert_true(n >= 0);
	return n == 0 ? 0 : event.events;
}

static void arrives(struct pair *pair, const struct ends *ends)
{
	assert_int_equal(sluice_send(pair->client, ends->client, "ab", 2, 0), 2);
	run(pair, 2);
}

static void test_epoll(void **state)
{
	struct pair pair = open_pair();
	struct ends ends = connect_pair(&pair);
	struct epoll_event level = {.events = EPOLLIN}, edge = {.events = EPOLLIN | EPOLLET},
	                   once = {.events = EPOLLIN | EPOLLONESHOT};
	struct sluice_net *net = pair.server;
	int set = sluice_epoll_create(net);
	char text[8];

	assert_int_equal(sluice_epoll_ctl(net, set, EPOLL_CTL_MOD, ends.server, &level), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(sluice_epoll_ctl(net, set, EPOLL_CTL_ADD, ends.server, &level), 0);
	assert_int_equal(sluice_epoll_ctl(net, set, EPOLL_CTL_ADD, ends.server, &level), -1);
	assert_int_equal(errno, EEXIST);
	assert_int_equal(sluice_epoll_ctl(net, ends.server, EPOLL_CTL_ADD, set, &level), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ready(net, set), 0);
	arrives(&pair, &ends);
	assert_int_equal(ready(net, set), EPOLLIN);
	assert_int_equal(ready(net, set), EPOLLIN); /* by level: as long as it holds */
	assert_int_equal(sluice_epoll_ctl(net, set, EPOLL_CTL_MOD, ends.server, &edge), 0);
	assert_int_equal(ready(net, set), EPOLLIN);
	assert_int_equal(ready(net, set), 0); /* by edge: once … */
	arrives(&pair, &ends);
	assert_int_equal(ready(net, set), EPOLLIN); /* … for each piece of news */
	assert_int_equal(sluice_epoll_ctl(net, set, EPOLL_CTL_MOD, ends.server, &once), 0);
	assert_int_equal(ready(net, set), EPOLLIN);
	arrives(&pair, &ends);
	assert_int_equal(ready(net, set), 0); /* once: until it is armed again */
	assert_int_equal(sluice_recv(net, ends.server, text, sizeof(text), 0), 6);
	assert_int_equal(sluice_epoll_ctl(net, set, EPOLL_CTL_MOD, ends.server, &once), 0);
	assert_int_equal(ready(net, set), 0);
	assert_int_equal(sluice_close(net, ends.server), 0); /* goes out of the set by itself */
	assert_int_equal(ready(net, set), 0);
	assert_int_equal(sluice_close(net, set), 0);
	close_pair(&pair);
}

/* What the error queue says next: numbers first to last; false: nothing. */
static bool told(struct sluice_net *net, int fd, uint32_t *first, uint32_t *last)
{
	char control[128];
	struct msghdr message = {.msg_control = control, .msg_controllen = sizeof(control)};
	struct sock_extended_err error;
	ssize_t got = sluice_recvmsg(net, fd, &message, MSG_ERRQUEUE);
	const struct cmsghdr *beside = CMSG_FIRSTHDR(&message);

	if (got < 0) {
		assert_int_equal(errno, EAGAIN);
		return false;
	}
	assert_int_equal(got, 0);
	assert_true(message.msg_flags & MSG_ERRQUEUE);
	assert_int_equal(beside->cmsg_level, SOL_IP);
	assert_int_equal(beside->cmsg_type, IP_RECVERR);
	memcpy(&error, CMSG_DATA(beside), sizeof(error));
	assert_int_equal(error.ee_origin, SO_EE_ORIGIN_ZEROCOPY);
	*first = error.ee_info;
	*last = error.ee_data;
	return true;
}

static void test_zerocopy(void **state)
{
	struct pair pair = open_pair();
	struct ends ends = connect_pair(&pair);
	struct pollfd look = {.fd = ends.client, .events = POLLIN};
	uint32_t first, last;
	int on = 1;

	assert_int_equal(sluice_send(pair.client, ends.client, "ab", 2, MSG_ZEROCOPY), 2);
	run(&pair, 10);
	assert_false(told(pair.client, ends.client, &first, &last)); /* nobody asked */
	assert_int_equal(sluice_setsockopt(pair.client, ends.client, SOL_SOCKET, SO_ZEROCOPY, &on,
	                                   sizeof(on)),
	                 0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(sluice_send(pair.client, ends.client, "ab", 2, MSG_ZEROCOPY), 2);
	assert_false(told(pair.client, ends.client, &first, &last));
	run(&pair, 100);
	assert_int_equal(sluice_poll(pair.client, &look, 1, 0), 1);
	assert_int_equal(look.revents, POLLERR);
	assert_true(told(pair.client, ends.client, &first, &last));
	assert_int_equal(first, 0);
	assert_int_equal(last, 2);
	assert_int_equal(sluice_poll(pair.client, &look, 1, 0), 0);
	assert_int_equal(sluice_send(pair.client, ends.client, "ab", 2, MSG_ZEROCOPY), 2);
	run(&pair, 100);
	assert_true(told(pair.client, ends.client, &first, &last));
	assert_int_equal(first, 3);
	assert_int_equal(last, 3);
	close_pair(&pair);
}

/* TCP_INQ: what is left to be read, beside what was. */
static void test_unread_beside(void **state)
{
	enum { INQ = 36 /* linux/tcp.h: TCP_INQ, TCP_CM_INQ */ };
	struct pair pair = open_pair();
	struct ends ends = connect_pair(&pair);
	char text[4], control[64];
	struct iovec piece = {text, sizeof(text)};
	struct msghdr message = {.msg_iov = &piece,
	                         .msg_iovlen = 1,
	                         .msg_control = control,
	                         .msg_controllen = sizeof(control)};
	int on = 1, left;

	assert_int_equal(
	        sluice_setsockopt(pair.server, ends.server, IPPROTO_TCP, INQ, &on, sizeof(on)), 0);
	assert_int_equal(sluice_send(pair.client, ends.client, "abcdefgh", 7, 0), 7);
	run(&pair, 10);
	assert_int_equal(sluice_recvmsg(pair.server, ends.server, &message, 0), 4);
	assert_int_equal(CMSG_FIRSTHDR(&message)->cmsg_type, INQ);
	memcpy(&left, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(left));
	assert_int_equal(left, 3);
	close_pair(&pair);
}

static void test_settings(void **state)
{
	struct sluice_net *net = sluice_net_open(NULL);

	assert_int_equal(sluice_net_sysctl(net, "net.ipv4.tcp_ecn", "1"), 0);
	assert_int_equal(sluice_net_sysctl(net, "/proc/sys/net/ipv4/tcp_timestamps", "0"), 0);
	assert_int_equal(sluice_net_sysctl(net, "tcp_rmem", "4096 540000 15728640"), 0);
	assert_int_equal(sluice_net_sysctl(net, "tcp_fastopen", "0x70403"), 0);
	assert_int_equal(sluice_net_sysctl(net, "net.ipv4.tcp_tw_reuse", "1"), 0);
	assert_int_equal(sluice_net_sysctl(net, "tcp_base_mss", "512"), -1);
	assert_int_equal(sluice_net_sysctl(net, "tcp_congestion_control", "reno"), 0);
	assert_int_equal(sluice_net_sysctl(net, "tcp_nothing", "1"), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(sluice_net_sysctl(net, "tcp_ecn", "3"), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sluice_net_sysctl(net, "tcp_rmem", "4096 540000"), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(sluice_net_sysctl(net, "tcp_fastopen_key", "1-2-3"), -1);
	assert_int_equal(errno, EINVAL);
	sluice_net_close(net);
}

static void *wait_for_ever(void *context)
{
	struct pollfd none = {.fd = -1};

	(void)sluice_poll(context, &none, 1, -1);
	return NULL;
}

/* A thread that is cancelled in a call does not hold up whoever moves the net. */
static void test_cancelled_call(void **state)
{
	struct sluice_net *net = sluice_net_open(NULL);
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, wait_for_ever, net), 0);
	sluice_net_advance(net, 1000 * (uint64_t)MS);
	assert_int_equal(pthread_cancel(thread), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	sluice_net_advance(net, 2000 * (uint64_t)MS);
	assert_int_equal(sluice_net_now(net), 2000 * (uint64_t)MS);
	sluice_net_close(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_conversation),      cmocka_unit_test(test_bulk_arrives_whole),
	        cmocka_unit_test(test_options),           cmocka_unit_test(test_refused),
	        cmocka_unit_test(test_deterministic),     cmocka_unit_test(test_blocking_calls),
	        cmocka_unit_test(test_closing_wakes),     cmocka_unit_test(test_garbage),
	        cmocka_unit_test(test_packetdrill_table), cmocka_unit_test(test_datagrams),
	        cmocka_unit_test(test_long_datagrams),    cmocka_unit_test(test_refused_datagrams),
	        cmocka_unit_test(test_bounded_queue),     cmocka_unit_test(test_epoll),
	        cmocka_unit_test(test_zerocopy),          cmocka_unit_test(test_unread_beside),
	        cmocka_unit_test(test_settings),          cmocka_unit_test(test_cancelled_call),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
