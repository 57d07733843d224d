/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Sockets as Linux means them, on the two stacks: streams (TCP), datagrams (UDP), both of IPv4 and
 * IPv6, and local sockets (unix(7)): streams, records and datagrams, in pairs or by name.
 *
 * Nothing in here waits, and nothing knows descriptors or processes: a function does what can be
 * done now and says -EAGAIN where it would have to wait. Whoever offers the socket calls (the Linux
 * personality, the shared library under virtual time) puts waiting and descriptors around it. One
 * set of sockets is used by one thread at a time; its memory is the caller's, and may be shared by
 * processes that have it at the same address.
 *
 * Errors: 0 or more, or a negative errno. Addresses and option values are untrusted bytes of the
 * sizes that are said.
 *
 * Local sockets carry rights: numbers that mean open files to whoever offers the calls
 * (SCM_RIGHTS). Rights in a queue are the set's; those that nobody receives are given back by
 * socks->drop_right.
 *
 * Interface: socks_init; sock_open or sock_pair, then the calls by their usual names; sock_close.
 * What changes on the way is seen by sock_poll; sock->edges grows with each piece of news.
 */
#ifndef SOCKETS_SOCK_H
#define SOCKETS_SOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <tcp/conn.h>
#include <udp/socket.h>

enum {
	SOCK_BLOCK_BYTES = 2048, /* one datagram of the usual MTU, with what is known of it */
	SOCK_GROUPS_MAX = 4,     /* multicast groups that a socket has joined */
	SOCK_KEPT = 14,          /* options that are kept, and without effect */
	SOCK_NAME_BYTES = 108,   /* of a local socket's name (unix(7)) */
	SOCK_ZEROCOPIES = 32,    /* sends that wait to be told of (MSG_ZEROCOPY) */
	SOCK_RIGHTS_MAX = 253,   /* with one message, as Linux's SCM_MAX_FD */
};

enum { SOCK_GATHER_BYTES = UDP_DATAGRAM_MAX6 }; /* room for a datagram in one piece */

enum sock_kind {
	SOCK_KIND_FREE = 0,
	SOCK_KIND_STREAM,
	SOCK_KIND_DATAGRAM,
	SOCK_KIND_LOCAL,
};

struct sock_block;

/* Blocks in order: datagrams, or a local stream's bytes. */
struct sock_queue {
	struct sock_block *first, *last;
	uint32_t blocks, bytes;
};

/* A local socket's name: a path's bytes and NUL, or NUL and an abstract name's. */
struct sock_name {
	uint8_t size; /* 0: none */
	char bytes[SOCK_NAME_BYTES];
	uint32_t key; /* which file a path means; 0: an abstract name */
};

struct sock_rights {
	uint32_t n;
	uint16_t files[SOCK_RIGHTS_MAX];
};

struct sock {
	uint8_t kind; /* enum sock_kind */
	uint8_t groups_n;
	bool bound, connecting, connected, ended, no_read, no_write;
	bool placed; /* bound to an address, not only to a port */
	bool reuse, broadcast, only_six, linger;
	bool wants_to, wants_ttl, wants_tos, wants_inq; /* with what is received */
	uint32_t receive_low; /* bytes that make it readable (SO_RCVLOWAT); 0: one */
	bool told;            /* connect has said that it is connected */
	/* Of streams: the urgent byte stays in the stream (SO_OOBINLINE); it was taken out. */
	bool urgent_inline, urgent_taken;
	int domain;
	int linger_s;
	int discover; /* IP_MTU_DISCOVER; 0: not set, or off, which the options tell apart */
	uint64_t receive_ns, send_ns; /* how long calls wait (SO_RCVTIMEO, SO_SNDTIMEO); 0: ever */
	int error;                    /* for SO_ERROR and the next call: an errno */
	uint32_t edges;               /* grows with each piece of news */
	struct socks *set;
	struct udp_endpoint local;  /* bound to, while there is no connection */
	struct udp_endpoint remote; /* of a connected datagram socket */
	struct tcp_options options;
	/* Streams: at most one of these two. */
	struct tcp_conn *conn;
	struct tcp_listener *listener;
	int defer_s;      /* TCP_DEFER_ACCEPT, as it is told again */
	uint32_t backlog; /* the listener's, as it was told */
	uint32_t queued;  /* bytes ever written, modulo 2^32 */
	/* MSG_ZEROCOPY: numbers of the next one, the first not acknowledged, the first not told of;
	   and where each ends in the stream. */
	uint32_t zero_next, zero_done, zero_told;
	uint32_t zero_ends[SOCK_ZEROCOPIES];
	/* Times of packets: what is asked for, and by which byte of the stream keys count. */
	struct sock_block *stamps; /* sends to be told of, and what is to be told; NULL: none */
	uint32_t stamp_flags, stamp_base;
	int stamp_kind;      /* SO_TIMESTAMP, SO_TIMESTAMPNS; 0: neither */
	uint64_t arrived_ns; /* when data came last; 0: never */
	/* Fast Open: connect waits for data; it does so now, for `remote`. */
	bool fast_connect, deferred;
	uint32_t fast_queue; /* a listener: so many may be open by a cookie alone */
	uint8_t fast_keys_n;
	uint8_t fast_keys[TCP_FAST_KEYS_MAX][16];
	/* Datagrams and local sockets. */
	struct udp_socket udp; /* open: udp.stack is set */
	struct sock_queue queue;
	uint32_t queue_most; /* bytes of memory (SO_RCVBUF); what comes beyond is dropped */
	uint32_t dropped;
	/* Local sockets. */
	int type;          /* SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM */
	struct sock *peer; /* NULL: none, or it was closed */
	bool named, listening;
	struct sock_name name;            /* its own, or its listener's */
	struct sock *waiting, *wait_next; /* a listener's connections that nobody has accepted */
	uint32_t waits;
	struct udp_ip groups[SOCK_GROUPS_MAX];
	int kept[SOCK_KEPT]; /* option.c says whose */
};

struct socks {
	struct tcp_stack *tcp; /* NULL: no streams */
	struct udp_stack *udp; /* NULL: no datagrams */
	struct sock *all;
	uint32_t n;
	struct sock_block *free;
	uint32_t blocks_free;
	uint8_t *gather;  /* SOCK_GATHER_BYTES */
	uint32_t news;    /* grows with every socket's edges */
	uint32_t names;   /* that were made up */
	uint64_t now;     /* in ns, as socks_clock said; 0: nobody says */
	uint32_t stamped; /* sockets with stamps */
	bool refused;     /* somebody found no room for what it sent to a local socket */
	bool timed;       /* somebody has asked for times */
	/* Rights that were not received; the file of a name that is free again. NULL: nothing. */
	void (*drop_right)(uint16_t file);
	void (*drop_name)(uint32_t key);
};

/* Bytes of memory for so many sockets and blocks. */
size_t socks_bytes(uint32_t sockets, uint32_t blocks);
/* Makes a set in zeroed `memory` (aligned to 16 bytes, socks_bytes long). */
void socks_init(struct socks *set, void *memory, uint32_t sockets, uint32_t blocks);
/* What time it is, for SO_TIMESTAMPING and its like: before and after each thing that happens. */
void socks_clock(struct socks *set, uint64_t now);
/* The i-th socket; NULL: there is none. */
struct sock *socks_at(struct socks *set, uint32_t i);
uint32_t sock_index(const struct sock *sock);

/* -EAFNOSUPPORT, -ESOCKTNOSUPPORT, -EPROTONOSUPPORT, -ENFILE. */
int sock_open(struct socks *set, int domain, int type, int protocol, struct sock **made);
/* Local: SOCK_STREAM, SOCK_SEQPACKET or SOCK_DGRAM. -ESOCKTNOSUPPORT, -ENFILE. */
int sock_open_local(struct socks *set, int type, struct sock **made);
/* Names one (size 0: a name is made up). -EINVAL: it has one, -EADDRINUSE. */
int sock_bind_local(struct sock *sock, const struct sock_name *name);
/* Connects to who has that name; -EAGAIN: too many wait to be accepted. -ECONNREFUSED, -EPROTOTYPE.
 */
int sock_connect_local(struct sock *sock, const struct sock_name *name);
/* A local name as POSIX has it, cut to *size. */
void local_name_put(const struct sock_name *name, void *address, socklen_t *size);
/* Two local ones, each the other's end. */
int sock_pair(struct socks *set, int type, struct sock *made[2]);
void sock_close(struct sock *sock);

int sock_bind(struct sock *sock, const void *address, socklen_t size);
int sock_listen(struct sock *sock, int backlog);
int sock_accept(struct sock *sock, struct sock **made);
/* Streams: -EINPROGRESS; sock_connected says how it ends: -EAGAIN (not yet), 0, an error. */
int sock_connect(struct sock *sock, const void *address, socklen_t size);
int sock_connected(struct sock *sock);
/* Somebody waits for it to be connected in order to write. */
void sock_expect(struct sock *sock);
int sock_shutdown(struct sock *sock, int how);
/* Before closing: whether that has to wait for what was written to arrive, linger_s seconds at most
 * (SO_LINGER). Shuts down, and sock_lingers says whether it still has to. */
bool sock_linger(struct sock *sock);
bool sock_lingers(const struct sock *sock);
/* Whose address a name is: copies as much as *size takes, and sets it to the whole. */
int sock_name(struct sock *sock, bool peer, void *address, socklen_t *size);
/* The other end's of one that was just accepted, though that may be gone. */
void sock_accepted_name(struct sock *sock, void *address, socklen_t *size);

/* Memory in pieces, the first `skip` bytes of which are left out. */
struct sock_data {
	const struct iovec *pieces;
	size_t n;
	uint64_t skip;
	/* Of local sockets. Sent: what goes with the first byte; the queue's where bytes were
	   taken. Received: where they go, the receiver's afterwards; without it they are dropped.
	 */
	struct sock_rights *rights;
	const struct sock_name *name; /* sent to; NULL: the peer */
	/* Sent by datagrams from this address (family 0: as bound). */
	struct udp_ip source;
	uint32_t stamp_flags; /* SO_TIMESTAMPING, for this message */
};

/* What is known of what was received. */
struct sock_origin {
	struct udp_endpoint from, to; /* of a datagram; a stream tells neither: family 0 */
	uint32_t size;                /* of the whole datagram */
	uint8_t ttl, tos;             /* or hop limit and traffic class */
	bool datagram;
	bool lost_rights;      /* there was no room for all */
	struct sock_name name; /* of a local sender */
};

/* Control messages (cmsg(3)). Those that go with a message that is sent: IP_PKTINFO and
 * IPV6_PKTINFO set data->source; of SCM_RIGHTS each descriptor is given to `right`, which adds to
 * data->rights or gives an errno. 0, -EINVAL, or right's. */
int sock_control_read(const struct sock *sock, const void *control, size_t size,
                      struct sock_data *data, int (*right)(struct sock_rights *rights, int fd));
/* Writes those that tell of what was received and were asked for; `fds` are the descriptors of its
 * rights. → bytes; *cut: not all fit. */
size_t sock_control_write(struct sock *sock, const struct sock_origin *origin, const int *fds,
                          uint32_t n, void *control, size_t room, bool *cut);

uint64_t sock_data_bytes(const struct sock_data *data);
/* Bytes without borders between messages: TCP's, and local sockets' of SOCK_STREAM. */
bool sock_streams(const struct sock *sock);
/* So many bytes of `room` a call that may wait for them waits for (MSG_WAITALL, SO_RCVLOWAT). */
uint64_t sock_awaited(const struct sock *sock, int flags, uint64_t room);
/* Bytes that are there now, of one datagram at most; 0: the end. MSG_PEEK, MSG_TRUNC. */
int64_t sock_receive(struct sock *sock, const struct sock_data *to, int flags,
                     struct sock_origin *origin);
/* Bytes that found room now. `address` NULL: to whom it is connected. MSG_MORE, MSG_OOB,
 * MSG_FASTOPEN: connects a stream, and sends what goes with that: -EINPROGRESS where nothing does.
 * Whoever waits goes on without it, once sock_connected says so. */
int64_t sock_send(struct sock *sock, const struct sock_data *from, int flags, const void *address,
                  socklen_t size);

/* The error queue (MSG_ERRQUEUE): when sends left and arrived (SO_TIMESTAMPING), what became of
 * those with MSG_ZEROCOPY, as control messages. Flags of the message (MSG_TRUNC), -EAGAIN: nothing
 * is there. */
int sock_errors(struct sock *sock, void *control, size_t room, size_t *used, bool *cut);

/* The POLL* bits that hold now. */
unsigned sock_poll(struct sock *sock);
int sock_set_option(struct sock *sock, int level, int name, const void *value, socklen_t size);
int sock_get_option(struct sock *sock, int level, int name, void *value, socklen_t *size);
/* A stream stands before its urgent byte, which is no part of what is read. */
bool stream_stands(const struct sock *sock);
/* FIONREAD, SIOCOUTQ, SIOCOUTQNSD, SIOCATMARK. */
int sock_ioctl(struct sock *sock, unsigned long request, int *value);

/* An address of the program's: any address has family 0. 0, -EINVAL, -EAFNOSUPPORT. */
int sock_address_get(const struct sock *sock, const void *address, socklen_t size,
                     struct udp_endpoint *endpoint);
/* An address of ours as POSIX has it, in the socket's family, cut to *size. */
void sock_address_put(const struct sock *sock, const struct udp_endpoint *endpoint, void *address,
                      socklen_t *size);

#endif
