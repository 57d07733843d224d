/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The workload on Linux's own TCP: two network namespaces, a veth pair between them, whose offloads
 * are off; one process is both ends. What is counted is the CPU time of that process, in which the
 * kernel does its work, too; what it leaves to its own threads goes uncounted, in its favour. Needs
 * root.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "workload.h"

enum { BULK_PORT = 1, REQUEST_PORT = 2, EVENTS = 64 };

static int space[2]; /* the namespaces: client, server */
static char data[PIECE_BYTES];

/* ---- Two namespaces ---- */

static void enter(unsigned i)
{
	workload_check(setns(space[i], CLONE_NEWNET) == 0, "setns");
}

static void run(const char *command)
{
	workload_check(system(command) == 0, command);
}

/* Checksums, scattered frames, long packets, both ways: as for the libraries. */
static void offloads_off(void)
{
	static const uint32_t commands[] = {ETHTOOL_STXCSUM, ETHTOOL_SRXCSUM, ETHTOOL_SSG,
	                                    ETHTOOL_STSO,    ETHTOOL_SGSO,    ETHTOOL_SGRO};
	struct ethtool_value value = {.data = 0};
	struct ifreq request = {.ifr_name = "near", .ifr_data = (void *)&value};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		value.cmd = commands[i];
		workload_check(ioctl(fd, SIOCETHTOOL, &request) == 0, "SIOCETHTOOL");
	}
	close(fd);
}

static void make_spaces(void)
{
	char move[64];

	for (unsigned i = 0; i < 2; i++) {
		workload_check(unshare(CLONE_NEWNET) == 0, "unshare: root is needed");
		space[i] = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
		workload_check(space[i] >= 0, "/proc/self/ns/net");
	}
	run("ip link add near type veth peer name far");
	(void)snprintf(move, sizeof move, "ip link set far netns /proc/%d/fd/%d", (int)getpid(),
	               space[0]);
	run(move);
	for (unsigned i = 0; i < 2; i++) {
		enter(i);
		run(i == 0 ? "ip link set far name near && ip addr add 10.0.0.1/24 dev near"
		           : "ip addr add 10.0.0.2/24 dev near");
		offloads_off();
		run("ip link set near mtu 1500 up && ip link set lo up");
	}
}

/* ---- Sockets ---- */

static struct sockaddr_in server(uint16_t port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};

	address.sin_addr.s_addr = htonl(0x0a000002);
	return address;
}

static int listen_at(uint16_t port)
{
	struct sockaddr_in address = server(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	workload_check(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
	                       listen(fd, CLIENTS) == 0,
	               "listen");
	return fd;
}

/* A connection: ends[0] the client's, ends[1] the server's; neither blocks. */
static void connect_pair(int listener, uint16_t port, int ends[2])
{
	struct sockaddr_in address = server(port);
	int one = 1;

	enter(0);
	ends[0] = socket(AF_INET, SOCK_STREAM, 0);
	workload_check(connect(ends[0], (struct sockaddr *)&address, sizeof address) == 0,
	               "connect");
	ends[1] = accept(listener, NULL, NULL);
	workload_check(ends[1] >= 0, "accept");
	for (unsigned i = 0; i < 2; i++) {
		(void)setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		(void)fcntl(ends[i], F_SETFL, O_NONBLOCK);
	}
}

/* ---- The work ---- */

static void bulk(int listener)
{
	uint64_t to_send = BULK_BYTES, received = 0;
	int ends[2];
	double start;

	connect_pair(listener, BULK_PORT, ends);
	start = workload_seconds();
	while (received < BULK_BYTES) {
		ssize_t n = 1;

		while (to_send > 0 && n > 0) {
			n = send(ends[0], data, to_send < PIECE_BYTES ? to_send : PIECE_BYTES, 0);
			to_send -= n > 0 ? (uint64_t)n : 0;
		}
		do {
			n = recv(ends[1], data, sizeof data, 0);
			received += n > 0 ? (uint64_t)n : 0;
		} while (n > 0);
	}
	printf("bulk %.6f\n", workload_seconds() - start);
	close(ends[0]);
	close(ends[1]);
}

/* One end of a connection, and what it has of the message that it waits for. */
struct side {
	int fd;
	bool client;
	uint32_t have;
};

static uint32_t asked, answered;

static void ask(const struct side *side)
{
	if (asked++ < REQUESTS)
		(void)send(side->fd, data, REQUEST_BYTES, 0);
}

static void take(struct side *side)
{
	uint32_t whole = side->client ? ANSWER_BYTES : REQUEST_BYTES;
	ssize_t n = recv(side->fd, data, sizeof data, 0);

	side->have += n > 0 ? (uint32_t)n : 0;
	if (side->have < whole)
		return;
	side->have -= whole;
	if (!side->client) {
		(void)send(side->fd, data, ANSWER_BYTES, 0);
		return;
	}
	answered++;
	ask(side);
}

static void requests(int listener)
{
	static struct side sides[CLIENTS][2];
	struct epoll_event events[EVENTS];
	int poll = epoll_create1(0), ends[2];
	double start = workload_seconds();

	for (unsigned i = 0; i < CLIENTS; i++) {
		connect_pair(listener, REQUEST_PORT, ends);
		for (unsigned end = 0; end < 2; end++) {
			struct epoll_event event = {.events = EPOLLIN, .data.ptr = &sides[i][end]};

			sides[i][end] = (struct side){.fd = ends[end], .client = end == 0};
			workload_check(epoll_ctl(poll, EPOLL_CTL_ADD, ends[end], &event) == 0,
			               "epoll_ctl");
		}
		ask(&sides[i][0]);
	}
	while (answered < REQUESTS) {
		int n = epoll_wait(poll, events, EVENTS, -1);

		for (int i = 0; i < n; i++)
			take(events[i].data.ptr);
	}
	printf("requests %.6f\n", workload_seconds() - start);
}

int main(void)
{
	int listeners[2];

	make_spaces();
	enter(1);
	listeners[0] = listen_at(BULK_PORT);
	listeners[1] = listen_at(REQUEST_PORT);
	bulk(listeners[0]);
	requests(listeners[1]);
	return 0;
}
