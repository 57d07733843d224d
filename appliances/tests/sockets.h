/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of the program `sockets` share. */
#ifndef TESTS_SOCKETS_H
#define TESTS_SOCKETS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { PORT = 7000, PATIENCE_MS = 20000 };

void expect(int truth, const char *what);
/* fork, or the end where there is no child. */
pid_t forked(void);
/* -1 and this errno. */
int fails(ssize_t result, int error);
/* The POLL* bits that came; 0: too late. */
int wait_for(int fd, short events);
socklen_t abstract(struct sockaddr_un *un, const char *name);
ssize_t send_fd(int socket, int fd);
struct sockaddr_in loopback(int port);
int bound(int type, int port);
void connected(int ends[2]);
void close_both(const int ends[2]);

/* sockets_waits.c, sockets_ends.c */
void try_waits(void);
void try_ends_of_all(void);

#endif
