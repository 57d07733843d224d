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
#include <udp/transport.h>

enum {
	FD_FIRST = 3,
	SOCKETS_MAX = 8192,
	PACKET_MAX = 65535,
	OTHERS_MAX = 6,
};

struct epoll; /* epoll.c */

struct pipe; /* pipe.c */

/* A descriptor: of a socket, an epoll set or a pipe; none of them: it is free. */
struct entry {
	struct sock *sock;
	struct epoll *epoll;
	struct pipe *pipe;
	bool writes; /* that end of the pipe */
	int flags;   /* O_NONBLOCK */
};

struct out_packet {
	struct out_packet *next;
	uint64_t at_ns;
	size_t size;
	uint8_t bytes[];
};

struct sluice_net {
	pthread_mutex_t lock;
	pthread_cond_t moved, caught_up;
	bool closing;
	uint64_t turn;            /* grows with each move */
	unsigned waiting, behind; /* threads in net_wait; woken, and still on their way */
	uint64_t wake_ns;         /* when the patience of one that waits ends */
	uint64_t now_ns, random;
	uint32_t mtu;
	uint16_t ip_id;
	struct udp_ip address4, address6;
	void *memory;
	struct tcp_stack *stack;
	/* Datagrams: the stack, what stands for the world, further addresses of ours. */
	void *udp_memory;
	struct udp_stack *udp;
	struct udp_ip world4, world6, others[OTHERS_MAX];
	unsigned next_other;
	struct out_packet *out_first, *out_last;
	void *sockets;
	struct socks set;
	struct entry fds[SOCKETS_MAX];
};

/* ---- datagrams.c ---- */
bool datagrams_open(struct sluice_net *net);
void datagrams_close(struct sluice_net *net);
/* An address that a socket is about to be bound to. */
void datagrams_bind(struct sluice_net *net, const struct udp_ip *ip);
/* A whole IP packet that is not TCP's. */
void datagrams_in(struct sluice_net *net, const struct udp_ip *dst, const uint8_t *packet,
                  size_t size);

/* ---- epoll.c ---- */
void epoll_free(struct epoll *epoll);
/* A descriptor has gone: no set waits for it any more. */
void epoll_forget(struct sluice_net *net, int fd);

/* ---- pipe.c ---- */
void pipe_close(struct entry *entry);
/* read and write of a pipe's end; they may wait. */
ssize_t pipe_read(struct sluice_net *net, int fd, const struct msghdr *message);
ssize_t pipe_write(struct sluice_net *net, int fd, const struct msghdr *message);

/* ---- packet.c ---- */
/* Puts a packet behind those that leave. */
void packet_queue(struct sluice_net *net, const void *packet, size_t size);
void packet_out(void *net, const struct tcp_packet *packet);
int packet_in(struct sluice_net *net, const uint8_t *packet, size_t size);

/* ---- net.c ---- */
void net_enter(struct sluice_net *net);
void net_leave(struct sluice_net *net);
/* Runs what is due at the clock's time. */
void net_settle(struct sluice_net *net);
/* Numbers for the stacks. */
uint64_t net_random(void *net);
/* The congestion control of that name; NULL: the usual one. false: there is none. */
bool net_congestion(const char *name, uint8_t *congestion);
/* Waits until something moved; false: the net is being closed (ECANCELED). */
bool net_wait(struct sluice_net *net);
/* … or until that time: EAGAIN. */
bool net_wait_until(struct sluice_net *net, uint64_t end_ns);
/* When so much time will have passed; 0: never. */
uint64_t net_end(const struct sluice_net *net, uint64_t ns);
int net_fail(int error); /* errno, and -1 */
/* A result or a negative errno of the sockets' → the result, or -1 with errno. */
ssize_t net_result(int64_t result);

/* ---- socket.c ---- */
struct entry *entry_of(struct sluice_net *net, int fd);      /* NULL with EBADF */
struct entry *sock_entry_of(struct sluice_net *net, int fd); /* with ENOTSOCK where it is none */
int entry_put(struct sluice_net *net, struct entry entry);   /* its descriptor; -1 with EMFILE */

#endif
