/* SPDX-License-Identifier: BSD-2-Clause */
/* Random kernel calls: wild.h. */
#include "wild.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/start.h>
#include <libexo/time.h>

enum {
	KEYS = 32,
	BLOCK_WORDS = 64,
};

static struct exo_cap keys[KEYS]; /* everything that it was ever given */
static unsigned n_keys;
static uint64_t block[BLOCK_WORDS] __attribute__((aligned(4096)));

/* xorshift64* (Vigna, 2016). */
uint64_t wild_number(struct wild *wild)
{
	wild->random ^= wild->random >> 12;
	wild->random ^= wild->random << 25;
	wild->random ^= wild->random >> 27;
	return wild->random * 2685821657736338717ull;
}

static uint64_t below(struct wild *wild, uint64_t n)
{
	return wild_number(wild) % n;
}

static void remember(struct wild *wild, const struct exo_cap *key)
{
	keys[n_keys < KEYS ? n_keys++ : below(wild, KEYS)] = *key;
}

static struct exo_cap any_key(struct wild *wild)
{
	struct exo_cap key = keys[below(wild, n_keys)];

	if (below(wild, 16) == 0)
		((uint8_t *)&key)[below(wild, sizeof(key))] ^= (uint8_t)(1u << below(wild, 8));
	return key;
}

static uint64_t any_address(struct wild *wild)
{
	static const uint64_t places[] = {
	        0,
	        EXO_USER_FIRST,
	        EXO_USER_END - EXO_PAGE_SIZE,
	        EXO_USER_END,
	        EXO_INFO_ADDR,
	        EXO_ACCOUNT_ADDR,
	        EXO_START_ADDR,
	        0x10000000,
	        0x10200000,
	        0x800000000000,
	        0xffff888000000000,
	        0xffffffff80200000,
	        UINT64_MAX,
	        UINT64_MAX - EXO_PAGE_SIZE + 1,
	};
	uint64_t n = below(wild, 24);

	if (n < sizeof(places) / sizeof(places[0]))
		return places[n];
	return n < 20 ? (uintptr_t)block + below(wild, 2) * 8 * below(wild, BLOCK_WORDS)
	              : wild_number(wild);
}

static uint64_t any_word(struct wild *wild)
{
	switch (below(wild, 6)) {
	case 0:
		return below(wild, 9);
	case 1:
		return exo_info()->frame_first + below(wild, 4096);
	case 2:
		return any_address(wild);
	case 3:
		return 1ull << below(wild, 64);
	case 4:
		return exo_account()->env + below(wild, 3) - 1;
	default:
		return wild_number(wild);
	}
}

/* A block that begins with a key, or has one further in, where most calls look for it. */
static void fill_block(struct wild *wild)
{
	static const unsigned places[] = {0, 4, 5, 0};
	struct exo_cap key = any_key(wild);

	for (unsigned i = 0; i < BLOCK_WORDS; i++)
		block[i] = below(wild, 2) ? 0 : any_word(wild);
	memcpy(&block[places[below(wild, 4)]], &key, sizeof(key));
}

/* Calls that a fighter makes on purpose and not by chance: they would only end the fight. */
static uint32_t any_call(struct wild *wild)
{
	uint32_t number = EXO_CALL_BASE + (uint32_t)below(wild, EXO_CALL_LAST - EXO_CALL_BASE + 2);

	if (number == EXO_CALL_RESUME && below(wild, 50) != 0)
		return EXO_CALL_PENDING; /* to resume what never was is a jump to 0 */
	return number == EXO_CALL_EXIT || number == EXO_CALL_POWER ? EXO_CALL_NULL : number;
}

/* Keys that the kernel wrote into the block: of frames, a rectangle, … */
static void keep_new(struct wild *wild)
{
	struct exo_cap key;

	for (unsigned i = 0; i + 4 <= BLOCK_WORDS; i++) {
		memcpy(&key, &block[i], sizeof(key));
		if (key.holder == exo_account()->env && key.kind != 0 && key.kind < EXO_KINDS)
			remember(wild, &key);
	}
}

static void first_keys(struct wild *wild)
{
	const struct exo_start *start = exo_start_page();

	for (uint32_t i = 0; i < start->n_caps; i++)
		remember(wild, &start->caps[i].cap);
	memset(&keys[n_keys], 0, sizeof(keys[0]));
	n_keys++;
}

void wild_call(struct wild *wild)
{
	uint32_t number = any_call(wild);
	uint64_t a[6];
	int64_t result;

	if (n_keys == 0)
		first_keys(wild);
	fill_block(wild);
	for (unsigned i = 0; i < 6; i++)
		a[i] = below(wild, 3) == 0 ? (uintptr_t)block : any_word(wild);
	if (below(wild, 4) != 0)
		a[0] = (uintptr_t)block;
	if (number == EXO_CALL_WAIT)
		a[0] = exo_tsc() + below(wild, exo_info()->slot_ticks);
	/* Nobody can refuse a slot as a gift: others would keep it. */
	if (number == EXO_CALL_SLOT_TAKE)
		a[1] = exo_account()->env;
	result = exo_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	*(result < 0 ? &wild->refused : &wild->accepted) += 1;
	if (result >= 0)
		keep_new(wild);
}
