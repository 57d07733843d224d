/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The network of a family of Linux processes: one datagram stack, one stream stack and one set of
 * sockets, all in memory that the family shares at the same addresses, with the first process's
 * rings. Whoever holds the family's lock may run it.
 *
 *     net.c      opening by what the start page grants; running
 *     call.c     the socket calls
 *     message.c  the calls that move data
 *     local.c    names of local sockets as files
 *     etc.c      files that resolvers read
 */
#ifndef SOCKETS_LINUX_NET_H
#define SOCKETS_LINUX_NET_H

#include <sockets/sock.h>

#include "../../../exo/lib/linux/family.h"

/* NULL: there are no sockets. */
extern struct socks *net_sockets;
/* Whether there is a network, not only local pairs. */
bool net_there(void);
/* Takes what arrived, does what is due, sends. Before and after what a call does. */
void net_run(void);

/* Makes /etc/resolv.conf, hosts, services and protocols, where the payload has none. */
void etc_init(void);

/* The file type of sockets, once registered. */
extern int sock_file_type;
extern const struct file_type_operations sock_operations;
/* The socket of a descriptor; NULL, and *error: -EBADF, -ENOTSOCK. */
struct sock *sock_of(uint64_t fd, struct file **file, int64_t *error);
/* What a call gives whose socket said -EAGAIN: waits, as long as it may. */
int64_t sock_wait(const struct file *file, uint64_t flags, uint64_t ns);

linux_call call_sendto, call_recvfrom, call_sendmsg, call_recvmsg, call_sendmmsg, call_recvmmsg,
        call_read, call_write, call_readv, call_writev;
/* The socket calls, for net.c to register. */
void call_register(void);

enum { ADDRESS_BYTES = 128 };
/* A sockaddr of the program's, copied; what is longer than any address of ours is cut. */
int address_in(uint8_t to[ADDRESS_BYTES], uint64_t address, uint64_t size, socklen_t *bytes);
/* A local socket's name, copied; a path's file must be there. 0 or an errno. */
int local_name_in(uint64_t address, uint64_t size, struct sock_name *name);
/* Binds one to a name of the program's, and makes the file. */
int local_bind(struct sock *sock, uint64_t address, uint64_t size);
/* Of the set: the file of a socket that has ended may go. */
void local_drop_name(uint32_t key);
/* Copies one out, and its whole size to `size_address` (0: nowhere). */
int address_out(uint64_t to, uint64_t size_address, const void *from, socklen_t bytes);

#endif
