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

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(is_what_the_definition_says),
	        cmocka_unit_test(adds_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
