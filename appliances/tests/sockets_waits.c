/* SPDX-License-Identifier: BSD-2-Clause */
/* Of sockets.c: calls that wait, and what they wait for; epoll's edges; signals meanwhile. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "sockets.h"

enum { BULK = 1 << 20, TICK_US = 100000 };

static char bulk[4 * BULK];

/* ---- Threads ---- */

static void *write_bulk(void *fd)
{
	return (void *)(write(*(int *)fd, bulk, BULK) == BULK ? fd : NULL);
}

/* One thread's call that waits makes another one's go on. */
static void try_threads(void)
{
	static char text[BULK / 8];
	size_t got = 0;
	pthread_t writer;
	void *wrote = NULL;
	int ends[2];
	ssize_t n;

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	pthread_create(&writer, NULL, write_bulk, &ends[1]);
	while (got < BULK && (n = read(ends[0], text, sizeof(text))) > 0)
		got += (size_t)n;
	pthread_join(writer, &wrote);
	expect(got == BULK && wrote != NULL, "one thread writes what another one reads");
	close_both(ends);
}

static volatile int slept;

static void *sleep_a_little(void *unused)
{
	usleep(TICK_US);
	slept = 1;
	return NULL;
}

static uint64_t now_ms(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

/* A thread that sleeps, and one that never waits. */
static void try_spinning(void)
{
	uint64_t end = now_ms() + 15000;
	pthread_t sleeper;

	pthread_create(&sleeper, NULL, sleep_a_little, NULL);
	while (!slept && now_ms() < end)
		;
	expect(slept, "who sleeps wakes beside who never waits");
	pthread_join(sleeper, NULL);
}

static char taken[8];

static void *take(void *fds)
{
	const int *begun = fds;

	(void)!write(begun[1], "b", 1);
	(void)!read(begun[2], taken, sizeof(taken));
	return NULL;
}

/* The descriptor that a thread waits with comes to mean something else. */
static void try_reused(void)
{
	int old[2], new[2], begun[3];
	pthread_t reader;
	char text[8] = "";

	socketpair(AF_UNIX, SOCK_STREAM, 0, old);
	if (pipe(begun) < 0)
		return;
	begun[2] = old[0];
	pthread_create(&reader, NULL, take, begun);
	(void)!read(begun[0], text, 1);
	usleep(TICK_US);
	close(old[0]);
	socketpair(AF_UNIX, SOCK_STREAM, 0, new);
	expect(new[0] == old[0] && write(new[1], "new", 3) == 3, "a descriptor is used again");
	usleep(TICK_US);
	expect(recv(new[0], text, sizeof(text), MSG_DONTWAIT) == 3 && strcmp(text, "new") == 0,
	       "who waited with the old one does not take from the new one");
	(void)!send(old[1], "old", 3, MSG_NOSIGNAL);
	close(old[1]);
	close_both(new);
	pthread_join(reader, NULL);
	expect(strcmp(taken, "new") != 0, "nor later");
	close_both(begun);
}

/* ---- What is waited for ---- */

static void try_gathering(void)
{
	struct sockaddr_in to = loopback(PORT);
	int fd = bound(SOCK_DGRAM, PORT), from = socket(AF_INET, SOCK_DGRAM, 0);
	char a[2] = "ab", b[2] = "cd", text[8] = "";
	struct iovec both[2] = {{a, 2}, {b, 2}};

	(void)connect(from, (void *)&to, sizeof(to));
	expect(writev(from, both, 2) == 4 && recv(fd, text, sizeof(text), 0) == 4 &&
	               memcmp(text, "abcd", 4) == 0,
	       "writev makes one datagram");
	expect(send(from, "12", 2, 0) == 2 && send(from, "34", 2, 0) == 2 && wait_for(fd, POLLIN) &&
	               read(fd, text, 0) == 0 && readv(fd, both, 2) == 2 &&
	               memcmp(a, "12", 2) == 0 && recv(fd, text, 8, 0) == 2,
	       "readv takes one, and reading nothing takes none");
	close(fd);
	close(from);
}

/* What is received lies where the list of pieces is. */
static void try_overlapping(void)
{
	int ends[2];
	static const char end[4] = {'t', 'a', 'i', 'l'};
	char tail[8] = "", text[20];
	struct iovec pieces[2];
	struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};

	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	pieces[0] = (struct iovec){&pieces[1], sizeof(pieces[1])};
	pieces[1] = (struct iovec){tail, 4};
	memset(text, 0x11, sizeof(text));
	memcpy(text + 16, end, sizeof(end));
	expect(write(ends[0], text, sizeof(text)) == sizeof(text) &&
	               recvmsg(ends[1], &message, 0) == sizeof(text) && strcmp(tail, "tail") == 0,
	       "a list of pieces that is overwritten");
	close_both(ends);
}

static void try_large_room(void)
{
	const size_t size = (size_t)1 << 28;
	char *room = mmap(NULL, size, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	int ends[2];

	connected(ends);
	expect(room != MAP_FAILED && write(ends[0], "abc", 3) == 3 &&
	               recv(ends[1], room, size, 0) == 3 && memcmp(room, "abc", 3) == 0,
	       "room for much more than comes");
	expect(write(ends[0], "abc", 3) == 3 && wait_for(ends[1], POLLIN) &&
	               recv(ends[1], NULL, size, MSG_TRUNC) == 3 &&
	               fails(recv(ends[1], NULL, 8, MSG_TRUNC | MSG_DONTWAIT), EAGAIN),
	       "a stream's MSG_TRUNC throws away");
	expect(write(ends[0], "abc", 3) == 3 && wait_for(ends[1], POLLIN) &&
	               fails(recv(ends[1], room, 8, MSG_ERRQUEUE), EAGAIN) &&
	               recv(ends[1], room, 8, 0) == 3,
	       "the error queue is another one");
	munmap(room, size);
	close_both(ends);
}

/* A child sends in two parts; one call receives both. (Linux wakes nobody for a part that is
 * shorter than SO_RCVLOWAT, though it be the rest.) */
static ssize_t in_parts(int ends[2], char text[8], size_t size, int flags)
{
	ssize_t n;

	if (forked() == 0) {
		(void)!write(ends[0], "ab", 2);
		usleep(2 * TICK_US);
		(void)!write(ends[0], "cde", 3);
		_exit(0);
	}
	n = recv(ends[1], text, size, flags);
	wait(NULL);
	return n;
}

static void try_waiting_for_more(void)
{
	int ends[2];
	char text[8] = "";

	connected(ends);
	expect(in_parts(ends, text, 4, MSG_PEEK | MSG_WAITALL) == 4 &&
	               memcmp(text, "abcd", 4) == 0 && recv(ends[1], text, 8, 0) == 5,
	       "MSG_PEEK with MSG_WAITALL");
	setsockopt(ends[1], SOL_SOCKET, SO_RCVLOWAT, &(int){3}, sizeof(int));
	expect(in_parts(ends, text, 8, 0) == 5, "SO_RCVLOWAT is waited for");
	expect(write(ends[0], "x", 1) == 1 && (usleep(TICK_US), 1) &&
	               recv(ends[1], text, 8, MSG_DONTWAIT) == 1,
	       "where one may wait");
	close_both(ends);
}

/* More is awaited than the window lets in. */
static void try_full(void)
{
	struct sockaddr_in to = loopback(PORT);
	int listener = bound(SOCK_STREAM, PORT), fd = socket(AF_INET, SOCK_STREAM, 0), other;
	ssize_t n;

	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &(int){8192}, sizeof(int));
	listen(listener, 1);
	(void)connect(fd, (void *)&to, sizeof(to));
	other = accept(listener, NULL, NULL);
	setsockopt(other, SOL_SOCKET, SO_RCVLOWAT, &(int){INT32_MAX}, sizeof(int));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = write(fd, bulk, sizeof(bulk))) > 0)
		;
	expect(wait_for(other, POLLIN) == POLLIN, "SO_RCVLOWAT beyond the window");
	close(listener);
	close(fd);
	close(other);
}

/* ---- select ---- */

static void try_select(void)
{
	struct timeval time = {0, 1000001};
	int ends[2];
	fd_set in, except;

	expect(select(0, NULL, NULL, NULL, &time) == 0, "more than a second of microseconds");
	time = (struct timeval){-1, 0};
	expect(fails(select(0, NULL, NULL, NULL, &time), EINVAL), "less than no time");
	socketpair(AF_UNIX, SOCK_STREAM, 0, ends);
	close(ends[1]);
	FD_ZERO(&in);
	FD_ZERO(&except);
	FD_SET(ends[0], &in);
	FD_SET(ends[0], &except);
	time = (struct timeval){0, 0};
	expect(select(ends[0] + 1, &in, NULL, &except, &time) == 1 && FD_ISSET(ends[0], &in) &&
	               !FD_ISSET(ends[0], &except),
	       "an end is no exception");
	close(ends[0]);
}

/* ---- epoll ---- */

static int watch(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.fd = fd};

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static int told(int epoll, int ms)
{
	struct epoll_event event;

	return epoll_wait(epoll, &event, 1, ms) == 1 ? event.data.fd : -1;
}

/* What is not read is news again when more comes. */
static void try_edges(void)
{
	struct itimerspec often = {{0, 20000000}, {0, 20000000}};
	int epoll = epoll_create1(0), counter = eventfd(0, EFD_NONBLOCK), pipes[2];
	int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	uint64_t times;

	watch(epoll, counter, EPOLLIN | EPOLLET);
	expect(eventfd_write(counter, 1) == 0 && told(epoll, PATIENCE_MS) == counter &&
	               told(epoll, 0) == -1 && eventfd_write(counter, 1) == 0 &&
	               told(epoll, PATIENCE_MS) == counter,
	       "EPOLLET: an eventfd that is not read");
	if (pipe(pipes) < 0)
		return;
	watch(epoll, pipes[0], EPOLLIN | EPOLLET);
	expect(write(pipes[1], "a", 1) == 1 && told(epoll, PATIENCE_MS) == pipes[0] &&
	               told(epoll, 0) == -1 && write(pipes[1], "b", 1) == 1 &&
	               told(epoll, PATIENCE_MS) == pipes[0],
	       "EPOLLET: a pipe");
	watch(epoll, timer, EPOLLIN | EPOLLET);
	timerfd_settime(timer, 0, &often, NULL);
	expect(told(epoll, PATIENCE_MS) == timer && usleep(TICK_US) == 0 &&
	               read(timer, &times, sizeof(times)) == sizeof(times) &&
	               usleep(TICK_US) == 0 && told(epoll, PATIENCE_MS) == timer,
	       "EPOLLET: a timerfd");
	close(epoll);
	close(counter);
	close(timer);
	close_both(pipes);
}

/* Who is connected to one that hears many finds room again. */
static void try_edge_of_room(void)
{
	struct sockaddr_un un;
	socklen_t size = abstract(&un, "room");
	int epoll = epoll_create1(0), to = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int from = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	(void)bind(to, (void *)&un, size);
	(void)connect(from, (void *)&un, size);
	watch(epoll, from, EPOLLOUT | EPOLLET);
	expect(told(epoll, PATIENCE_MS) == from, "EPOLLET: there is room");
	while (send(from, bulk, 4096, 0) > 0)
		;
	while (recv(to, bulk, 4096, 0) > 0)
		;
	expect(told(epoll, 1000) == from, "EPOLLET: there is room again");
	close(epoll);
	close(from);
	close(to);
}

static void try_sets(void)
{
	int a = epoll_create1(0), b = epoll_create1(0), counter = eventfd(0, 0), other, status = -1;

	expect(watch(a, b, EPOLLIN) == 0 && fails(watch(b, a, EPOLLIN), ELOOP) &&
	               fails(watch(a, a, EPOLLIN), EINVAL),
	       "sets in a circle");
	watch(b, counter, EPOLLIN);
	if (forked() == 0)
		_exit(told(b, PATIENCE_MS) == counter ? 7 : 1);
	eventfd_write(counter, 1);
	wait(&status);
	expect(WIFEXITED(status) && WEXITSTATUS(status) == 7, "a set that was there before fork");
	other = dup(counter);
	close(counter);
	expect(told(b, 0) == counter, "an item stays while its file is open");
	close(other);
	expect(told(b, 0) == -1, "and goes with it");
	close(a);
	close(b);
}

/* ---- Signals ---- */

static volatile sig_atomic_t signals;

static void on_signal(int signal)
{
	signals++;
}

static void try_masks(void)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct timespec long_time = {20, 0};
	sigset_t blocked, none;
	int epoll = epoll_create1(0);
	struct epoll_event event;

	sigaction(SIGUSR1, &action, NULL);
	sigemptyset(&none);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigprocmask(SIG_BLOCK, &blocked, NULL);
	raise(SIGUSR1);
	expect(signals == 0 && fails(ppoll(NULL, 0, &long_time, &none), EINTR) && signals == 1,
	       "ppoll lets a signal in");
	raise(SIGUSR1);
	expect(signals == 1 && fails(pselect(0, NULL, NULL, NULL, &long_time, &none), EINTR) &&
	               signals == 2,
	       "pselect");
	raise(SIGUSR1);
	expect(signals == 2 && fails(epoll_pwait(epoll, &event, 1, PATIENCE_MS, &none), EINTR) &&
	               signals == 3,
	       "epoll_pwait");
	raise(SIGUSR1);
	expect(signals == 3, "and not for longer");
	sigprocmask(SIG_UNBLOCK, &blocked, NULL);
	close(epoll);
}

/* A signal, then a connection: accept4 is made again. */
static void try_restart(void)
{
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	struct sockaddr_in to = loopback(PORT);
	int listener = bound(SOCK_STREAM, PORT), fd, before = signals;

	listen(listener, 1);
	sigaction(SIGUSR1, &action, NULL);
	if (forked() == 0) {
		usleep(TICK_US);
		kill(getppid(), SIGUSR1);
		usleep(TICK_US);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		_exit(connect(fd, (void *)&to, sizeof(to)) != 0);
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	expect(fd >= 0 && signals == before + 1, "accept4 goes on behind a handler");
	wait(NULL);
	close(fd);
	close(listener);
}

void try_waits(void)
{
	try_gathering();
	try_overlapping();
	try_large_room();
	try_waiting_for_more();
	try_full();
	try_edges();
	try_edge_of_room();
	try_sets();
	try_masks();
	try_restart();
	try_select();
	try_reused();
	try_spinning();
	try_threads();
}
