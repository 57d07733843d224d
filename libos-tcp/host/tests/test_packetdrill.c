/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of functions that packetdrill loads, used as packetdrill does: calls that block run in
 * a thread of their own, which nobody waits for, while the script goes on; packets come by
 * netdev_receive, and time goes by usleep.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cmocka.h>
#include <udp/checksum.h>
#include <udp/wire.h>

enum { PORT = 8080, PEER = 40000, ROOM = 2048, ISS = 1000, MS = 1000 };

/* The beginning of the table, with the places that are used here (its header is packetdrill's). */
struct table {
	void *net;
	void (*free)(void *);
	int (*socket)(void *, int, int, int);
	int (*bind)(void *, int, const struct sockaddr *, socklen_t);
	int (*listen)(void *, int, int);
	int (*accept)(void *, int, struct sockaddr *, socklen_t *);
	void *connect;
	ssize_t (*read)(void *, int, void *, size_t);
	void *others[4];
	ssize_t (*write)(void *, int, const void *, size_t);
	void *more[11];
	int (*netdev_send)(void *, const void *, size_t);
	int (*netdev_receive)(void *, void *, size_t *, long long *);
	int (*usleep)(void *, unsigned);
	int (*gettimeofday)(void *, struct timeval *, struct timezone *);
	void *epoll[3];
	int (*pipe)(void *, int[2]);
	int (*splice)(void *, int, loff_t *, int, loff_t *, size_t, unsigned);
	void *rest[3];
};

struct trial {
	struct table call;
	int listener, fd;
	ssize_t got;
	long long began, ended; /* microseconds */
	uint32_t peer_iss;      /* of what the library sends */
};

static long long now(struct trial *trial)
{
	struct timeval time;

	assert_int_equal(trial->call.gettimeofday(trial->call.net, &time, NULL), 0);
	return time.tv_sec * 1000000ll + time.tv_usec;
}

static void begin(struct trial *trial)
{
	void (*init)(const char *, struct table *) = (void (*)(const char *, struct table *))dlsym(
	        RTLD_DEFAULT, "packetdrill_interface_init");
	struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(PORT)};
	void *net;

	assert_non_null(init);
	*trial = (struct trial){.fd = -1};
	init("local=192.168.0.1,seed=3,tcp_timestamps=0", &trial->call);
	net = trial->call.net;
	assert_non_null(net);
	trial->listener = trial->call.socket(net, AF_INET, SOCK_STREAM, IPPROTO_TCP);
	assert_int_equal(trial->listener, 3);
	assert_int_equal(trial->call.bind(net, trial->listener, (void *)&here, sizeof(here)), 0);
	assert_int_equal(trial->call.listen(net, trial->listener, 1), 0);
	trial->began = now(trial);
	assert_true(trial->began > 0);
}

/* A segment from 192.0.2.1 to 192.168.0.1; numbers as in a script, from each side's SYN on. */
static void arrives(struct trial *trial, uint8_t flags, uint32_t seq, uint32_t ack, unsigned bytes)
{
	uint8_t packet[ROOM] = {0x45, [8] = 64, [9] = 6, [12] = 192, 0, 2, 1, 192, 168, 0, 1};
	struct udp_ip src = udp_ip4(0xc0000201), dst = udp_ip4(0xc0a80001);
	uint8_t *tcp = packet + 20;
	uint16_t check;
	uint64_t sum;

	wire_put16(packet + 2, (uint16_t)(40 + bytes));
	check = udp_sum_finish(udp_sum_add(0, packet, 20));
	memcpy(packet + 10, &check, sizeof(check));
	wire_put16(tcp, PEER);
	wire_put16(tcp + 2, PORT);
	wire_put32(tcp + 4, ISS + seq);
	wire_put32(tcp + 8, trial->peer_iss + ack);
	tcp[12] = 0x50;
	tcp[13] = flags;
	wire_put16(tcp + 14, 1000);
	sum = udp_sum_pseudo(0, &src, &dst, 6, 20 + bytes);
	check = udp_sum_finish(udp_sum_add(sum, tcp, 20 + bytes));
	memcpy(tcp + 16, &check, sizeof(check));
	assert_int_equal(trial->call.netdev_send(trial->call.net, packet, 40 + bytes), 0);
}

/* The next segment has these flags and so many bytes, and left so long after the beginning. */
static void leaves(struct trial *trial, uint8_t flags, unsigned bytes, long long at)
{
	uint8_t packet[ROOM];
	size_t size = sizeof(packet);
	long long when;

	assert_int_equal(trial->call.netdev_receive(trial->call.net, packet, &size, &when), 0);
	assert_int_equal(packet[20 + 13], flags);
	assert_int_equal(size - 20 - (packet[20 + 12] >> 4) * (size_t)4, bytes);
	assert_int_equal(when - trial->began, at);
	if (flags & 2)
		trial->peer_iss = wire_get32(packet + 24);
}

static void *accepts(void *context)
{
	struct trial *trial = context;

	trial->fd = trial->call.accept(trial->call.net, trial->listener, NULL, NULL);
	trial->ended = now(trial);
	return NULL;
}

static void *reads(void *context)
{
	struct trial *trial = context;
	char text[64];

	trial->got = trial->call.read(trial->call.net, trial->fd, text, sizeof(text));
	trial->ended = now(trial);
	return NULL;
}

/* More than the peer's window and the first congestion window take. */
static void *writes(void *context)
{
	static const char much[8000];
	struct trial *trial = context;

	trial->got = trial->call.write(trial->call.net, trial->fd, much, sizeof(much));
	trial->ended = now(trial);
	return NULL;
}

static void join(struct trial *trial, pthread_t thread, long long at)
{
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(trial->ended - trial->began, at);
}

static void test_calls_that_block(void **state)
{
	struct trial trial;
	pthread_t thread;

	begin(&trial);
	assert_int_equal(pthread_create(&thread, NULL, accepts, &trial), 0);
	assert_int_equal(trial.call.usleep(trial.call.net, 100 * MS), 0);
	arrives(&trial, 0x02, 0, 0, 0);
	leaves(&trial, 0x12, 0, 100ll * MS);
	assert_int_equal(trial.call.usleep(trial.call.net, 50 * MS), 0);
	arrives(&trial, 0x10, 1, 1, 0);
	join(&trial, thread, 150ll * MS);
	assert_int_equal(trial.fd, 4);
	assert_int_equal(pthread_create(&thread, NULL, reads, &trial), 0);
	assert_int_equal(trial.call.usleep(trial.call.net, 10 * MS), 0);
	arrives(&trial, 0x18, 1, 1, 10);
	join(&trial, thread, 160ll * MS);
	assert_int_equal(trial.got, 10);
	leaves(&trial, 0x10, 0, 160ll * MS);
	trial.call.free(trial.call.net);
}

/* A call begins to send the moment that it is made, though nobody waited for its thread. */
static void test_a_writer_comes_in(void **state)
{
	struct trial trial;
	pthread_t thread;

	begin(&trial);
	arrives(&trial, 0x02, 0, 0, 0);
	leaves(&trial, 0x12, 0, 0);
	arrives(&trial, 0x10, 1, 1, 0);
	(void)accepts(&trial);
	assert_int_equal(pthread_create(&thread, NULL, writes, &trial), 0);
	leaves(&trial, 0x10, 500, 0); /* half the window, 1,000 bytes, at a time */
	leaves(&trial, 0x10, 500, 0);
	join(&trial, thread, 0);
	assert_int_equal(trial.got, 8000);
	assert_int_equal(trial.call.usleep(trial.call.net, 20 * MS), 0);
	arrives(&trial, 0x10, 1, 1001, 0);
	leaves(&trial, 0x10, 500, 20ll * MS);
	trial.call.free(trial.call.net);
}

/* The table's last places: through a pipe a stream's bytes go back to where they came from. */
static void test_splice(void **state)
{
	struct trial trial;
	int ends[2];
	void *net;

	begin(&trial);
	net = trial.call.net;
	arrives(&trial, 0x02, 0, 0, 0);
	leaves(&trial, 0x12, 0, 0);
	arrives(&trial, 0x10, 1, 1, 0);
	(void)accepts(&trial);
	assert_int_equal(trial.call.pipe(net, ends), 0);
	assert_true(ends[0] > trial.fd && ends[1] > ends[0]);
	arrives(&trial, 0x18, 1, 1, 100);
	leaves(&trial, 0x10, 0, 0);
	assert_int_equal(trial.call.splice(net, trial.fd, NULL, ends[1], NULL, 1000, 0), 100);
	assert_int_equal(trial.call.splice(net, ends[0], NULL, trial.fd, NULL, 40, 0), 40);
	leaves(&trial, 0x18, 40, 0);
	assert_int_equal(trial.call.splice(net, ends[1], NULL, trial.fd, NULL, 40, 0), -1);
	assert_int_equal(errno, EBADF);
	trial.call.free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_calls_that_block),
	        cmocka_unit_test(test_a_writer_comes_in),
	        cmocka_unit_test(test_splice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
