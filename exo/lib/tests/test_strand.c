/* SPDX-License-Identifier: BSD-2-Clause */
/* The schedulers of libexo/strand.h, without anything to run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <libexo/strand.h>

enum {
	N = 8,
};

static struct exo_strand strands[N];

static void first_come_first_served(void **state)
{
	struct exo_fifo fifo;
	struct exo_scheduler *s = exo_fifo_init(&fifo);

	assert_null(s->next(s));
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < N; i++)
			s->unblock(s, &strands[i]);
		for (int i = 0; i < N / 2; i++)
			assert_ptr_equal(s->next(s), &strands[i]);
		s->unblock(s, &strands[0]);
		for (int i = N / 2; i < N; i++)
			assert_ptr_equal(s->next(s), &strands[i]);
		assert_ptr_equal(s->next(s), &strands[0]);
		assert_null(s->next(s));
	}
}

static void the_most_urgent_first(void **state)
{
	static const uint8_t given[N] = {0, 63, 5, 5, 255, 62, 0, 5};
	static const int order[N] = {1, 4, 5, 2, 3, 7, 0, 6};
	struct exo_priority priority;
	struct exo_scheduler *s = exo_priority_init(&priority);

	assert_null(s->next(s));
	for (int i = 0; i < N; i++) {
		strands[i].priority = given[i];
		s->unblock(s, &strands[i]);
	}
	for (int i = 0; i < N; i++)
		assert_ptr_equal(s->next(s), &strands[order[i]]);
	assert_null(s->next(s));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(first_come_first_served),
	        cmocka_unit_test(the_most_urgent_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
