/* SPDX-License-Identifier: BSD-2-Clause */
/* Local sockets, and what a set without stacks says. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>
#include <sockets/sock.h>

enum { SOCKETS = 6, BLOCKS = 64 };

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

/* What either end shuts, poll tells at both; what had come before can be read. */
static void is_shut_at_both_ends(void **state)
{
	unsigned all = POLLIN | POLLOUT | POLLRDHUP | POLLHUP;
	char text[8];

	assert_int_equal(put(pair[0], "abc", 3), 3);
	assert_int_equal(sock_shutdown(pair[1], SHUT_RD), 0);
	assert_int_equal(put(pair[0], "d", 1), -EPIPE);
	assert_false(sock_poll(pair[0]) & POLLHUP);
	assert_int_equal(get(pair[1], text, sizeof(text), 0), 3);
	assert_int_equal(get(pair[1], text, sizeof(text), 0), 0);
	assert_int_equal(sock_shutdown(pair[1], SHUT_WR), 0);
	assert_int_equal(sock_poll(pair[0]) & all, all);
	assert_int_equal(sock_poll(pair[1]) & all, all);
}

/* Who is connected to one that hears many learns that there is room again, also where it was
 * another queue that had taken all blocks. */
static void room_is_news(void **state)
{
	struct sock_name name = {.size = 3, .bytes = "\0to"};
	struct sock *to, *from, *other[2];
	static char text[4096];
	uint32_t before;

	assert_int_equal(sock_open_local(&set, SOCK_DGRAM, &to), 0);
	assert_int_equal(sock_open_local(&set, SOCK_DGRAM, &from), 0);
	assert_int_equal(sock_bind_local(to, &name), 0);
	assert_int_equal(sock_connect_local(from, &name), 0);
	while (put(from, text, sizeof(text)) > 0)
		;
	before = from->edges;
	assert_int_equal(get(to, text, sizeof(text), 0), sizeof(text));
	assert_int_not_equal(from->edges, before);
	assert_int_equal(sock_pair(&set, SOCK_DGRAM, other), 0);
	while (put(other[0], text, 1) > 0)
		;
	assert_int_equal(put(from, text, sizeof(text)), -EAGAIN);
	before = from->edges;
	assert_int_equal(get(other[1], text, sizeof(text), 0), 1);
	assert_int_not_equal(from->edges, before);
}

static void says_what_is_awaited(void **state)
{
	int low = 4;

	assert_int_equal(sock_awaited(pair[0], 0, 10), 1);
	assert_int_equal(sock_awaited(pair[0], MSG_WAITALL, 10), 10);
	assert_int_equal(sock_set_option(pair[0], SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low)), 0);
	assert_int_equal(sock_awaited(pair[0], 0, 10), 4);
	assert_int_equal(sock_awaited(pair[0], 0, 3), 3);
}

static void refuses(void **state)
{
	struct sock *sock;

	assert_int_equal(sock_open(&set, AF_UNIX, SOCK_STREAM, 0, &sock), -EAFNOSUPPORT);
	assert_int_equal(sock_open(&set, AF_INET, SOCK_STREAM, 0, &sock), -ESOCKTNOSUPPORT);
	assert_int_equal(sock_open(&set, AF_INET, SOCK_DGRAM, 6, &sock), -EPROTONOSUPPORT);
	assert_int_equal(sock_listen(pair[0], 1), -EINVAL);
	assert_int_equal(sock_accept(pair[0], &sock), -EINVAL);
	assert_int_equal(sock_connect(pair[0], "", 0), -EINVAL);
	assert_int_equal(sock_open_local(&set, SOCK_RAW, &sock), -ESOCKTNOSUPPORT);
}

/* ---- Names ---- */

static struct sock_name called(const char *name)
{
	struct sock_name made = {.size = (uint8_t)(strlen(name) + 1)};

	memcpy(made.bytes + 1, name, strlen(name));
	return made;
}

static struct sock *open_local(int type)
{
	struct sock *sock;

	assert_int_equal(sock_open_local(&set, type, &sock), 0);
	return sock;
}

static void streams_by_name(void **state)
{
	struct sock *listener = open_local(SOCK_STREAM), *client = open_local(SOCK_STREAM), *end;
	struct sock_name name = called("here"), other = called("there");
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	char text[4];

	assert_int_equal(sock_connect_local(client, &name), -ECONNREFUSED);
	assert_int_equal(sock_bind_local(listener, &name), 0);
	assert_int_equal(sock_bind_local(listener, &other), -EINVAL);
	assert_int_equal(sock_bind_local(client, &name), -EADDRINUSE);
	assert_int_equal(sock_connect_local(client, &name), -ECONNREFUSED);
	assert_int_equal(sock_listen(listener, 0), 0);
	assert_int_equal(sock_accept(listener, &end), -EAGAIN);
	assert_int_equal(sock_connect_local(client, &name), 0);
	assert_int_equal(sock_connect_local(client, &name), -EISCONN);
	assert_true(sock_poll(listener) & POLLIN);
	assert_int_equal(put(client, "hi", 2), 2);
	assert_int_equal(sock_accept(listener, &end), 0);
	assert_int_equal(get(end, text, sizeof(text), 0), 2);
	assert_int_equal(sock_name(client, true, &address, &size), 0);
	assert_int_equal(size, offsetof(struct sockaddr_un, sun_path) + 5);
	assert_memory_equal(address.sun_path, "\0here", 5);
	sock_close(client);
	assert_int_equal(get(end, text, sizeof(text), 0), 0);
}

static void a_full_listener_makes_wait(void **state)
{
	struct sock *listener = open_local(SOCK_STREAM), *end;
	struct sock_name name = called("here");

	sock_close(pair[0]);
	sock_close(pair[1]);
	assert_int_equal(sock_bind_local(listener, &name), 0);
	assert_int_equal(sock_listen(listener, 0), 0);
	pair[0] = open_local(SOCK_STREAM);
	assert_int_equal(sock_connect_local(pair[0], &name), 0);
	pair[1] = open_local(SOCK_STREAM);
	assert_int_equal(sock_connect_local(pair[1], &name), -EAGAIN);
	assert_int_equal(sock_accept(listener, &end), 0);
	/* What nobody accepted is refused when the listener goes. */
	sock_close(end);
	assert_int_equal(sock_connect_local(pair[1], &name), 0);
	sock_close(listener);
	assert_int_equal(get(pair[1], &(char){0}, 1, 0), -ECONNRESET);
	assert_int_equal(get(pair[1], &(char){0}, 1, 0), 0);
}

static void datagrams_by_name(void **state)
{
	static uint8_t big[5000], back[5000];
	struct sock *to = open_local(SOCK_DGRAM), *from = open_local(SOCK_DGRAM);
	struct sock_name name = called("to"), own = {.size = 0};
	struct iovec piece = {big, sizeof(big)};
	struct sock_data data = {.pieces = &piece, .n = 1, .name = &name};
	struct sock_origin origin = {.size = 0};

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 7 >> 2);
	assert_int_equal(sock_send(from, &data, 0, NULL, 0), -ECONNREFUSED);
	assert_int_equal(sock_bind_local(to, &name), 0);
	assert_int_equal(sock_bind_local(from, &own), 0);
	assert_int_equal(sock_send(from, &data, 0, NULL, 0), 5000);
	piece.iov_len = 0;
	assert_int_equal(sock_send(from, &data, 0, NULL, 0), 0);
	piece = (struct iovec){back, sizeof(back)};
	data.name = NULL;
	assert_int_equal(sock_receive(to, &data, 0, &origin), 5000);
	assert_memory_equal(big, back, sizeof(big));
	assert_int_equal(origin.name.size, 6);
	assert_memory_equal(origin.name.bytes,
	                    "\0"
	                    "00000",
	                    6);
	assert_int_equal(sock_receive(to, &data, 0, &origin), 0);
	assert_int_equal(sock_receive(to, &data, 0, &origin), -EAGAIN);
	assert_int_equal(put(from, "x", 1), -ENOTCONN);
	assert_int_equal(sock_connect_local(from, &name), 0);
	assert_int_equal(put(from, "x", 1), 1);
	sock_close(to);
	assert_int_equal(put(from, "x", 1), -ECONNREFUSED);
	assert_int_equal(set.blocks_free, BLOCKS);
}

static void records_stay_whole(void **state)
{
	struct sock *ends[2];
	char text[8];

	sock_close(pair[0]);
	sock_close(pair[1]);
	assert_int_equal(sock_pair(&set, SOCK_SEQPACKET, ends), 0);
	assert_int_equal(put(ends[0], "abc", 3), 3);
	assert_int_equal(put(ends[0], "de", 2), 2);
	assert_int_equal(get(ends[1], text, 2, 0), 2);
	assert_int_equal(get(ends[1], text, sizeof(text), 0), 2);
	sock_close(ends[0]);
	assert_int_equal(get(ends[1], text, sizeof(text), 0), 0);
}

/* ---- Rights ---- */

static unsigned dropped;

static void drop(uint16_t file)
{
	dropped += file;
}

static int give_right(struct sock_rights *rights, int fd)
{
	if (fd < 0)
		return -EBADF;
	rights->files[rights->n++] = (uint16_t)fd;
	return 0;
}

static int64_t put_rights(struct sock *sock, const char *text, struct sock_rights rights)
{
	struct iovec piece = {(void *)text, strlen(text)};
	struct sock_data data = {.pieces = &piece, .n = 1, .rights = &rights};

	return sock_send(sock, &data, 0, NULL, 0);
}

static void rights_go_with_their_bytes(void **state)
{
	struct sock_rights got = {.n = 0};
	char text[16];
	struct iovec piece = {text, sizeof(text)};
	struct sock_data data = {.pieces = &piece, .n = 1, .rights = &got};
	struct sock_origin origin;

	set.drop_right = drop;
	dropped = 0;
	assert_int_equal(put(pair[0], "ab", 2), 2);
	assert_int_equal(put_rights(pair[0], "cd", (struct sock_rights){2, {7, 8}}), 2);
	assert_int_equal(put_rights(pair[0], "ef", (struct sock_rights){1, {9}}), 2);
	assert_int_equal(put(pair[0], "gh", 2), 2);
	assert_int_equal(sock_receive(pair[1], &data, 0, &origin), 4);
	assert_int_equal(got.n, 2);
	assert_int_equal(got.files[0], 7);
	assert_int_equal(got.files[1], 8);
	assert_false(origin.lost_rights);
	data.rights = NULL; /* who does not ask loses them */
	assert_int_equal(sock_receive(pair[1], &data, 0, &origin), 4);
	assert_true(origin.lost_rights);
	assert_int_equal(dropped, 9);
	assert_int_equal(put_rights(pair[0], "ij", (struct sock_rights){1, {20}}), 2);
	sock_close(pair[1]);
	assert_int_equal(dropped, 29);
	assert_int_equal(set.blocks_free, BLOCKS);
}

static void control_messages_are_checked(void **state)
{
	union {
		struct cmsghdr header;
		uint8_t bytes[64];
	} control = {.header = {.cmsg_len = CMSG_LEN(2 * sizeof(int)),
	                        .cmsg_level = SOL_SOCKET,
	                        .cmsg_type = SCM_RIGHTS}};
	struct sock_rights rights = {.n = 0};
	struct sock_data data = {.rights = &rights};
	struct sock_origin origin = {.datagram = false};
	uint8_t out[CMSG_SPACE(8)];
	bool cut;

	memcpy(CMSG_DATA(&control.header), (int[]){3, 4}, 8);
	assert_int_equal(sock_control_read(pair[0], &control, CMSG_SPACE(8), &data, give_right), 0);
	assert_int_equal(rights.n, 2);
	assert_int_equal(sock_control_read(pair[0], &control, CMSG_LEN(8) - 1, &data, give_right),
	                 -EINVAL);
	memcpy(CMSG_DATA(&control.header), (int[]){3, -1}, 8);
	assert_int_equal(sock_control_read(pair[0], &control, CMSG_SPACE(8), &data, give_right),
	                 -EBADF);
	control.header.cmsg_len = 3;
	assert_int_equal(sock_control_read(pair[0], &control, CMSG_SPACE(8), &data, give_right),
	                 -EINVAL);
	control.header.cmsg_len = SIZE_MAX;
	assert_int_equal(sock_control_read(pair[0], &control, CMSG_SPACE(8), &data, give_right),
	                 -EINVAL);
	assert_int_equal(
	        sock_control_write(pair[0], &origin, (int[]){5, 6}, 2, out, sizeof(out), &cut),
	        sizeof(out));
	assert_false(cut);
	assert_int_equal(((struct cmsghdr *)(void *)out)->cmsg_len, CMSG_LEN(8));
	assert_int_equal(sock_control_write(pair[0], &origin, (int[]){5, 6}, 2, out, 4, &cut), 0);
	assert_true(cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(carries_both_ways, setup, teardown),
	        cmocka_unit_test_setup_teardown(keeps_order, setup, teardown),
	        cmocka_unit_test_setup_teardown(is_bounded, setup, teardown),
	        cmocka_unit_test_setup_teardown(ends, setup, teardown),
	        cmocka_unit_test_setup_teardown(is_shut_at_both_ends, setup, teardown),
	        cmocka_unit_test_setup_teardown(room_is_news, setup, teardown),
	        cmocka_unit_test_setup_teardown(says_what_is_awaited, setup, teardown),
	        cmocka_unit_test_setup_teardown(refuses, setup, teardown),
	        cmocka_unit_test_setup_teardown(control_messages_are_checked, setup, teardown),
	        cmocka_unit_test_setup_teardown(rights_go_with_their_bytes, setup, teardown),
	        cmocka_unit_test_setup_teardown(records_stay_whole, setup, teardown),
	        cmocka_unit_test_setup_teardown(datagrams_by_name, setup, teardown),
	        cmocka_unit_test_setup_teardown(a_full_listener_makes_wait, setup, teardown),
	        cmocka_unit_test_setup_teardown(streams_by_name, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
