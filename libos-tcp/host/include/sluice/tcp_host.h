/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The stacks as a shared library under virtual time: BSD sockets, streams and datagrams, on one
 * side, bare IP packets on the other, and a clock that only the caller moves. Nothing in it sleeps
 * by the time of day or reads a clock, so the same calls in the same order give the same packets.
 *
 *     struct sluice_net *net = sluice_net_open(NULL);
 *     int fd = sluice_socket(net, AF_INET, SOCK_STREAM, 0);
 *     …
 *     sluice_net_input(net, packet, size);            a packet arrives
 *     while ((size = sluice_net_output(net, packet, sizeof packet, &at)) > 0)
 *             …                                       what the stack sent, and when
 *     sluice_net_advance(net, now_ns);                timers up to then run, in order
 *
 * Socket calls are POSIX's (and Linux's, for options): the same arguments, results and errno.
 * Descriptors are the net's own, from 3 on. A call on a blocking socket waits until another thread
 * moves the net by sluice_net_input, sluice_net_advance or sluice_net_close, which return when all
 * calls that could end have ended, at their own time each (SO_RCVTIMEO and SO_SNDTIMEO are of that
 * time, too); with O_NONBLOCK it never waits. All functions may be called from several threads.
 *
 * Every destination address is ours, so that any script's addresses work.
 */
#ifndef SLUICE_TCP_HOST_H
#define SLUICE_TCP_HOST_H

#include <poll.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#endif

struct sluice_net;

struct sluice_net_options {
	const char *address4, *address6; /* to speak from when connecting; NULL: 192.0.2.1,
	                                    2001:db8::1 */
	uint32_t mtu;                    /* 0: 1500 */
	uint64_t seed;                   /* of ISNs, ports and timestamps: the same, the same */
	uint64_t start_ns;               /* what the clock says at first */
	uint32_t connections;            /* at most; 0: 4,096 */
	const char *congestion;          /* "cubic" (NULL), "reno", "bbr" */
	bool cookies;                    /* SYN cookies always */
	int ecn;          /* as Linux's tcp_ecn: 0 off, 1 on, 2 when asked (default) */
	uint32_t burst;   /* payload bytes that may leave in one packet, as by a device that cuts
	                     segments itself; 0: packets leave as the wire carries them */
	bool black_holes; /* smaller segments where full ones never arrive (RFC 2923), as Linux's
	                     tcp_mtu_probing */
};

/* All defaults: ecn 2, the rest zero. */
struct sluice_net_options sluice_net_options_default(void);

/* NULL options: the default. NULL with errno: ENOMEM, EINVAL. */
struct sluice_net *sluice_net_open(const struct sluice_net_options *options);
/* Calls that wait end with ECANCELED before anything is freed. */
void sluice_net_close(struct sluice_net *net);

/* A setting by Linux's name and in its words, for connections to come: "net.ipv4.tcp_ecn", "1"; the
 * prefix may be missing. Those of tcp_… that change what is sent, and some of devices and memory
 * that don't (sysctl.c has the list); where there is no choice, only the value that is. 0, or -1:
 * ENOENT (no such setting), EINVAL. */
int sluice_net_sysctl(struct sluice_net *net, const char *name, const char *value);

/* The clock in ns. */
uint64_t sluice_net_now(struct sluice_net *net);
/* Moves the clock; what becomes due on the way happens at its own time. Never backwards. */
void sluice_net_advance(struct sluice_net *net, uint64_t to_ns);
/* When something is due next, in ns; UINT64_MAX: nothing waits. */
uint64_t sluice_net_deadline(struct sluice_net *net);
/* A bare IPv4 or IPv6 packet arrives (TCP, UDP, ICMP). 0, or -1 with EINVAL: it is no whole
 * IP packet with a right header checksum. */
int sluice_net_input(struct sluice_net *net, const void *packet, size_t size);
/* Takes the oldest packet that the stack sent: its size (cut to `size` bytes), and its time where
 * at_ns is not NULL. 0: none. */
size_t sluice_net_output(struct sluice_net *net, void *packet, size_t size, uint64_t *at_ns);

int sluice_socket(struct sluice_net *net, int domain, int type, int protocol);
int sluice_bind(struct sluice_net *net, int fd, const struct sockaddr *address, socklen_t size);
int sluice_listen(struct sluice_net *net, int fd, int backlog);
int sluice_accept(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size);
int sluice_connect(struct sluice_net *net, int fd, const struct sockaddr *address, socklen_t size);
int sluice_shutdown(struct sluice_net *net, int fd, int how);
int sluice_close(struct sluice_net *net, int fd);
int sluice_getsockname(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size);
int sluice_getpeername(struct sluice_net *net, int fd, struct sockaddr *address, socklen_t *size);

/* MSG_FASTOPEN; MSG_ZEROCOPY and MSG_ERRQUEUE, whose notices say that the data was copied.
 * Control messages: IP_PKTINFO, IPV6_PKTINFO, IP_TTL, IP_TOS and their like of IPv6, TCP_CM_INQ,
 * SO_TIMESTAMPING and its like: times are of the net's clock; the error queue tells without data.
 */
ssize_t sluice_read(struct sluice_net *net, int fd, void *to, size_t size);
ssize_t sluice_readv(struct sluice_net *net, int fd, const struct iovec *to, int n);
ssize_t sluice_recv(struct sluice_net *net, int fd, void *to, size_t size, int flags);
ssize_t sluice_recvfrom(struct sluice_net *net, int fd, void *to, size_t size, int flags,
                        struct sockaddr *address, socklen_t *address_size);
ssize_t sluice_recvmsg(struct sluice_net *net, int fd, struct msghdr *message, int flags);
ssize_t sluice_write(struct sluice_net *net, int fd, const void *from, size_t size);
ssize_t sluice_writev(struct sluice_net *net, int fd, const struct iovec *from, int n);
ssize_t sluice_send(struct sluice_net *net, int fd, const void *from, size_t size, int flags);
ssize_t sluice_sendto(struct sluice_net *net, int fd, const void *from, size_t size, int flags,
                      const struct sockaddr *address, socklen_t address_size);
ssize_t sluice_sendmsg(struct sluice_net *net, int fd, const struct msghdr *message, int flags);

int sluice_getsockopt(struct sluice_net *net, int fd, int level, int name, void *value,
                      socklen_t *size);
int sluice_setsockopt(struct sluice_net *net, int fd, int level, int name, const void *value,
                      socklen_t size);
/* F_GETFL, F_SETFL (O_NONBLOCK). */
int sluice_fcntl(struct sluice_net *net, int fd, int command, long argument);
/* FIONREAD, FIONBIO, SIOCOUTQ, SIOCOUTQNSD. */
int sluice_ioctl(struct sluice_net *net, int fd, unsigned long request, int *argument);
/* timeout_ms of virtual time; another thread has to move it. */
int sluice_poll(struct sluice_net *net, struct pollfd *fds, nfds_t n, int timeout_ms);

/* fds[0] reads what fds[1] writes, 64 KiB at most; for sluice_read, _readv, _write, _writev,
 * _splice and _close. */
int sluice_pipe(struct sluice_net *net, int fds[2]);
/* Moves bytes between a pipe and a stream, or another pipe; offsets must be NULL. SPLICE_F_MORE,
 * SPLICE_F_NONBLOCK. */
ssize_t sluice_splice(struct sluice_net *net, int from, loff_t *from_at, int to, loff_t *to_at,
                      size_t size, unsigned flags);

/* From a file, which is no descriptor of the net's but one of the process's, to a stream. */
ssize_t sluice_sendfile(struct sluice_net *net, int to, int file, off_t *at, size_t size);

/* As Linux's, by level, by edge (EPOLLET) or once; timeout_ms as for sluice_poll. A set is a
 * descriptor, for sluice_close. */
int sluice_epoll_create(struct sluice_net *net);
int sluice_epoll_ctl(struct sluice_net *net, int fd, int operation, int of,
                     struct epoll_event *event);
int sluice_epoll_wait(struct sluice_net *net, int fd, struct epoll_event *events, int n,
                      int timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
