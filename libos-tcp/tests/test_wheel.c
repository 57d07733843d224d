/* SPDX-License-Identifier: BSD-2-Clause */
/* The timer wheel against a plain list: whatever is due comes, in order, and nothing early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "internal.h"
#include "wire.h"

enum { TIMERS = 500, ROUNDS = 20000 };

static uint64_t seed = 5;

/* From microseconds to a month. */
static uint64_t draw_wait(void)
{
	return 1 + wire_random(&seed) % (1000ull << wire_random(&seed) % 32);
}

static uint64_t first_of(const struct timer *timers)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < TIMERS; i++)
		if (timers[i].link != NULL && timers[i].expires < first)
			first = timers[i].expires;
	return first;
}

static void change_some(struct wheel *wheel, struct timer *timers, uint64_t now)
{
	for (unsigned i = 0; i < 3; i++) {
		struct timer *timer = &timers[wire_random(&seed) % TIMERS];

		if (wire_random(&seed) % 4 == 0)
			wheel_remove(wheel, timer);
		else
			wheel_add(wheel, timer, now + draw_wait());
	}
}

static void agrees_with_a_list(void **state)
{
	static struct timer timers[TIMERS];
	static struct wheel wheel;
	uint64_t now = 12345678, last;
	struct timer *due;

	wheel_init(&wheel, now);
	assert_int_equal(wheel_deadline(&wheel), UINT64_MAX);
	for (unsigned round = 0; round < ROUNDS; round++) {
		change_some(&wheel, timers, now);
		assert_true(wheel_deadline(&wheel) <= first_of(timers));
		now += wire_random(&seed) % 3 == 0 ? draw_wait() : wire_random(&seed) % 200000;
		last = 0;
		while ((due = wheel_due(&wheel, now)) != NULL) {
			assert_true(due->expires <= now);
			assert_true(due->expires >= last);
			last = due->expires;
		}
		assert_true(first_of(timers) > now);
		assert_true(wheel_deadline(&wheel) > now);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(agrees_with_a_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
