/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fragments: what a frame is, who gets what follows, what waits and for how long, and that one pair
 * of hosts takes no more than its share.
 */
#include "common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <flt/fragment.h>

enum { FOLLOW = 1000, HOLD = 100, FRAME = 128 };

static struct flt_fragments *table;
static uint32_t dropped[2];
static int owners[2];

static void drop(void *packet, enum flt_fragment_drop cause)
{
	assert_non_null(packet);
	dropped[cause]++;
}

static int set_up(void **state)
{
	static const struct flt_fragments_config config = {FOLLOW, HOLD, drop};
	memset(dropped, 0, sizeof(dropped));
	return flt_fragments_create(&table, &config, NULL);
}

static int tear_down(void **state)
{
	flt_fragments_destroy(table);
	return 0;
}

/* --- what a frame is --- */

static uint8_t bytes[FRAME];
static struct flt_frame frame = {.data = bytes, .len = FRAME, .wire_len = FRAME};
static struct flt_fragment found;

static void put16(uint32_t at, uint32_t value)
{
	bytes[at] = (uint8_t)(value >> 8);
	bytes[at + 1] = (uint8_t)value;
}

static void make4(uint32_t at, uint32_t field)
{
	memset(bytes, 0, sizeof(bytes));
	put16(at - 2, 0x0800);
	bytes[at] = 0x45;
	bytes[at + 9] = 17;
	put16(at + 4, 0x1234);
	put16(at + 6, field);
	for (uint32_t i = 0; i < 8; i++)
		bytes[at + 12 + i] = (uint8_t)(i + 1);
}

static void knows_ipv4(void **state)
{
	static const struct {
		uint32_t field;
		enum flt_fragment_part part;
	} cases[] = {
	        {0, FLT_FRAGMENT_NONE},       {0x4000, FLT_FRAGMENT_NONE},
	        {0x8000, FLT_FRAGMENT_NONE},  {0x2000, FLT_FRAGMENT_FIRST},
	        {0x2001, FLT_FRAGMENT_LATER}, {0x0001, FLT_FRAGMENT_LATER},
	        {0x1fff, FLT_FRAGMENT_LATER}, {0x6000, FLT_FRAGMENT_FIRST},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make4(14, cases[i].field);
		assert_int_equal(flt_fragment_parse(&frame, &found), cases[i].part);
	}
	make4(14, 0x2000);
	assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_FIRST);
	assert_int_equal(found.id.identification, 0x1234);
	assert_int_equal(found.id.protocol, 17);
	assert_memory_equal(found.id.source, "\1\2\3\4\0", 5);
	assert_memory_equal(found.id.target, "\5\6\7\10\0", 5);
	bytes[14] = 0x65; /* EtherType and version disagree */
	assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_NONE);
	for (uint32_t length = 0; length < 34; length++) {
		make4(14, 0x2000);
		struct flt_frame cut = {.data = bytes, .len = length, .wire_len = FRAME};
		assert_int_equal(flt_fragment_parse(&cut, &found), FLT_FRAGMENT_NONE);
	}
}

static void knows_tags(void **state)
{
	make4(18, 0x2000);
	put16(12, 0x8100);
	put16(14, 0x2007);
	assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_FIRST);
	assert_int_equal(found.id.tags[0], 7);
	assert_int_equal(found.id.tags[1], 0xffff);
	make4(22, 0x2000);
	put16(12, 0x88a8);
	put16(14, 7);
	put16(16, 0x8100);
	put16(18, 8);
	assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_FIRST);
	assert_int_equal(found.id.tags[1], 8);
	make4(26, 0x2000); /* a third tag is none of ours */
	put16(12, 0x8100);
	put16(16, 0x8100);
	put16(20, 0x8100);
	assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_NONE);
}

/* IPv6 with `n` destination options of 8 bytes before the fragment header. → its offset. */
static uint32_t make6(uint32_t n, uint32_t field)
{
	uint32_t at = 54;
	memset(bytes, 0, sizeof(bytes));
	put16(12, 0x86dd);
	bytes[14] = 0x60;
	bytes[20] = n ? 60 : 44;
	memset(bytes + 22, 1, 16);
	memset(bytes + 38, 2, 16);
	for (uint32_t i = 0; i < n; i++, at += 8)
		bytes[at] = i + 1 < n ? 60 : 44;
	bytes[at] = 17;
	put16(at + 2, field);
	put16(at + 6, 0x4321);
	put16(at + 8, 0xabcd);
	return at;
}

static void knows_ipv6(void **state)
{
	for (uint32_t n = 0; n < 3; n++) {
		uint32_t at = make6(n, 1);
		assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_FIRST);
		assert_int_equal(found.header, at);
		assert_int_equal(found.id.identification, 0x4321);
		assert_int_equal(found.id.source[15], 1);
		make6(n, 0); /* whole after all */
		assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_NONE);
		make6(n, 8);
		assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_LATER);
		for (uint32_t length = 0; length < at + 8; length++) {
			struct flt_frame cut = {.data = bytes, .len = length, .wire_len = FRAME};
			assert_int_equal(flt_fragment_parse(&cut, &found), FLT_FRAGMENT_NONE);
		}
	}
	make6(0, 1);
	bytes[20] = 50; /* nobody can look behind ESP */
	assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_NONE);
}

/* Without its fragment header the first fragment looks like what it begins. */
static void judges_ipv6_as_whole(void **state)
{
	uint8_t room[FRAME];
	for (uint32_t n = 0; n < 3; n++) {
		uint32_t at = make6(n, 1);
		assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_FIRST);
		struct flt_frame whole = flt_fragment_whole(&frame, &found, room);
		assert_int_equal(whole.len, FRAME - 8);
		assert_int_equal(whole.wire_len, FRAME - 8);
		assert_int_equal(whole.data[n ? at - 8 : 20], 17);
		assert_int_equal(whole.data[at], 0xab);
		assert_int_equal(whole.data[at + 1], 0xcd);
	}
	make4(14, 0x2000);
	assert_int_equal(flt_fragment_parse(&frame, &found), FLT_FRAGMENT_FIRST);
	assert_ptr_equal(flt_fragment_whole(&frame, &found, room).data, bytes);
}

/* --- who gets it --- */

static struct flt_fragment_id make_id(uint32_t pair, uint32_t identification)
{
	struct flt_fragment_id id = {.version = 4, .identification = identification};
	memcpy(id.source, &pair, sizeof(pair));
	return id;
}

static uint32_t first(uint32_t pair, uint32_t n, uint64_t now, int *owner, struct flt_held *held)
{
	struct flt_fragment_id id = make_id(pair, n);
	return flt_fragments_first(table, &id, now, (struct flt_verdict){owner, owner ? 60 : 0, 0},
	                           NULL, held);
}

static enum flt_fragment_fate later(uint32_t pair, uint32_t n, uint64_t now, void **owner)
{
	struct flt_fragment_id id = make_id(pair, n);
	struct flt_verdict verdict = {NULL, 0, 0};
	enum flt_fragment_fate fate =
	        flt_fragments_later(table, &id, now, bytes + now % FRAME, &verdict);
	*owner = verdict.owner;
	assert_int_equal(verdict.accept, verdict.owner ? 60 : 0);
	return fate;
}

static void follows(void **state)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	void *owner;
	assert_int_equal(first(1, 1, 10, &owners[0], held), 0);
	assert_int_equal(later(1, 1, 20, &owner), FLT_FRAGMENT_FOLLOWS);
	assert_ptr_equal(owner, &owners[0]);
	assert_int_equal(later(1, 1, 5, &owner), FLT_FRAGMENT_FOLLOWS); /* a clock behind */
	assert_int_equal(first(1, 1, 30, &owners[1], held), 0);
	assert_int_equal(later(1, 1, 40, &owner), FLT_FRAGMENT_FOLLOWS);
	assert_ptr_equal(owner, &owners[1]);
	assert_int_equal(first(1, 2, 50, NULL, held), 0);
	assert_int_equal(later(1, 2, 60, &owner), FLT_FRAGMENT_FOLLOWS);
	assert_null(owner);
	assert_int_equal(later(1, 1, 31 + FOLLOW, &owner), FLT_FRAGMENT_HELD);
}

static void holds_early_ones(void **state)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	void *owner;
	for (uint64_t i = 0; i < FLT_FRAGMENT_DATAGRAM_HELD_MAX; i++)
		assert_int_equal(later(1, 1, 10 + i, &owner), FLT_FRAGMENT_HELD);
	assert_int_equal(later(1, 1, 60, &owner), FLT_FRAGMENT_REFUSED);
	assert_int_equal(first(1, 1, 61, &owners[0], held), FLT_FRAGMENT_DATAGRAM_HELD_MAX);
	for (uint64_t i = 0; i < FLT_FRAGMENT_DATAGRAM_HELD_MAX; i++) {
		assert_ptr_equal(held[i].packet, bytes + (10 + i) % FRAME);
		assert_int_equal(held[i].arrived, 10 + i);
	}
	assert_int_equal(dropped[FLT_FRAGMENT_EXPIRED] + dropped[FLT_FRAGMENT_CROWDED], 0);
}

static void expires(void **state)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	void *owner;
	assert_int_equal(later(1, 1, 10, &owner), FLT_FRAGMENT_HELD);
	assert_int_equal(later(2, 1, 20, &owner), FLT_FRAGMENT_HELD);
	assert_int_equal(later(1, 1, 60, &owner), FLT_FRAGMENT_HELD);
	flt_fragments_expire(table, 10 + HOLD);
	assert_int_equal(dropped[FLT_FRAGMENT_EXPIRED], 0);
	flt_fragments_expire(table, 21 + HOLD);
	assert_int_equal(dropped[FLT_FRAGMENT_EXPIRED], 2);
	assert_int_equal(first(1, 1, 22 + HOLD, &owners[0], held), 1);
	assert_int_equal(held[0].arrived, 60);
	assert_int_equal(first(2, 1, 22 + HOLD, &owners[0], held), 0);
	flt_fragments_expire(table, 10000);
	assert_int_equal(dropped[FLT_FRAGMENT_EXPIRED], 2);
}

/* A pair that sends fragments without end leaves another's alone. */
static void bounds_a_pair(void **state)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	uint32_t n = 0;
	void *owner;
	for (uint32_t victim = 100; victim < 150; victim++)
		(void)first(victim, 7, 10, &owners[0], held);
	for (uint32_t i = 0; i < 100000; i++)
		n += later(1, i / 8, 11, &owner) == FLT_FRAGMENT_REFUSED;
	for (uint32_t i = 0; i < 100000; i++)
		(void)first(1, i, 12, &owners[1], held);
	assert_true(n + dropped[FLT_FRAGMENT_CROWDED] >= 100000 - FLT_FRAGMENT_SET_HELD_MAX);
	n = 0;
	for (uint32_t victim = 100; victim < 150; victim++)
		n += later(victim, 7, 13, &owner) == FLT_FRAGMENT_FOLLOWS && owner == &owners[0];
	assert_true(n >= 48); /* but for those few that share its set by chance */
}

/* Many pairs: the newest wait, the oldest make room. */
static void makes_room(void **state)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	uint32_t n = 0;
	void *owner;
	for (uint32_t pair = 0; pair < 5000; pair++)
		assert_int_equal(later(pair, 0, 10, &owner), FLT_FRAGMENT_HELD);
	assert_true(dropped[FLT_FRAGMENT_CROWDED] >= 5000 - FLT_FRAGMENT_HELD_MAX);
	for (uint32_t pair = 4999; pair >= 4000; pair--)
		n += first(pair, 0, 11, &owners[0], held);
	assert_true(n > FLT_FRAGMENT_HELD_MAX / 2);
	assert_int_equal(n + dropped[FLT_FRAGMENT_CROWDED], 5000);
}

static void forgets_an_owner(void **state)
{
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	struct flt_fragment_id ids[3] = {make_id(1, 0), make_id(1, 1), make_id(1, 2)};
	uint32_t marks[2] = {0};
	void *owner;
	for (uint32_t i = 0; i < 2; i++)
		flt_fragments_first(table, &ids[i], 10, (struct flt_verdict){&owners[i], 60, 0},
		                    &marks[i], held);
	flt_fragments_forget(table, &owners[1], &marks[1]);
	assert_int_equal(later(1, 0, 11, &owner), FLT_FRAGMENT_FOLLOWS);
	assert_ptr_equal(owner, &owners[0]);
	assert_int_equal(later(1, 1, 11, &owner), FLT_FRAGMENT_FOLLOWS);
	assert_null(owner);
	flt_fragments_first(table, &ids[2], 12, (struct flt_verdict){&owners[1], 60, 0}, &marks[1],
	                    held);
	assert_int_equal(later(1, 2, 13, &owner), FLT_FRAGMENT_FOLLOWS);
	assert_null(owner);
}

/* --- cores at once: every packet comes back exactly once --- */

enum { THREADS = 2, ROUNDS = 200000 };
static uint32_t back[THREADS * ROUNDS];
static uint32_t packets[THREADS * ROUNDS];

static void note_drop(void *packet, enum flt_fragment_drop cause)
{
	__atomic_add_fetch(&back[(uint32_t *)packet - packets], 1, __ATOMIC_RELAXED);
}

static void *work(void *arg)
{
	uint32_t base = (uint32_t)(uintptr_t)arg * ROUNDS, seed = base + 1;
	struct flt_held held[FLT_FRAGMENT_DATAGRAM_HELD_MAX];
	for (uint32_t i = base; i < base + ROUNDS; i++) {
		struct flt_verdict verdict = {&owners[0], 60, 0};
		seed = seed * 1664525 + 1013904223;
		struct flt_fragment_id id = make_id(seed >> 28, seed >> 20 & 15);
		if (seed >> 16 & 1) {
			uint32_t n = flt_fragments_first(table, &id, i - base, verdict, NULL, held);
			while (n)
				note_drop(held[--n].packet, FLT_FRAGMENT_EXPIRED);
			note_drop(&packets[i], FLT_FRAGMENT_EXPIRED);
		} else if (flt_fragments_later(table, &id, i - base, &packets[i], &verdict) !=
		           FLT_FRAGMENT_HELD) {
			note_drop(&packets[i], FLT_FRAGMENT_EXPIRED);
		}
		if (!(seed >> 8 & 63))
			flt_fragments_expire(table, i - base);
	}
	return NULL;
}

static void loses_nothing(void **state)
{
	static const struct flt_fragments_config config = {40, 20, note_drop};
	struct flt_fragments *mine = table;
	pthread_t threads[THREADS];
	assert_int_equal(flt_fragments_create(&table, &config, NULL), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, work, (void *)i), 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	flt_fragments_destroy(table);
	table = mine;
	for (uint32_t i = 0; i < THREADS * ROUNDS; i++)
		assert_int_equal(back[i], 1);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(knows_ipv4),
	        cmocka_unit_test(knows_tags),
	        cmocka_unit_test(knows_ipv6),
	        cmocka_unit_test(judges_ipv6_as_whole),
	        CASE(follows),
	        CASE(holds_early_ones),
	        CASE(expires),
	        CASE(bounds_a_pair),
	        CASE(makes_room),
	        CASE(forgets_an_owner),
	        CASE(loses_nothing),
	};
	flt_host_init(false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
