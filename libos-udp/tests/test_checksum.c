/* SPDX-License-Identifier: BSD-2-Clause */
/* The Internet checksum beside its definition (RFC 1071, 1), at every size and place. Built with
 * and without vector registers: the code differs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <udp/checksum.h>

enum { MOST = 300, PLACES = 9, FILLINGS = 4 };

/* Sixteen bits at a time, in the order of the wire; a last odd byte has a zero behind it. */
static uint16_t by_definition(const uint8_t *at, size_t size)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < size; i++)
		sum += i % 2 ? at[i] : (uint32_t)at[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* All zeros, all ones, and two of neither. */
static void fill(uint8_t *at, unsigned how)
{
	srand(how);
	for (size_t i = 0; i < MOST + PLACES; i++)
		at[i] = (uint8_t)(how == 0 ? 0 : how == 1 ? 0xff : rand());
}

static void is_what_the_definition_says(void **state)
{
	uint8_t bytes[MOST + PLACES], stored[2];

	for (unsigned how = 0; how < FILLINGS; how++) {
		fill(bytes, how);
		for (size_t place = 0; place < PLACES; place++)
			for (size_t size = 0; size <= MOST; size++) {
				uint16_t want = by_definition(bytes + place, size), sum;

				sum = udp_sum_finish(udp_sum_add(0, bytes + place, size));
				memcpy(stored, &sum, 2);
				assert_int_equal(stored[0] << 8 | stored[1], want);
			}
	}
}

static void adds_pieces(void **state)
{
	uint8_t bytes[MOST + PLACES];

	fill(bytes, 2);
	for (size_t first = 0; first <= MOST; first += 2) {
		uint64_t sum = udp_sum_add(0, bytes, first);

		sum = udp_sum_add(sum, bytes + first, MOST - first);
		assert_int_equal(udp_sum_finish(sum), udp_sum_finish(udp_sum_add(0, bytes, MOST)));
	}
}

/* Every part of content, from sums of its beginnings. */
static void knows_parts(void **state)
{
	static uint8_t bytes[5 * UDP_SUM_GRAIN + 3];
	uint16_t sums[sizeof bytes / UDP_SUM_GRAIN + 1];

	assert_int_equal(udp_sums_count(sizeof bytes), sizeof sums / sizeof sums[0]);
	for (unsigned i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t)(i * 89 + 200);
	udp_sums_make(sums, bytes, sizeof bytes);
	for (uint32_t from = 0; from <= sizeof bytes; from++)
		for (uint32_t to = from; to <= sizeof bytes; to++) {
			uint16_t part = udp_sums_between(udp_sums_to(sums, bytes, from),
			                                 udp_sums_to(sums, bytes, to), from);

			/* 0 and 0xffff are the same number. */
			assert_int_equal(
			        udp_sum_finish((uint64_t)part + 1),
			        udp_sum_finish(udp_sum_add(0, bytes + from, to - from) + 1));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(is_what_the_definition_says),
	        cmocka_unit_test(adds_pieces),
	        cmocka_unit_test(knows_parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
