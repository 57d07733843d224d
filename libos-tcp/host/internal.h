/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's inside. One lock guards a whole net; functions whose names begin with `net_` or
 * `sock_` want it held.
 */
#ifndef TCP_HOST_INTERNAL_H
#define TCP_HOST_INTERNAL_H

#include <pthread.h>

#include <sluice/tcp_host.h>
#include <sockets/sock.h>

enum {
	FD_FIRST = 3,
	SOCKETS_MAX = 8192,
	PACKET_MAX = 65535,
};

/* A descriptor. */
struct entry {
	struct sock *sock; /* NULL: it is free */
	int flags;         /* O_NONBLOCK */
};

struct out_packet {
	struct out_packet *next;
	uint64_t at_ns;
	size_t size;
	uint8_t bytes[];
};

struct sluice_net {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool closing;
	unsigned waiting; /* threads in net_wait */
	uint64_t now_ns, random;
	uint32_t mtu;
	uint16_t ip_id;
	struct udp_ip address4, address6;
	void *memory;
	struct tcp_stack *stack;
	struct out_packet *out_first, *out_last;
	void *sockets;
	struct socks set;
	struct entry fds[SOCKETS_MAX];
};

/* ---- packet.c ---- */
void packet_out(void *net, const struct tcp_packet *packet);
int packet_in(struct sluice_net *net, const uint8_t *packet, size_t size);

/* ---- net.c ---- */
void net_enter(struct sluice_net *net);
void net_leave(struct sluice_net *net);
/* Runs what is due at the clock's time. */
void net_settle(struct sluice_net *net);
/* Waits until something moved; false: the net is being closed (ECANCELED). */
bool net_wait(struct sluice_net *net);
int net_fail(int error); /* errno, and -1 */
/* A result or a negative errno of the sockets' → the result, or -1 with errno. */
ssize_t net_result(int64_t result);

/* ---- socket.c ---- */
struct entry *entry_of(struct sluice_net *net, int fd); /* NULL with EBADF */

#endif
