/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings against the other side played by the test: room, order, wrap-around, and impossible
 * indices. And mailboxes, which work alike.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <exo/error.h>
#include <libexo/mailbox.h>
#include <libexo/ring.h>

enum {
	SIZE = 8,
};

static int make_ring(void **state)
{
	struct exo_ring *ring = calloc(1, sizeof(*ring));
	void *memory = aligned_alloc(64, exo_ring_bytes(SIZE));

	if (ring == NULL || memory == NULL)
		return -1;
	memset(memory, 0, exo_ring_bytes(SIZE));
	exo_ring_layout(ring, memory, SIZE);
	*state = ring;
	return 0;
}

static int drop_ring(void **state)
{
	struct exo_ring *ring = *state;

	free(ring->request);
	free(ring);
	return 0;
}

/* The kernel's side: takes one request, or answers. */
static struct exo_desc take(struct exo_ring *ring)
{
	struct exo_queue *q = ring->request;

	assert_int_not_equal(q->head, q->tail);
	return q->desc[q->tail++ & (SIZE - 1)];
}

static void answer(struct exo_ring *ring, uint64_t cookie)
{
	struct exo_queue *q = ring->response;

	assert_true(q->head - q->tail < SIZE);
	q->desc[q->head & (SIZE - 1)] = (struct exo_desc){.cookie = cookie};
	q->head++;
}

static void test_put_fills_and_refuses(void **state)
{
	struct exo_ring *ring = *state;
	struct exo_desc desc[SIZE + 1] = {{0}};

	for (uint64_t i = 0; i < SIZE + 1; i++)
		desc[i].cookie = i;
	assert_int_equal(exo_ring_put(ring, desc, SIZE + 1), 0);
	assert_int_equal(exo_ring_put(ring, desc, 0), 0);
	assert_int_equal(exo_ring_put(ring, desc, 5), 5);
	assert_int_equal(exo_ring_room(ring), 3);
	assert_int_equal(exo_ring_put(ring, desc, 4), 0);
	assert_int_equal(exo_ring_put(ring, desc + 5, 3), 3);
	assert_int_equal(exo_ring_room(ring), 0);
	for (uint64_t i = 0; i < SIZE; i++)
		assert_int_equal(take(ring).cookie, i);
	assert_int_equal(exo_ring_room(ring), SIZE);
}

static void test_order_over_many_turns(void **state)
{
	struct exo_ring *ring = *state;
	uint64_t put = 0, got = 0;

	/* Start just below the wrap of the 32-bit indices. */
	ring->request_head = ring->request->head = ring->request->tail = UINT32_MAX - 3;
	ring->response_tail = ring->response->head = ring->response->tail = UINT32_MAX - 3;
	for (int turn = 0; turn < 100; turn++) {
		struct exo_desc desc[SIZE];
		uint32_t n = 1 + (uint32_t)turn % 7;

		for (uint32_t i = 0; i < n; i++)
			desc[i] = (struct exo_desc){.cookie = put++};
		assert_int_equal(exo_ring_put(ring, desc, n), n);
		for (uint32_t i = 0; i < n; i++)
			answer(ring, take(ring).cookie);
		assert_true(exo_ring_ready(ring));
		assert_int_equal(exo_ring_get(ring, desc, SIZE), n);
		for (uint32_t i = 0; i < n; i++)
			assert_int_equal(desc[i].cookie, got++);
		assert_false(exo_ring_ready(ring));
	}
}

static void test_impossible_indices_do_nothing(void **state)
{
	struct exo_ring *ring = *state;
	struct exo_desc desc = {0};

	ring->request->tail = 1; /* more consumed than produced */
	assert_int_equal(exo_ring_put(ring, &desc, 1), 0);
	ring->response->head = SIZE + 1;
	assert_int_equal(exo_ring_get(ring, &desc, 1), 0);
	assert_int_equal(ring->bad_index, 2);
	assert_int_equal(ring->request->head, 0);
	assert_int_equal(ring->response->tail, 0);
}

static void test_mailbox(void **state)
{
	static struct exo_mailbox box;
	struct exo_mailbox_end creator, child;
	uint8_t body[EXO_MAILBOX_BODY_MAX];
	uint32_t type;

	memset(&box, 0, sizeof(box));
	assert_int_equal(exo_mailbox_attach(&child, &box), -EXO_EINVAL);
	exo_mailbox_create(&creator, &box);
	assert_int_equal(exo_mailbox_attach(&child, &box), 0);
	assert_int_equal(exo_mailbox_receive(&creator, &type, body), -EXO_EAGAIN);
	for (uint32_t i = 0; i < EXO_MAILBOX_SLOTS; i++)
		assert_int_equal(exo_mailbox_send(&child, 100 + i, &i, sizeof(i)), 0);
	assert_int_equal(exo_mailbox_send(&child, 1, NULL, 0), -EXO_EAGAIN);
	assert_int_equal(exo_mailbox_send(&child, 1, body, EXO_MAILBOX_BODY_MAX + 1), -EXO_E2BIG);
	for (uint32_t i = 0; i < EXO_MAILBOX_SLOTS; i++) {
		assert_int_equal(exo_mailbox_receive(&creator, &type, body), sizeof(i));
		assert_int_equal(type, 100 + i);
		assert_memory_equal(body, &i, sizeof(i));
	}
	assert_int_equal(exo_mailbox_send(&creator, 7, "abc", 3), 0);
	assert_int_equal(exo_mailbox_receive(&child, &type, body), 3);
	exo_mailbox_set_progress(&child, 99);
	assert_int_equal(exo_mailbox_progress(&creator), 99);
}

static void test_mailbox_damaged_by_the_other_side(void **state)
{
	static struct exo_mailbox box;
	struct exo_mailbox_end creator;
	uint8_t body[EXO_MAILBOX_BODY_MAX];
	uint32_t type;

	memset(&box, 0, sizeof(box));
	exo_mailbox_create(&creator, &box);
	box.to_creator.head = EXO_MAILBOX_SLOTS + 1;
	assert_int_equal(exo_mailbox_receive(&creator, &type, body), -EXO_EINVAL);
	assert_int_equal(exo_mailbox_send(&creator, 1, NULL, 0), -EXO_EINVAL);
	exo_mailbox_create(&creator, &box);
	box.to_creator.head = 1;
	box.to_creator.slots[0].size = EXO_MAILBOX_BODY_MAX + 1;
	assert_int_equal(exo_mailbox_receive(&creator, &type, body), -EXO_EINVAL);
	exo_mailbox_create(&creator, &box);
	box.to_environment.tail = 1;
	assert_int_equal(exo_mailbox_send(&creator, 1, NULL, 0), -EXO_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(test_put_fills_and_refuses, make_ring, drop_ring),
	        cmocka_unit_test_setup_teardown(test_order_over_many_turns, make_ring, drop_ring),
	        cmocka_unit_test_setup_teardown(test_impossible_indices_do_nothing, make_ring,
	                                        drop_ring),
	        cmocka_unit_test(test_mailbox),
	        cmocka_unit_test(test_mailbox_damaged_by_the_other_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
