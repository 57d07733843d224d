/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The library as packetdrill's `--so_filename` wants one: a table of functions, in its order, that
 * packetdrill_interface_init fills in. Virtual time moves by its usleep, and while it listens for a
 * packet, to when the stack sends one.
 *
 * --so_flags: words with commas between: local=ADDRESS, local6=ADDRESS, mtu=N, seed=N, ecn=N,
 * burst=N, congestion=NAME, cookies, black-holes; and settings by Linux's names, tcp_sack=0
 * (sluice_net_sysctl).
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <sluice/tcp_host.h>

enum { FLAGS_MAX = 512, SECOND_US = 1000000, LISTEN_S = 3600 };

#define START_NS 1000000000 /* no time of the clock's is taken for none */

struct packetdrill_interface {
	void *userdata;
	void (*free)(void *net);
	int (*socket)(void *net, int domain, int type, int protocol);
	int (*bind)(void *net, int fd, const struct sockaddr *address, socklen_t size);
	int (*listen)(void *net, int fd, int backlog);
	int (*accept)(void *net, int fd, struct sockaddr *address, socklen_t *size);
	int (*connect)(void *net, int fd, const struct sockaddr *address, socklen_t size);
	ssize_t (*read)(void *net, int fd, void *to, size_t size);
	ssize_t (*readv)(void *net, int fd, const struct iovec *to, int n);
	ssize_t (*recv)(void *net, int fd, void *to, size_t size, int flags);
	ssize_t (*recvfrom)(void *net, int fd, void *to, size_t size, int flags,
	                    struct sockaddr *address, socklen_t *address_size);
	ssize_t (*recvmsg)(void *net, int fd, struct msghdr *message, int flags);
	ssize_t (*write)(void *net, int fd, const void *from, size_t size);
	ssize_t (*writev)(void *net, int fd, const struct iovec *from, int n);
	ssize_t (*send)(void *net, int fd, const void *from, size_t size, int flags);
	ssize_t (*sendto)(void *net, int fd, const void *from, size_t size, int flags,
	                  const struct sockaddr *address, socklen_t address_size);
	ssize_t (*sendmsg)(void *net, int fd, const struct msghdr *message, int flags);
	int (*fcntl)(void *net, int fd, int command, ...);
	int (*ioctl)(void *net, int fd, unsigned long request, ...);
	int (*close)(void *net, int fd);
	int (*shutdown)(void *net, int fd, int how);
	int (*getsockopt)(void *net, int fd, int level, int name, void *value, socklen_t *size);
	int (*setsockopt)(void *net, int fd, int level, int name, const void *value,
	                  socklen_t size);
	int (*poll)(void *net, struct pollfd *fds, nfds_t n, int timeout_ms);
	int (*netdev_send)(void *net, const void *packet, size_t size);
	int (*netdev_receive)(void *net, void *packet, size_t *size, long long *time_us);
	int (*usleep)(void *net, useconds_t us);
	int (*gettimeofday)(void *net, struct timeval *time, struct timezone *zone);
	int (*epoll_create)(void *net, int size);
	int (*epoll_ctl)(void *net, int epoll, int operation, int fd, struct epoll_event *event);
	int (*epoll_wait)(void *net, int epoll, struct epoll_event *events, int n, int timeout_ms);
	int (*pipe)(void *net, int fds[2]);
	int (*splice)(void *net, int from, loff_t *from_at, int to, loff_t *to_at, size_t size,
	              unsigned flags);
};

__attribute__((visibility("default"))) void packetdrill_interface_init(
        const char *flags, struct packetdrill_interface *interface);

/* ---- What packetdrill has and sockets have not ---- */

static int pd_fcntl(void *net, int fd, int command, ...)
{
	va_list arguments;
	long argument;

	va_start(arguments, command);
	argument = va_arg(arguments, long);
	va_end(arguments);
	return sluice_fcntl(net, fd, command, argument);
}

static int pd_ioctl(void *net, int fd, unsigned long request, ...)
{
	va_list arguments;
	int *argument;

	va_start(arguments, request);
	argument = va_arg(arguments, int *);
	va_end(arguments);
	return sluice_ioctl(net, fd, request, argument);
}

static int pd_netdev_send(void *net, const void *packet, size_t size)
{
	return sluice_net_input(net, packet, size);
}

/* packetdrill begins calls that block in a thread of its own, and goes on at once: before the clock
 * moves, that thread comes as far as it can. It has when all threads but this one sleep. Where
 * /proc does not tell, nobody waits. */
static bool others_run(void)
{
	DIR *tasks = opendir("/proc/self/task");
	const struct dirent *task;
	pid_t self = gettid();
	bool run = false;

	while (tasks && !run && (task = readdir(tasks))) {
		char path[64], text[512] = "", *state;
		FILE *file;
		if (task->d_name[0] == '.' || strtol(task->d_name, NULL, 10) == self)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/stat", task->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		/* The state follows the name, which ends with the last bracket. */
		if (fgets(text, sizeof(text), file) && (state = strrchr(text, ')')))
			run = state[1] == ' ' && (state[2] == 'R' || state[2] == 'D');
		(void)fclose(file);
	}
	if (tasks)
		(void)closedir(tasks);
	return run;
}

static void let_others_run(void)
{
	enum { TRIES = 40000, PAUSE_NS = 50000 };
	const struct timespec pause = {.tv_nsec = PAUSE_NS};

	for (int i = 0; i < TRIES && others_run(); i++)
		(void)nanosleep(&pause, NULL);
}

static int pd_netdev_receive(void *net, void *packet, size_t *size, long long *time_us)
{
	uint64_t at, last = sluice_net_now(net) + LISTEN_S * 1000000000ull;
	size_t got;

	while (!(got = sluice_net_output(net, packet, *size, &at))) {
		uint64_t due;
		let_others_run();
		if ((got = sluice_net_output(net, packet, *size, &at)) > 0)
			break;
		due = sluice_net_deadline(net);
		if (due > last) {
			*size = 0;
			errno = EAGAIN; /* nothing will ever be sent without a further event */
			return -1;
		}
		sluice_net_advance(net, due);
	}
	*size = got;
	*time_us = (long long)(at / 1000);
	return 0;
}

static int pd_usleep(void *net, useconds_t us)
{
	let_others_run();
	sluice_net_advance(net, sluice_net_now(net) + us * 1000ull);
	return 0;
}

static int pd_gettimeofday(void *net, struct timeval *time, struct timezone *zone)
{
	uint64_t us = sluice_net_now(net) / 1000;

	*time = (struct timeval){.tv_sec = (time_t)(us / SECOND_US),
	                         .tv_usec = (suseconds_t)(us % SECOND_US)};
	return 0;
}

static int pd_epoll_create(void *net, int size)
{
	return sluice_epoll_create(net);
}

static int pd_splice(void *net, int from, loff_t *from_at, int to, loff_t *to_at, size_t size,
                     unsigned flags)
{
	return (int)sluice_splice(net, from, from_at, to, to_at, size, flags);
}

/* ---- Beginning ---- */

/* The value behind `key=` at the beginning of a word; NULL: another word. */
static const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);

	return !strncmp(word, key, length) && word[length] == '=' ? word + length + 1 : NULL;
}

static void take_word(struct sluice_net_options *options, const char *word)
{
	const char *value;

	if ((value = value_of(word, "local")))
		options->address4 = value;
	else if ((value = value_of(word, "local6")))
		options->address6 = value;
	else if ((value = value_of(word, "mtu")))
		options->mtu = (uint32_t)strtoul(value, NULL, 10);
	else if ((value = value_of(word, "seed")))
		options->seed = strtoull(value, NULL, 10);
	else if ((value = value_of(word, "ecn")))
		options->ecn = atoi(value);
	else if ((value = value_of(word, "burst")))
		options->burst = (uint32_t)strtoul(value, NULL, 10);
	else if ((value = value_of(word, "congestion")))
		options->congestion = value;
	else if (!strcmp(word, "cookies"))
		options->cookies = true;
	else if (!strcmp(word, "black-holes"))
		options->black_holes = true;
}

/* A setting of the net that has been opened. */
static void take_setting(struct sluice_net *net, char *word)
{
	char *value = strchr(word, '=');

	if (value) {
		*value = 0;
		(void)sluice_net_sysctl(net, word, value + 1);
	}
}

static struct sluice_net *open_net(const char *flags)
{
	struct sluice_net_options options = sluice_net_options_default();
	char words[FLAGS_MAX] = "", again[FLAGS_MAX], *rest = words, *word;
	struct sluice_net *net;

	options.start_ns = START_NS;
	if (flags)
		strncpy(words, flags, sizeof(words) - 1);
	memcpy(again, words, sizeof(words));
	while ((word = strsep(&rest, ",")))
		take_word(&options, word);
	net = sluice_net_open(&options);
	rest = again;
	while (net && (word = strsep(&rest, ",")))
		take_setting(net, word);
	return net;
}

/* A net is what packetdrill hands back as userdata: the functions fit by themselves. */
#define AS(type, function)                                                                         \
	((__typeof__(((struct packetdrill_interface *)0)->type))(void *)(function))

void packetdrill_interface_init(const char *flags, struct packetdrill_interface *interface)
{
	*interface = (struct packetdrill_interface){
	        .userdata = open_net(flags),
	        .free = AS(free, sluice_net_close),
	        .socket = AS(socket, sluice_socket),
	        .bind = AS(bind, sluice_bind),
	        .listen = AS(listen, sluice_listen),
	        .accept = AS(accept, sluice_accept),
	        .connect = AS(connect, sluice_connect),
	        .read = AS(read, sluice_read),
	        .readv = AS(readv, sluice_readv),
	        .recv = AS(recv, sluice_recv),
	        .recvfrom = AS(recvfrom, sluice_recvfrom),
	        .recvmsg = AS(recvmsg, sluice_recvmsg),
	        .write = AS(write, sluice_write),
	        .writev = AS(writev, sluice_writev),
	        .send = AS(send, sluice_send),
	        .sendto = AS(sendto, sluice_sendto),
	        .sendmsg = AS(sendmsg, sluice_sendmsg),
	        .fcntl = pd_fcntl,
	        .ioctl = pd_ioctl,
	        .close = AS(close, sluice_close),
	        .shutdown = AS(shutdown, sluice_shutdown),
	        .getsockopt = AS(getsockopt, sluice_getsockopt),
	        .setsockopt = AS(setsockopt, sluice_setsockopt),
	        .poll = AS(poll, sluice_poll),
	        .netdev_send = pd_netdev_send,
	        .netdev_receive = pd_netdev_receive,
	        .usleep = pd_usleep,
	        .gettimeofday = pd_gettimeofday,
	        .epoll_create = pd_epoll_create,
	        .epoll_ctl = AS(epoll_ctl, sluice_epoll_ctl),
	        .epoll_wait = AS(epoll_wait, sluice_epoll_wait),
	        .pipe = AS(pipe, sluice_pipe),
	        .splice = pd_splice,
	};
}
