/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One of many that fight over frames and slots, make wild calls, and end in every way there is.
 *
 *     fighter SEED
 */
#include <stdbool.h>
#include <stdint.h>

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

#include "wild.h"

enum {
	HELD = 8,
};

static struct exo_pages held[HELD];
static struct wild wild;

static uint64_t below(uint64_t n)
{
	return wild_number(&wild) % n;
}

/* Takes as much as it is given, or gives some back. */
static void fight_for_frames(void)
{
	struct exo_pages *pages = &held[below(HELD)];

	if (pages->address != NULL) {
		*(volatile char *)pages->address = 1;
		exo_pages_free(pages);
	} else if (exo_pages_alloc(pages, 1 + (uint32_t)below(32)) != 0) {
		pages->address = NULL;
	}
}

static void fight_for_slots(void)
{
	const struct exo_cap *slots = exo_start_cap(EXO_USE_SLOTS);
	uint32_t first;

	if (slots == NULL)
		return;
	first = (uint32_t)(slots->first + below(slots->count));
	if (below(2))
		exo_slot_take(slots, exo_account()->env, first, 1);
	else if (exo_account()->slots > 1)
		exo_slot_free(first, 1);
}

static void spin(void)
{
	uint64_t end = exo_tsc() + below(2 * exo_info()->slot_ticks);

	while (exo_tsc() < end)
		;
}

static void crash(void)
{
	switch (below(5)) {
	case 0:
		__builtin_trap();
	case 1:
		*(volatile char *)below(1 << 20) = 1;
		break;
	case 2:
		__asm__ volatile("movq $1, %rsp; pushq %rax");
		break;
	case 3:
		__asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" : : : "eax", "ecx", "edx");
		break;
	default:
		((void (*)(void))0xffffffff80200000)();
	}
}

int exo_main(void)
{
	const char *seed = exo_start_arg(1);

	for (; seed != NULL && *seed; seed++)
		wild.random = wild.random * 10 + (uint64_t)(*seed - '0') + 1;
	wild.random |= 1ull << 40;
	for (;;) {
		switch (below(400)) {
		case 0:
			return 0;
		case 1:
		case 2:
			crash();
			break;
		case 3:
			exo_yield(0);
			break;
		case 4:
			spin();
			break;
		default:
			if (below(3) == 0)
				fight_for_frames();
			else if (below(3) == 0)
				fight_for_slots();
			else
				wild_call(&wild);
		}
	}
}
