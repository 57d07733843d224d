/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A net: one stack, its clock, its lock.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

enum { MTU = 1500, MTU_MIN = 576, CONNECTIONS = 4096, ALIGNMENT = 64, BLOCKS = 1024 };

int net_fail(int error)
{
	errno = error;
	return -1;
}

ssize_t net_result(int64_t result)
{
	return result < 0 ? net_fail((int)-result) : (ssize_t)result;
}

void net_enter(struct sluice_net *net)
{
	(void)pthread_mutex_lock(&net->lock);
	tcp_stack_clock(net->stack, net->now_ns);
	net->set.now = net->now_ns;
}

/* This thread has been woken, and whoever moved the net waits until it has done what it can. */
static _Thread_local bool owing;

static void settle_debt(struct sluice_net *net)
{
	if (owing && --net->behind == 0)
		(void)pthread_cond_broadcast(&net->caught_up);
	owing = false;
}

static void wake_all(struct sluice_net *net)
{
	net->turn++;
	net->behind += net->waiting;
	net->waiting = 0;
	net->wake_ns = UINT64_MAX;
	(void)pthread_cond_broadcast(&net->moved);
}

void net_leave(struct sluice_net *net)
{
	settle_debt(net);
	wake_all(net);
	(void)pthread_mutex_unlock(&net->lock);
}

/* Calls that wait go on as far as they can before the clock does. */
static void hand_over(struct sluice_net *net)
{
	wake_all(net);
	while (net->behind > 0)
		(void)pthread_cond_wait(&net->caught_up, &net->lock);
	tcp_stack_clock(net->stack, net->now_ns);
}

void net_settle(struct sluice_net *net)
{
	net->set.now = net->now_ns;
	while (tcp_stack_run(net->stack) <= net->now_ns || udp_stack_run(net->udp) <= net->now_ns)
		;
	socks_clock(&net->set, net->now_ns);
}

/* A thread that is cancelled while it waits leaves nothing behind. */
struct waiter {
	struct sluice_net *net;
	uint64_t turn; /* as it began to wait */
};

static void cancelled(void *context)
{
	const struct waiter *waiter = context;
	struct sluice_net *net = waiter->net;

	if (net->turn == waiter->turn)
		net->waiting--;
	else if (--net->behind == 0)
		(void)pthread_cond_broadcast(&net->caught_up);
	(void)pthread_mutex_unlock(&net->lock);
}

static void await_turn(struct sluice_net *net)
{
	struct waiter waiter = {net, net->turn};

	net->waiting++;
	pthread_cleanup_push(cancelled, &waiter);
	while (net->turn == waiter.turn)
		(void)pthread_cond_wait(&net->moved, &net->lock);
	pthread_cleanup_pop(0);
	owing = true;
}

bool net_wait_until(struct sluice_net *net, uint64_t end_ns)
{
	if (!net->closing && net->now_ns >= end_ns)
		return net_fail(EAGAIN) == 0;
	if (!net->closing) {
		settle_debt(net);
		if (end_ns < net->wake_ns)
			net->wake_ns = end_ns;
		await_turn(net);
	}
	if (net->closing)
		return net_fail(ECANCELED) == 0;
	tcp_stack_clock(net->stack, net->now_ns);
	return true;
}

bool net_wait(struct sluice_net *net)
{
	return net_wait_until(net, UINT64_MAX);
}

uint64_t net_end(const struct sluice_net *net, uint64_t ns)
{
	return ns == 0 || ns > UINT64_MAX - net->now_ns ? UINT64_MAX : net->now_ns + ns;
}

/* splitmix64 (Steele, Lea, Flood): nobody attacks a net of its own caller's. */
uint64_t net_random(void *context)
{
	uint64_t z = ((struct sluice_net *)context)->random += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void op_release(void *context, void *buffer)
{
	free(buffer);
}

static uint32_t op_path(void *context, const struct udp_ip *remote, struct udp_ip *local)
{
	const struct sluice_net *net = context;

	if (local->family == 0)
		*local = remote->family == 6 ? net->address6 : net->address4;
	return net->mtu;
}

struct sluice_net_options sluice_net_options_default(void)
{
	return (struct sluice_net_options){.ecn = TCP_ECN_PASSIVE};
}

bool net_congestion(const char *name, uint8_t *congestion)
{
	if (!name || !strcmp(name, "cubic"))
		*congestion = TCP_CONGESTION_CUBIC;
	else if (!strcmp(name, "reno") || !strcmp(name, "newreno"))
		*congestion = TCP_CONGESTION_NEWRENO;
	else if (!strcmp(name, "bbr"))
		*congestion = TCP_CONGESTION_BBR;
	else
		return false;
	return true;
}

static bool configure(struct sluice_net *net, const struct sluice_net_options *options,
                      struct tcp_config *config)
{
	*config = tcp_config_default();
	config->connections = options->connections ? options->connections : CONNECTIONS;
	config->segment_max = options->burst;
	config->ecn = (uint8_t)options->ecn;
	config->black_holes = options->black_holes;
	config->busy_times = true;
	config->cookies = options->cookies ? TCP_COOKIES_ALWAYS : TCP_COOKIES_NEEDED;
	net->mtu = options->mtu ? options->mtu : MTU;
	net->now_ns = options->start_ns;
	net->random = options->seed;
	net->wake_ns = UINT64_MAX;
	return net->mtu >= MTU_MIN && net->mtu <= PACKET_MAX && options->ecn >= 0 &&
	       options->ecn <= 2 && net_congestion(options->congestion, &config->congestion) &&
	       udp_ip_parse(options->address4 ? options->address4 : "192.0.2.1", &net->address4) &&
	       udp_ip_parse(options->address6 ? options->address6 : "2001:db8::1", &net->address6);
}

static int open_stack(struct sluice_net *net, const struct tcp_config *config)
{
	static const struct tcp_ops ops = {
	        .output = packet_out, .release = op_release, .random = net_random, .path = op_path};
	size_t size = tcp_stack_bytes(config);

	if (!size)
		return EINVAL;
	size = (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	net->memory = aligned_alloc(ALIGNMENT, size);
	if (!net->memory)
		return ENOMEM;
	net->stack = tcp_stack_create(net->memory, size, config, &ops, net, net->now_ns);
	net->sockets = calloc(1, socks_bytes(SOCKETS_MAX, BLOCKS));
	if (!net->stack || !net->sockets)
		return net->stack ? ENOMEM : EINVAL;
	socks_init(&net->set, net->sockets, SOCKETS_MAX, BLOCKS);
	if (!datagrams_open(net))
		return ENOMEM;
	net->set.tcp = net->stack;
	net->set.udp = net->udp;
	return 0;
}

struct sluice_net *sluice_net_open(const struct sluice_net_options *options)
{
	struct sluice_net_options usual = sluice_net_options_default();
	struct sluice_net *net = calloc(1, sizeof(*net));
	struct tcp_config config;
	int error = net ? EINVAL : ENOMEM;

	if (net && configure(net, options ? options : &usual, &config))
		error = open_stack(net, &config);
	if (error) {
		if (net) {
			datagrams_close(net);
			free(net->sockets);
			free(net->memory);
		}
		free(net);
		errno = error;
		return NULL;
	}
	(void)pthread_mutex_init(&net->lock, NULL);
	(void)pthread_cond_init(&net->moved, NULL);
	(void)pthread_cond_init(&net->caught_up, NULL);
	return net;
}

void sluice_net_close(struct sluice_net *net)
{
	(void)pthread_mutex_lock(&net->lock);
	net->closing = true;
	hand_over(net);
	for (int i = 0; i < SOCKETS_MAX; i++)
		if (net->fds[i].epoll)
			epoll_free(net->fds[i].epoll);
		else if (net->fds[i].pipe)
			pipe_close(&net->fds[i]);
	tcp_stack_destroy(net->stack);
	datagrams_close(net);
	while (net->out_first) {
		struct out_packet *next = net->out_first->next;
		free(net->out_first);
		net->out_first = next;
	}
	(void)pthread_mutex_unlock(&net->lock);
	(void)pthread_cond_destroy(&net->moved);
	(void)pthread_cond_destroy(&net->caught_up);
	(void)pthread_mutex_destroy(&net->lock);
	free(net->sockets);
	free(net->memory);
	free(net);
}

/* Runs what is due, for calls that wait, too. → when the next thing is, or a call's patience ends.
 */
static uint64_t run_all(struct sluice_net *net)
{
	uint64_t tcp, udp;

	net_settle(net);
	if (net->waiting > 0) {
		hand_over(net);
		net_settle(net);
	}
	tcp = tcp_stack_run(net->stack);
	udp = udp_stack_run(net->udp);
	tcp = tcp < net->wake_ns ? tcp : net->wake_ns;
	return tcp < udp ? tcp : udp;
}

uint64_t sluice_net_now(struct sluice_net *net)
{
	net_enter(net);
	uint64_t now = net->now_ns;
	net_leave(net);
	return now;
}

void sluice_net_advance(struct sluice_net *net, uint64_t to_ns)
{
	uint64_t due;

	net_enter(net);
	while ((due = run_all(net)) <= to_ns) {
		if (due > net->now_ns)
			net->now_ns = due;
		tcp_stack_clock(net->stack, net->now_ns);
	}
	if (to_ns > net->now_ns)
		net->now_ns = to_ns;
	tcp_stack_clock(net->stack, net->now_ns);
	if (net->waiting > 0)
		hand_over(net);
	net_leave(net);
}

uint64_t sluice_net_deadline(struct sluice_net *net)
{
	net_enter(net);
	uint64_t due = tcp_stack_deadline(net->stack), udp = udp_stack_run(net->udp);
	due = due < net->wake_ns ? due : net->wake_ns;
	(void)pthread_mutex_unlock(&net->lock); /* nothing has moved */
	return due < udp ? due : udp;
}

int sluice_net_input(struct sluice_net *net, const void *packet, size_t size)
{
	net_enter(net);
	int status = packet_in(net, packet, size);
	(void)run_all(net);
	net_leave(net);
	return status ? net_fail(-status) : 0;
}

size_t sluice_net_output(struct sluice_net *net, void *packet, size_t size, uint64_t *at_ns)
{
	net_enter(net);
	struct out_packet *out = net->out_first;
	size_t got = 0;
	if (out) {
		net->out_first = out->next;
		if (!out->next)
			net->out_last = NULL;
		got = out->size < size ? out->size : size;
		memcpy(packet, out->bytes, got);
		if (at_ns)
			*at_ns = out->at_ns;
		free(out);
	}
	net_leave(net);
	return got;
}
