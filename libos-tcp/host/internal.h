/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library's inside. One lock guards a whole net; functions whose names begin with `net_` or
 * `sock_` want it held.
 */
#ifndef TCP_HOST_INTERNAL_H
#define TCP_HOST_INTERNAL_H

#include <pthread.h>

#include <sluice/tcp_host.h>
#include <tcp/conn.h>

enum {
	FD_FIRST = 3,
	SOCKETS_MAX = 8192,
	PACKET_MAX = 65535,
};

struct sock {
	bool used;
	int domain;
	struct tcp_conn *conn; /* at most one of these two */
	struct tcp_listener *listener;
	struct udp_endpoint local; /* bound to, while there is neither */
	struct tcp_options options;
	int flags; /* O_NONBLOCK */
	int error; /* for SO_ERROR and the next call: an errno */
	bool bound, connecting, connected, ended, no_read, no_write;
	bool linger;
	int linger_s;
	bool reuse, no_delay;
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
	struct sock sockets[SOCKETS_MAX];
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

/* ---- socket.c ---- */
struct sock *sock_of(struct sluice_net *net, int fd); /* NULL with EBADF */
int sock_take_error(struct sock *sock);               /* clears it */
void sock_event(struct tcp_conn *conn, unsigned events);
bool sock_readable(const struct sock *sock);
bool sock_writable(struct sock *sock);
/* An address of ours to POSIX's, cut to *size; and back (-1 with errno). */
void address_put(const struct udp_endpoint *endpoint, int domain, struct sockaddr *address,
                 socklen_t *size);
int address_get(const struct sock *sock, const struct sockaddr *address, socklen_t size,
                struct udp_endpoint *endpoint);

#endif
