/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rewriting: addresses, tags, ports, checksums; and signatures in payloads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../identity.h"
#include "../layers.h"
#include "../rewrite.h"
#include "wire.h"

static uint8_t out[WIRE_FRAME_MAX];

static void parse(struct rewrite *rewrite, const char *text)
{
	char error[200] = "";

	*rewrite = (struct rewrite){0};
	if (rewrite_parse(rewrite, text, error, sizeof(error)))
		fail_msg("%s: %s", text, error);
}

/* A datagram with right checksums. */
static void make(struct made *made, uint32_t length)
{
	struct source_frame frame;

	made_open(made, 100, 0, length);
	made->source.next(&made->source, &frame);
	uint8_t *ip = made->frame + 14;
	uint32_t size = length - 34, pseudo = size + 17;
	for (int i = 12; i < 20; i += 2)
		pseudo += layers_be16(ip + i);
	layers_put16(ip + 26, wire_checksum(ip + 20, size, pseudo));
	assert_true(wire_checksums_right(made->frame));
}

static uint32_t apply(const char *rules, uint64_t pass, const struct made *made)
{
	struct rewrite rewrite;

	parse(&rewrite, rules);
	uint32_t size = rewrite_size(&rewrite, made->frame, made->length);
	rewrite_apply(&rewrite, pass, out, made->frame, made->length);
	return size;
}

static void test_addresses(void **state)
{
	static const uint8_t want[8] = {192, 168, 0, 1, 10, 9, 8, 5};
	struct made made;

	make(&made, 81);
	assert_int_equal(
	        apply("src-ip=192.168.0.0/16 dst-ip=10.9.8.3-10.9.8.6,dst-port=80", 0, &made), 81);
	assert_memory_equal(out + 26, want, 4);
	/* 10.0.0.2 mod 4 is 2: the third of four */
	assert_memory_equal(out + 30, want + 4, 4);
	assert_int_equal(layers_be16(out + 36), 80);
	assert_true(wire_checksums_right(out));
}

static void test_passes_shift(void **state)
{
	struct made made;

	make(&made, 80);
	for (uint64_t pass = 0; pass < 300; pass++) {
		apply("src-port=1000-1099 src-mac=02:00:00:00:01:00-02:00:00:00:01:ff", pass,
		      &made);
		assert_int_equal(layers_be16(out + 34), 1000 + (1024 + pass) % 100);
		assert_int_equal(out[11], (2 + pass) % 256);
		assert_true(wire_checksums_right(out));
	}
}

static void test_tags(void **state)
{
	struct made made;

	make(&made, 80);
	assert_int_equal(apply("vlan=5", 0, &made), 84);
	assert_int_equal(layers_be16(out + 12), ETHERTYPE_VLAN);
	assert_int_equal(layers_be16(out + 14), 5);
	assert_memory_equal(out + 16, made.frame + 12, 68);
	memcpy(made.frame, out, 84);
	made.length = 84;
	assert_int_equal(apply("vlan=100-101,src-ip=1.2.3.4", 1, &made), 84);
	assert_int_equal(layers_be16(out + 14), 100 + (5 + 1) % 2);
	assert_int_equal(out[30], 1);
	assert_int_equal(apply("vlan=none", 0, &made), 80);
	assert_memory_equal(out + 12, made.frame + 16, 68);
}

static void test_no_checksum_stays_none(void **state)
{
	struct made made;

	make(&made, 80);
	layers_put16(made.frame + 40, 0);
	apply("src-ip=1.2.3.4 dst-port=1-65535", 3, &made);
	assert_int_equal(layers_be16(out + 40), 0);
}

static void test_later_fragment(void **state)
{
	struct made made;

	make(&made, 80);
	layers_put16(made.frame + 20, 5); /* offset 40: what follows is data */
	apply("src-port=7 src-ip=10.0.0.0/8", 0, &made);
	assert_memory_equal(out + 34, made.frame + 34, 46);
}

static void test_cut_frames(void **state)
{
	struct rewrite rewrite;
	struct made made;

	make(&made, 80);
	parse(&rewrite, "src-ip=1.2.3.4 dst-ip=::/0 src-port=1 dst-port=2 vlan=9 dst-mac="
	                "02:00:00:00:00:09");
	for (uint32_t length = 14; length <= 80; length++) {
		uint32_t size = rewrite_size(&rewrite, made.frame, length);
		assert_int_equal(size, length + 4);
		memset(out, 0xee, sizeof(out));
		rewrite_apply(&rewrite, 0, out, made.frame, length);
		assert_int_equal(out[size], 0xee);
	}
}

static void test_wrong_rules(void **state)
{
	static const char *const wrong[] = {
	        "src-ip",
	        "src-ip=",
	        "src-ip=1.2.3",
	        "src-ip=1.2.3.4/33",
	        "src-ip=5-4",
	        "src-ip=1.2.3.4-1.2.3.3",
	        "src-port=65536",
	        "src-port=9-",
	        "colour=red",
	        "src-colour=red",
	        "vlan=4095",
	        "vlan=none vlan=1",
	        "src-mac=1:2:3",
	        "src-port=1 src-port=2",
	        "src-mac=01:02:03:04:05:06x",
	};
	char error[200];

	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct rewrite rewrite = {0};
		error[0] = 0;
		if (!rewrite_parse(&rewrite, wrong[i], error, sizeof(error)))
			fail_msg("'%s' was taken", wrong[i]);
		assert_true(strlen(error) > 10);
	}
}

static void test_signature(void **state)
{
	const struct signature put = {.run = 99, .sequence = 0xfffffffe, .time_ns = 1ull << 60};
	struct signature got = {.run = 99};
	struct made made;

	for (uint32_t length = 58; length < 200; length++) {
		make(&made, length);
		assert_true(signature_put(made.frame, length, &put) == (length >= 58));
		assert_true(wire_checksums_right(made.frame));
		assert_true(signature_get(made.frame, length, &got));
		assert_int_equal(got.sequence, put.sequence);
		assert_int_equal(got.time_ns, put.time_ns);
		got.run = 98;
		assert_false(signature_get(made.frame, length, &got));
		got.run = 99;
	}
	make(&made, 57);
	assert_false(signature_put(made.frame, 57, &put));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_addresses),
	        cmocka_unit_test(test_passes_shift),
	        cmocka_unit_test(test_tags),
	        cmocka_unit_test(test_no_checksum_stays_none),
	        cmocka_unit_test(test_later_fragment),
	        cmocka_unit_test(test_cut_frames),
	        cmocka_unit_test(test_wrong_rules),
	        cmocka_unit_test(test_signature),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
