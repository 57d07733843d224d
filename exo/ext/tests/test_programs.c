/* SPDX-License-Identifier: BSD-2-Clause */
/* The handlers that ship, each with questions as they come over a wire, in the kernel's own path.
 */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common.h"

enum { ALICE = 2, ADDRESS = 0x0a000002, PEER = 0x0a000001, PORT = 4000 };
enum { ETHERNET = 14, IP = 20, UDP_HEADER = 8, PAYLOAD = ETHERNET + IP + UDP_HEADER };

static struct world_ring ring;
static struct exo_bind bound;
static struct exo_cap space;
static uint8_t frame[2048], answer[2048];
static uint64_t arena;
static int ref;

static int start(void **state)
{
	world_start();
	return 0;
}

/* Alice gets and may send everything: what a handler sends is looked at here. */
static int set_up(void **state)
{
	struct flt_conjunction any;

	world_any(&any);
	space = world_grant(ALICE, EXO_RIGHT_BIND | EXO_RIGHT_SEND, &any, &any);
	assert_int_equal(world_ring(ALICE, EXO_RING_RECEIVE, 16, NULL, &ring), 0);
	world_fill(ALICE, &ring, 8, 2048, 0xaa);
	memset(&bound, 0, sizeof(bound));
	return (int)world_bind(ALICE, &space, &any, &ring, &bound);
}

static int tear_down(void **state)
{
	test_end(ALICE);
	assert_int_equal(world_pins(), 0);
	assert_int_equal(world_mbufs(), 0);
	return 0;
}

static void use(const char *name, uint32_t frames)
{
	uint32_t size;
	const void *bytes = test_object(name, &size);

	arena = frames ? world_frames(ALICE, frames, 0) : 0;
	ref = test_create_bytes(ALICE, bytes, size, arena, frames);
	if (ref < 0)
		fail_msg("%s: %s", name, test_reason);
	if (test_handle(ALICE, ref, name, &bound.out, &space, EXO_HANDLER_BUDGET_MAX) < 0)
		fail_msg("%s: %s", name, test_reason);
}

static void set(const char *map, const void *key, uint32_t key_size, const void *value,
                uint32_t value_size)
{
	assert_int_equal(test_map(ALICE, ref, EXO_EXT_MAP_UPDATE, map, key, key_size,
	                          (void *)(uintptr_t)value, value_size),
	                 0);
}

/* The transport checksum over pseudo header and segment is right. */
static void check_sums(const uint8_t *bytes, uint32_t length)
{
	uint32_t total = (uint32_t)bytes[16] << 8 | bytes[17], l4 = total - IP;

	assert_true(ETHERNET + total <= length || length == 60);
	assert_int_equal(world_sum(bytes + ETHERNET, IP, 0), 0xffff);
	assert_int_equal(world_sum(bytes + ETHERNET + IP, l4,
	                           world_sum(bytes + ETHERNET + 12, 8, bytes[23] + l4)),
	                 0xffff);
}

/* Sends a datagram with that payload. → bytes of the answer's payload at `answer` + PAYLOAD, or -1.
 */
static int ask(const void *payload, uint32_t n)
{
	uint32_t length = world_udp(frame, PEER, PORT, ADDRESS, 7, n), sum;

	memcpy(frame + PAYLOAD, payload, n);
	frame[40] = frame[41] = 0;
	sum = ~world_sum(frame + 34, 8 + n, world_sum(frame + 26, 8, 17 + 8 + n)) & 0xffff;
	frame[40] = (uint8_t)(sum >> 8);
	frame[41] = (uint8_t)sum;
	world_arrive(0, frame, length, 0);
	world_poll();
	length = world_sent(0, answer, sizeof(answer));
	if (!length)
		return -1;
	check_sums(answer, length);
	assert_memory_equal(answer + 26, frame + 30, 4);
	assert_memory_equal(answer + 30, frame + 26, 4);
	return (int)((uint32_t)answer[38] << 8 | answer[39]) - UDP_HEADER;
}

static void icmp_echo(void **state)
{
	uint32_t length = world_udp(frame, PEER, PORT, ADDRESS, 7, 56), sum;

	use("icmp_echo", 0);
	frame[23] = 1;
	frame[24] = frame[25] = 0;
	sum = ~world_sum(frame + 14, 20, 0) & 0xffff;
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	memcpy(frame + 34, "\10\0\0\0\0\1\0\2", 8);
	sum = ~world_sum(frame + 34, 64, 0) & 0xffff;
	frame[36] = (uint8_t)(sum >> 8);
	frame[37] = (uint8_t)sum;
	world_arrive(0, frame, length, 0);
	world_poll();
	assert_int_equal(world_sent(0, answer, sizeof(answer)), length);
	assert_int_equal(answer[34], 0);
	assert_int_equal(world_sum(answer + 34, 64, 0), 0xffff);
	assert_int_equal(world_sum(answer + 14, 20, 0), 0xffff);
	assert_int_equal(answer[22], 64);
}

static void neighbour_arp(void **state)
{
	static const uint8_t link[6] = {2, 0, 0, 0, 0, 1};
	static const uint8_t question[42] = {255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0,  9, 8, 6,
	                                     0,   1,   8,   0,   6,   4,   0, 1, 2, 0, 0,  0, 0, 9,
	                                     10,  0,   0,   1,   0,   0,   0, 0, 0, 0, 10, 0, 0, 2};
	uint8_t key[16] = {10, 0, 0, 2};
	struct exo_desc desc;

	use("neighbour", 0);
	set("addresses", key, 16, link, 6);
	world_arrive(0, question, sizeof(question), 0);
	world_poll();
	assert_int_equal(world_sent(0, answer, sizeof(answer)), sizeof(question));
	assert_memory_equal(answer, question + 6, 6);
	assert_memory_equal(answer + 6, link, 6);
	assert_int_equal(answer[21], 2);
	assert_memory_equal(answer + 22, link, 6);
	assert_memory_equal(answer + 28, key, 4);
	assert_memory_equal(answer + 32, question + 22, 10);
	memcpy(frame, question,
	       sizeof(question)); /* of another address: the environment's business */
	frame[41] = 3;
	world_arrive(0, frame, sizeof(question), 0);
	world_poll();
	assert_int_equal(world_sent(0, answer, sizeof(answer)), 0);
	assert_true(world_get(&ring, &desc));
}

static void memcached(void **state)
{
	static const char response[] = "VALUE apple 0 5\r\ngreen\r\nEND\r\n";
	struct {
		uint8_t length;
		char bytes[31];
	} key = {5, "apple"};
	const uint32_t place[2] = {4090, sizeof(response) - 1}; /* over a frame's end */
	int n;

	use("memcached", 16);
	memcpy((uint8_t *)world_memory(arena * 4096) + 4090, response, 6);
	memcpy(world_memory((arena + 1) * 4096), response + 6, sizeof(response) - 7);
	set("values", &key, sizeof(key), place, sizeof(place));
	n = ask("\x12\x34\0\0\0\1\0\0get apple\r\n", 19);
	assert_int_equal(n, 8 + (int)sizeof(response) - 1);
	assert_memory_equal(answer + PAYLOAD, "\x12\x34\0\0\0\1\0\0", 8);
	assert_memory_equal(answer + PAYLOAD + 8, response, sizeof(response) - 1);
	n = ask("\x12\x34\0\0\0\1\0\0get pear\r\n", 18);
	assert_int_equal(n, 8 + 5);
	assert_memory_equal(answer + PAYLOAD + 8, "END\r\n", 5);
	assert_int_equal(ask("\x12\x34\0\0\0\1\0\0set pear 1 1 1\r\n", 24), -1);
}

static void active(void **state)
{
	uint32_t words[3] = {htonl(0), htonl(3), htonl(40)};
	const uint8_t *part_of;
	char part[12 + 16] = "\0\0\0\2\0\0\0\5\0\0\0\0into the arena";

	use("active", 16);
	assert_int_equal(ask(words, 12), 12);
	assert_memory_equal(answer + PAYLOAD + 8, "\0\0\0\0", 4);
	assert_int_equal(ask(words, 12), 12);
	assert_memory_equal(answer + PAYLOAD + 8, "\0\0\0\50", 4);
	words[1] = htonl(64);
	assert_int_equal(ask(words, 12), -1);
	assert_int_equal(world_events[ALICE] & EXO_EVENT_HANDLER, 0);
	assert_int_equal(ask(part, 12 + 14), -1);
	assert_true(world_events[ALICE] & EXO_EVENT_HANDLER);
	part_of = world_memory(arena * 4096 + 5120);
	assert_memory_equal(part_of + 4, "into the arena", 14);
	assert_int_equal(*(const uint32_t *)(const void *)part_of, 14);
	part[7] = 64; /* a slot that is not there */
	assert_int_equal(ask(part, 12 + 14), -1);
}

static uint32_t call(uint32_t procedure, uint32_t a, uint32_t b, uint32_t *status)
{
	uint32_t words[4] = {htonl(77), htonl(procedure), htonl(a), htonl(b)}, reply[3];

	assert_int_equal(ask(words, sizeof(words)), 12);
	memcpy(reply, answer + PAYLOAD, sizeof(reply));
	assert_int_equal(ntohl(reply[0]), 77);
	*status = ntohl(reply[1]);
	return ntohl(reply[2]);
}

static void rpc(void **state)
{
	uint32_t status;

	use("rpc", 0);
	assert_int_equal(call(1, 20, 22, &status), 42);
	assert_int_equal(status, 0);
	(void)call(2, 5, 0, &status);
	assert_int_equal(status, 2);
	(void)call(3, 5, 99, &status);
	assert_int_equal(status, 0);
	assert_int_equal(call(2, 5, 0, &status), 99);
	(void)call(9, 0, 0, &status);
	assert_int_equal(status, 1);
}

static void balance(void **state)
{
	const uint32_t state_of[3] = {2, 0x00000002, 0x00000100};
	uint8_t backend[16] = {2, 0, 0, 0, 0, 0x50};
	uint32_t length;

	use("balance", 0);
	for (uint32_t i = 0; i < 2; i++, backend[5]++)
		set("backends", &i, 4, backend, 16);
	set("state", &(uint32_t){0}, 4, state_of, 12);
	for (uint16_t port = 1; port < 64; port++) {
		length = world_udp(frame, PEER, port, ADDRESS, 7, 10);
		world_arrive(0, frame, length, 0);
		world_poll();
		assert_int_equal(world_sent(0, answer, sizeof(answer)), length);
		assert_true(answer[5] == 0x50 || answer[5] == 0x51);
		assert_memory_equal(answer + 12, frame + 12, length - 12);
	}
	for (uint32_t i = 0; i < 2; i++) {
		uint64_t counted[2];

		assert_int_equal(
		        test_map(ALICE, ref, EXO_EXT_MAP_LOOKUP, "backends", &i, 4, counted, 16),
		        0);
		assert_true(counted[1] > 10 && counted[1] < 53);
	}
}

/* ---- TCP ---- */

/* A segment with `n` bytes of payload from the peer. → the answer's length, 0: none. */
static uint32_t segment(uint8_t flags, uint32_t sequence, uint32_t ack, const char *payload)
{
	uint32_t n = (uint32_t)strlen(payload), length, sum;

	length = world_udp(frame, PEER, PORT, ADDRESS, 80, 12 + n);
	frame[23] = 6;
	frame[24] = frame[25] = 0;
	sum = ~world_sum(frame + 14, 20, 0) & 0xffff;
	frame[24] = (uint8_t)(sum >> 8);
	frame[25] = (uint8_t)sum;
	memset(frame + 38, 0, 16);
	*(uint32_t *)(void *)(frame + 38) = htonl(sequence);
	*(uint32_t *)(void *)(frame + 42) = htonl(ack);
	frame[46] = 0x50;
	frame[47] = flags;
	memcpy(frame + 54, payload, n);
	world_arrive(0, frame, length, 0);
	world_poll();
	length = world_sent(0, answer, sizeof(answer));
	if (length)
		check_sums(answer, length);
	return length;
}

static uint32_t long_of(uint32_t at)
{
	uint32_t value;

	memcpy(&value, answer + at, 4);
	return ntohl(value);
}

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

static void http(void **state)
{
	static const char page[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	const uint64_t secret[2] = {0x0123456789abcdef, 0xfedcba9876543210};
	uint32_t zero = 0, size = sizeof(page) - 1, cookie;

	use("http", 1);
	memcpy(world_memory(arena * 4096), page, size);
	set("secret", &zero, 4, secret, 16);
	set("length", &zero, 4, &size, 4);
	assert_int_equal(segment(SYN, 1000, 0, ""), 58);
	assert_int_equal(answer[47], SYN | ACK);
	assert_int_equal(long_of(42), 1001);
	cookie = long_of(38);
	assert_int_equal(segment(ACK, 1001, cookie + 1, ""), 0);
	assert_int_equal(segment(ACK | 8, 1001, cookie + 1, "GET / HTTP/1.1\r\n\r\n"),
	                 54 + sizeof(page) - 1);
	assert_int_equal(answer[47], FIN | ACK | 8);
	assert_int_equal(long_of(38), cookie + 1);
	assert_int_equal(long_of(42), 1001 + 18);
	assert_memory_equal(answer + 54, page, size);
	assert_int_equal(segment(FIN | ACK, 1019, cookie + 1 + size + 1, ""), 54);
	assert_int_equal(answer[47], ACK);
	assert_int_equal(long_of(42), 1020);
	/* A cookie that is none of ours gets a reset, and no page. */
	assert_int_equal(segment(ACK | 8, 1001, cookie + 2, "GET / HTTP/1.1\r\n\r\n"), 54);
	assert_int_equal(answer[47], RST | ACK);
}

static void syn_cookie(void **state)
{
	const uint64_t secret[2] = {1, 2};
	uint32_t zero = 0, cookie;
	uint64_t count;
	struct exo_desc desc;

	use("syn_cookie", 0);
	set("secret", &zero, 4, secret, 16);
	assert_int_equal(segment(SYN, 7, 0, ""), 58);
	cookie = long_of(38);
	assert_int_equal(segment(SYN, 7, 0, ""), 58);
	assert_int_equal(long_of(38), cookie); /* nothing is remembered, nothing is random */
	assert_int_equal(segment(ACK, 8, cookie + 9, ""), 0);
	assert_false(world_get(&ring, &desc));
	assert_int_equal(segment(ACK, 8, cookie + 1, ""), 0);
	assert_true(world_get(&ring, &desc));
	assert_int_equal(segment(ACK | 8, 8, cookie + 1, "data"), 0);
	assert_true(world_get(&ring, &desc));
	zero = 2;
	assert_int_equal(test_map(ALICE, ref, EXO_EXT_MAP_LOOKUP, "counts", &zero, 4, &count, 8),
	                 0);
	assert_int_equal(count, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
	        CASE(icmp_echo), CASE(neighbour_arp), CASE(memcached), CASE(active),
	        CASE(rpc),       CASE(balance),       CASE(http),      CASE(syn_cookie),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
