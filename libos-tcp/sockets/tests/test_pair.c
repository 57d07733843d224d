/* SPDX-License-Identifier: BSD-2-Clause */
/* Pairs of local streams, and what a set without stacks says. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>
#include <sockets/sock.h>

enum { SOCKETS = 4, BLOCKS = 64 };

static struct socks set;
static void *memory;
static struct sock *pair[2];

static int setup(void **state)
{
	memory = calloc(1, socks_bytes(SOCKETS, BLOCKS));
	assert_non_null(memory);
	socks_init(&set, memory, SOCKETS, BLOCKS);
	assert_int_equal(sock_pair(&set, SOCK_STREAM, pair), 0);
	return 0;
}

static int teardown(void **state)
{
	free(memory);
	return 0;
}

static int64_t put(struct sock *sock, void *from, size_t size)
{
	struct iovec piece = {from, size};
	struct sock_data data = {.pieces = &piece, .n = 1};

	return sock_send(sock, &data, 0, NULL, 0);
}

static int64_t get(struct sock *sock, void *to, size_t size, int flags)
{
	struct iovec piece = {to, size};
	struct sock_data data = {.pieces = &piece, .n = 1};
	struct sock_origin origin;

	return sock_receive(sock, &data, flags, &origin);
}

static void carries_both_ways(void **state)
{
	char text[8] = "";

	assert_int_equal(get(pair[0], text, sizeof(text), 0), -EAGAIN);
	assert_int_equal(put(pair[0], "ab", 2), 2);
	assert_int_equal(put(pair[0], "cd", 2), 2);
	assert_int_equal(put(pair[1], "x", 1), 1);
	assert_true(sock_poll(pair[1]) & POLLIN);
	assert_int_equal(get(pair[1], text, 3, MSG_PEEK), 3);
	assert_int_equal(get(pair[1], text, 3, 0), 3);
	assert_memory_equal(text, "abc", 3);
	assert_int_equal(get(pair[1], text, sizeof(text), 0), 1);
	assert_int_equal(get(pair[0], text, sizeof(text), 0), 1);
	assert_false(sock_poll(pair[1]) & POLLIN);
}

/* In pieces on both sides, across blocks, with the first bytes left out. */
static void keeps_order(void **state)
{
	static uint8_t from[10000], to[10000];
	struct iovec out[3] = {{from, 4000}, {NULL, 0}, {from + 4000, 6000}};
	struct iovec in[2] = {{to, 9000}, {to + 9000, 1000}};
	struct sock_data data = {.pieces = out, .n = 3, .skip = 100};
	struct sock_origin origin;

	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 13 >> 3);
	assert_int_equal(sock_send(pair[0], &data, 0, NULL, 0), 9900);
	data = (struct sock_data){.pieces = in, .n = 2, .skip = 100};
	assert_int_equal(sock_receive(pair[1], &data, 0, &origin), 9900);
	assert_memory_equal(from + 100, to + 100, 9900);
}

static void is_bounded(void **state)
{
	static uint8_t much[1 << 20];
	int64_t n = put(pair[0], much, sizeof(much)), got;

	assert_true(n > 0 && n < (int64_t)sizeof(much));
	assert_int_equal(put(pair[0], much, 1), -EAGAIN);
	assert_false(sock_poll(pair[0]) & POLLOUT);
	for (got = 0; got < n;)
		got += get(pair[1], much, 5000, 0);
	assert_int_equal(got, n);
	assert_true(sock_poll(pair[0]) & POLLOUT);
	assert_int_equal(set.blocks_free, BLOCKS);
}

static void ends(void **state)
{
	char byte;

	assert_int_equal(put(pair[0], "z", 1), 1);
	assert_int_equal(sock_shutdown(pair[0], SHUT_WR), 0);
	assert_int_equal(put(pair[0], "z", 1), -EPIPE);
	assert_int_equal(get(pair[1], &byte, 1, 0), 1);
	assert_int_equal(get(pair[1], &byte, 1, 0), 0);
	sock_close(pair[0]);
	assert_true(sock_poll(pair[1]) & POLLHUP);
	assert_int_equal(put(pair[1], "z", 1), -EPIPE);
	sock_close(pair[1]);
	assert_int_equal(set.blocks_free, BLOCKS);
	assert_null(socks_at(&set, 0));
}

static void refuses(void **state)
{
	struct sock *sock;

	assert_int_equal(sock_open(&set, AF_UNIX, SOCK_STREAM, 0, &sock), -EAFNOSUPPORT);
	assert_int_equal(sock_open(&set, AF_INET, SOCK_STREAM, 0, &sock), -ESOCKTNOSUPPORT);
	assert_int_equal(sock_open(&set, AF_INET, SOCK_DGRAM, 6, &sock), -EPROTONOSUPPORT);
	assert_int_equal(sock_listen(pair[0], 1), -EOPNOTSUPP);
	assert_int_equal(sock_accept(pair[0], &sock), -EOPNOTSUPP);
	assert_int_equal(sock_connect(pair[0], "", 0), -EISCONN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(carries_both_ways, setup, teardown),
	        cmocka_unit_test_setup_teardown(keeps_order, setup, teardown),
	        cmocka_unit_test_setup_teardown(is_bounded, setup, teardown),
	        cmocka_unit_test_setup_teardown(ends, setup, teardown),
	        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
