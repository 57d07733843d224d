/* SPDX-License-Identifier: BSD-2-Clause */
/* Which acknowledgements need not be read: each byte in which one differs from the next is tried.
 */
#include <stdlib.h>

#include "check.h"

#include <udp/checksum.h>
#include <udp/exo.h>

#include "../exo/driver.h"

enum { N = 8, BUFFER = 256, HEAD = 64, TCP_SIZE = 20, STAMPS = 12, ACK = 16, FIRST = 0xfffffc00 };
enum { OK = EXO_DESC_L3_SUM_OK | EXO_DESC_L4_SUM_OK };

/* What a frame looks like. */
struct look {
	bool six, stamped;
};

static const struct look looks[] = {{false, false}, {false, true}, {true, false}, {true, true}};
static struct udp_exo driver;

/* Stands in for the driver's. */
void driver_give(struct udp_exo *of, uint32_t index)
{
	of->n_filled--;
}

static int set_up(void **state)
{
	driver = (struct udp_exo){.n_buffers = N, .shift = 8};
	driver.frames.address = aligned_alloc(64, (size_t)N * BUFFER);
	exo_ring_layout(&driver.rx, aligned_alloc(64, (exo_ring_bytes(N) + 63) & ~63ull), N);
	memset(driver.rx.response->desc, 0, N * sizeof driver.rx.response->desc[0]);
	return 0;
}

static int tear_down(void **state)
{
	free(driver.frames.address);
	free(driver.rx.request);
	return 0;
}

static uint8_t *frame_at(uint32_t i)
{
	return (uint8_t *)driver.frames.address + (size_t)i * BUFFER + HEAD;
}

static uint32_t l4_of(const struct look *look)
{
	return look->six ? ETH_SIZE + IP6_SIZE : ETH_SIZE + IP4_SIZE;
}

static uint32_t size_of(const struct look *look)
{
	return l4_of(look) + TCP_SIZE + (look->stamped ? STAMPS : 0);
}

static void put_sum(uint8_t *at, uint64_t sum)
{
	uint16_t check = udp_sum_finish(sum);

	memcpy(at, &check, sizeof check);
}

/* Makes the checksums right. */
static void sum_up(const struct look *look, uint8_t *frame)
{
	uint8_t *ip = frame + ETH_SIZE, *tcp = frame + l4_of(look);
	uint32_t addresses = look->six ? 32 : 8, size = size_of(look) - l4_of(look);

	if (!look->six) {
		wire_put16(ip + IP4_CHECKSUM, 0);
		put_sum(ip + IP4_CHECKSUM, udp_sum_add(0, ip, IP4_SIZE));
	}
	wire_put16(tcp + 16, 0);
	put_sum(tcp + 16, udp_sum_add((6u << 8) + __builtin_bswap16((uint16_t)size),
	                              tcp - addresses, (size_t)addresses + size));
}

/* The i-th frame of the burst: an acknowledgement of 100 bytes more than the one before. */
static uint8_t *make(const struct look *look, uint32_t i)
{
	uint8_t *frame = frame_at(i), *ip = frame + ETH_SIZE, *tcp = frame + l4_of(look);

	memset(frame - HEAD, (int)i, BUFFER); /* what lies around it differs */
	memset(frame, 2, size_of(look));
	wire_put16(frame + ETH_TYPE, look->six ? ETHERTYPE_IP6 : ETHERTYPE_IP4);
	if (look->six) {
		ip[0] = 0x60;
		wire_put16(ip + IP6_LENGTH, (uint16_t)(size_of(look) - l4_of(look)));
		ip[IP6_NEXT] = PROTOCOL_TCP;
	} else {
		ip[IP4_VERSION_IHL] = 0x45;
		wire_put16(ip + IP4_LENGTH, (uint16_t)(size_of(look) - ETH_SIZE));
		wire_put16(ip + IP4_FRAGMENT, IP4_DF);
		ip[IP4_PROTOCOL] = PROTOCOL_TCP;
	}
	wire_put32(tcp + 8, FIRST + 100 * i);
	tcp[12] = look->stamped ? 0x80 : 0x50;
	tcp[13] = ACK;
	if (look->stamped)
		wire_put32(tcp + TCP_SIZE, 0x0101080a);
	sum_up(look, frame);
	driver.rx.response->desc[i] = (struct exo_desc){
	        .address = (uint64_t)i * BUFFER + HEAD, .length = size_of(look), .cookie = i};
	return frame;
}

static void make_all(const struct look *look, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		make(look, i);
}

static uint32_t count(uint32_t n, uint32_t behind)
{
	uint32_t at = 0, count = skim_count(&driver, 0, n, &at);

	assert_int_equal(at, behind);
	return count;
}

static void the_last_one_stays(void **state)
{
	for (unsigned i = 0; i < sizeof looks / sizeof looks[0]; i++) {
		make_all(&looks[i], N);
		assert_int_equal(count(N, N), N - 1); /* the numbers wrap on the way */
		assert_int_equal(count(1, 1), 0);
		driver.rx.response->desc[3].length += 2; /* padded, unlike the others */
		assert_int_equal(count(N, 3), 2);
	}
}

/* What may differ, beside the checksums. */
static bool is_own(const struct look *look, uint32_t at)
{
	uint32_t in_ip = at - ETH_SIZE, in_tcp = at - l4_of(look);

	return (!look->six && (in_ip - IP4_ID < 2 || in_ip - IP4_CHECKSUM < 2)) || in_tcp - 8 < 4 ||
	       in_tcp - 14 < 4 || (look->stamped && in_tcp - 24 < 8);
}

/* ---- What the kernel is told ---- */

static bool agrees(const uint8_t *a, const uint8_t *b, const uint8_t *mask)
{
	for (uint32_t i = 0; i < EXO_OUTDONE_BYTES; i++)
		if ((a[i] ^ b[i]) & mask[i])
			return false;
	return true;
}

/* Whether the second of two frames outdoes the first by a rule, as exo/ring.h says it. */
static bool outdoes(const struct exo_outdone *rule)
{
	const uint8_t *first = frame_at(0), *second = frame_at(1);
	uint32_t length = driver.rx.response->desc[0].length;

	return length == driver.rx.response->desc[1].length && length >= rule->least &&
	       length <= rule->most && agrees(first, rule->value, rule->mask) &&
	       agrees(first, second, rule->same) &&
	       (int32_t)(wire_get32(second + rule->number) - wire_get32(first + rule->number)) > 0;
}

static bool kernel_leaves_out(void)
{
	struct exo_outdone rules[EXO_OUTDONE_RULES];
	bool out = false;

	skim_rules(rules);
	for (uint32_t i = 0; i < EXO_OUTDONE_RULES; i++)
		out |= outdoes(&rules[i]);
	return out;
}

/* The kernel refuses others. */
static void rules_make_sense(void **state)
{
	struct exo_outdone rules[EXO_OUTDONE_RULES];

	skim_rules(rules);
	for (uint32_t i = 0; i < EXO_OUTDONE_RULES; i++) {
		const struct exo_outdone *rule = &rules[i];

		assert_true(rule->least <= rule->most && rule->number + 4 <= rule->least &&
		            rule->number + 4 <= EXO_OUTDONE_BYTES);
		for (uint32_t at = 0; at < EXO_OUTDONE_BYTES; at++) {
			assert_int_equal(rule->mask[at] & ~rule->same[at], 0);
			assert_int_equal(rule->value[at] & ~rule->mask[at], 0);
			assert_true(at < rule->least || rule->same[at] == 0);
		}
	}
}

/* Short frames are padded. */
static void rules_know_padding(void **state)
{
	static const struct {
		uint32_t look, length;
		bool out;
	} cases[] = {{0, 54, true},  {0, 60, true}, {0, 61, false}, {1, 66, true},
	             {1, 67, false}, {2, 74, true}, {3, 86, true}};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		make_all(&looks[cases[i].look], 2);
		driver.rx.response->desc[0].length = cases[i].length;
		driver.rx.response->desc[1].length = cases[i].length;
		assert_int_equal(kernel_leaves_out(), cases[i].out);
	}
}

/* ---- Both ---- */

static void each_byte_counts(void **state)
{
	for (unsigned i = 0; i < sizeof looks / sizeof looks[0]; i++) {
		for (uint32_t at = 0; at < size_of(&looks[i]); at++) {
			bool own = is_own(&looks[i], at);
			uint8_t *next;

			make_all(&looks[i], 2);
			next = frame_at(1);
			next[at] ^= 1;
			sum_up(&looks[i], next);
			if (at - l4_of(&looks[i]) - 8 < 2)
				own = false; /* it is lower then */
			assert_int_equal(count(2, own ? 2 : 1), own);
			assert_int_equal(kernel_leaves_out(), own);
		}
	}
}

/* Both are alike, but not what may be left out. */
static void other_frames_are_read(void **state)
{
	static const struct {
		uint32_t at;
		uint8_t value;
	} changes[] = {
	        {ETH_TYPE, 9},
	        {ETH_SIZE + IP4_VERSION_IHL, 0x46},
	        {ETH_SIZE + IP4_LENGTH + 1, 53},
	        {ETH_SIZE + IP4_FRAGMENT, IP4_MF >> 8},
	        {ETH_SIZE + IP4_FRAGMENT + 1, 1},
	        {ETH_SIZE + IP4_PROTOCOL, PROTOCOL_UDP},
	        {34 + 12, 0x70},
	        {34 + 13, ACK | 8},
	        {34 + 13, ACK | 1},
	        {34 + 13, ACK | 64},
	        {34 + 13, 0},
	        {34 + TCP_SIZE + 2, 5},
	};

	for (unsigned i = 0; i < sizeof changes / sizeof changes[0]; i++) {
		make_all(&looks[1], 2);
		for (uint32_t n = 0; n < 2; n++) {
			frame_at(n)[changes[i].at] = changes[i].value;
			sum_up(&looks[1], frame_at(n));
		}
		assert_int_equal(count(2, 1), 0);
		assert_false(kernel_leaves_out());
	}
	make_all(&looks[1], 2);
	driver.rx.response->desc[0].length = driver.rx.response->desc[1].length = 65;
	assert_int_equal(count(2, 1), 0);
	assert_false(kernel_leaves_out());
}

static void numbers_must_rise(void **state)
{
	static const int32_t steps[] = {0, -1, INT32_MIN};

	for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		make_all(&looks[1], 2);
		wire_put32(frame_at(1) + 34 + 8, FIRST + (uint32_t)steps[i]);
		sum_up(&looks[1], frame_at(1));
		assert_int_equal(count(2, 1), 0);
		assert_false(kernel_leaves_out());
	}
}

/* None is left out for one that may be damaged, unless hardware has said that it is not. */
static void sums_are_looked_at(void **state)
{
	for (unsigned i = 0; i < sizeof looks / sizeof looks[0]; i++) {
		uint32_t sums[] = {l4_of(&looks[i]) + 16, ETH_SIZE + IP4_CHECKSUM};

		for (unsigned n = 0; n < (looks[i].six ? 1 : 2); n++) {
			uint16_t needed = n == 0 ? EXO_DESC_L4_SUM_OK : EXO_DESC_L3_SUM_OK;

			make_all(&looks[i], 3);
			frame_at(2)[sums[n]] ^= 1;
			assert_int_equal(count(3, 3), 0);
			assert_int_equal(count(2, 2), 1);
			for (uint32_t d = 0; d < 3; d++)
				driver.rx.response->desc[d].flags = needed;
			assert_int_equal(count(3, 3), 2);
			for (uint32_t d = 0; d < 3; d++)
				driver.rx.response->desc[d].flags = OK ^ needed;
			assert_int_equal(count(3, 3), 0);
		}
	}
}

static void strange_descriptors_end_it(void **state)
{
	static const struct exo_desc strange[] = {
	        {.flags = EXO_DESC_SUM_BAD},
	        {.flags = EXO_DESC_MORE},
	        {.flags = EXO_DESC_CUT},
	        {.flags = EXO_DESC_LOCAL},
	        {.flags = EXO_DESC_TAP},
	        {.flags = OK},
	        {.port = 1},
	        {.cookie = N},
	        {.address = BUFFER - HEAD - 90},
	};

	for (unsigned i = 0; i < sizeof strange / sizeof strange[0]; i++) {
		struct exo_desc *desc = &driver.rx.response->desc[2];

		make_all(&looks[1], 3);
		desc->flags |= strange[i].flags;
		desc->port ^= strange[i].port;
		desc->cookie += strange[i].cookie;
		desc->address += strange[i].address;
		assert_int_equal(count(3, 2), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
	        T(the_last_one_stays), T(each_byte_counts),   T(other_frames_are_read),
	        T(numbers_must_rise),  T(sums_are_looked_at), T(strange_descriptors_end_it),
	        T(rules_make_sense),   T(rules_know_padding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
