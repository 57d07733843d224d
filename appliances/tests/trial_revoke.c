/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trials of visible revocation: children that give back in time, late, never, or other than they
 * say. Each owns POOL frames of which TAKEN are asked for.
 */
#include "trial.h"

#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/memory.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <libexo/upcall.h>

enum {
	POOL = 16,
	READY = 1, /* a page more: it has its pool, and its handler */
	TAKEN = 6,
	DEADLINE_NS = 200000000,
	PATIENCE_NS =
	        5000000000, /* until who gives would lose: longer than a crowded host stalls */
	LIMIT_NS = 20000000000,
	WORDS = EXO_PAGE_SIZE / sizeof(uint64_t),
	SECTORS = TAKEN * EXO_PAGE_SIZE / 512,
};

static struct exo_pages pool[POOL];
static unsigned in_pool;

/* ---- Children ---- */

static bool fill_pool(void)
{
	for (in_pool = 0; in_pool < POOL; in_pool++) {
		if (exo_pages_alloc(&pool[in_pool], 1) < 0)
			return false;
		*(volatile uint64_t *)pool[in_pool].address = in_pool;
	}
	return true;
}

static bool give(struct exo_pe *pe, void *arg)
{
	for (uint64_t n = pe->upcall.args[2]; n > 0 && in_pool > 0; n--)
		exo_pages_free(&pool[--in_pool]);
	return true;
}

/* Gives frames and takes as many others. */
static bool lie(struct exo_pe *pe, void *arg)
{
	give(pe, arg);
	while (in_pool < POOL && exo_pages_alloc(&pool[in_pool], 1) == 0)
		in_pool++;
	return true;
}

static __attribute__((noreturn)) void sleep_for_ever(void)
{
	for (;;)
		exo_wait(0);
}

static bool say_ready(void)
{
	static struct exo_pages ready;

	return exo_pages_alloc(&ready, READY) >= 0;
}

int role_giver(void)
{
	if (!fill_pool() || exo_upcall_handle(EXO_UPCALL_REVOKE, give, NULL) < 0 || !say_ready())
		return 1;
	sleep_for_ever();
}

int role_liar(void)
{
	if (!fill_pool() || exo_upcall_handle(EXO_UPCALL_REVOKE, lie, NULL) < 0 || !say_ready())
		return 1;
	sleep_for_ever();
}

/* Looks at what it lost, in its own time; says so by its exit status. */
int role_late(void)
{
	uint64_t until;

	if (!fill_pool() || !say_ready())
		return 1;
	while ((exo_wait(0) & EXO_EVENT_REVOKE) == 0)
		;
	until = exo_account()->repossession.deadline;
	while (exo_tsc() < until + exo_time_ticks(DEADLINE_NS))
		exo_wait(until + exo_time_ticks(DEADLINE_NS));
	for (unsigned i = 0; i < TAKEN; i++) {
		if (exo_account()->losses[i].kind != EXO_KIND_FRAME)
			return 2;
	}
	return exo_account()->n_losses == TAKEN ? 42 : 3;
}

int role_refuser(void)
{
	fill_pool();
	say_ready();
	for (;;)
		__asm__ volatile("pause");
}

/* Has verified code choose: of its frames those of one block, which it took first, and, where it
 * has an extent, save them there. Waits until they are lost. */
static int lose(struct exo_pages *block, void (*fill)(const struct exo_pages *))
{
	struct insn {
		uint8_t code, regs;
		int16_t offset;
		int32_t imm;
	} program[] = {
	        {0xb7, 0x00, 0, 0},                            /* r0 = 0 */
	        {0xa5, 0x02, 4, sizeof(struct exo_candidate)}, /* if r2 < size: out */
	        {0x79, 0x13, 0, 0},                            /* r3 = candidate->frame */
	        {0x17, 0x03, 0, 0},                            /* r3 -= the block's first */
	        {0x25, 0x03, 1, TAKEN - 1},                    /* if r3 > TAKEN - 1: out */
	        {0xb7, 0x00, 0, 1},                            /* r0 = 1 */
	        {0x95, 0x00, 0, 0},                            /* out: exit */
	};
	const struct exo_cap *extent = exo_start_cap(EXO_USE_DISK);
	struct exo_seed seed = {.program = (uintptr_t)program,
	                        .program_size = sizeof(program),
	                        .extents = (uintptr_t)extent,
	                        .n_extents = extent != NULL};

	if (exo_pages_alloc(block, TAKEN) < 0)
		return 1;
	fill(block);
	program[3].imm = (int32_t)block->frame;
	if (exo_seed(&seed) < 0)
		return 2;
	fill_pool();
	while (exo_account()->n_losses < TAKEN)
		exo_wait(exo_tsc() + exo_time_ticks(1000000));
	for (unsigned i = 0; i < TAKEN; i++) {
		if (exo_account()->losses[i].first - block->frame >= TAKEN)
			return 3;
	}
	return 0;
}

static void leave_empty(const struct exo_pages *block)
{
}

int role_chooser(void)
{
	struct exo_pages block;
	int result = lose(&block, leave_empty);

	return result ? result : 43;
}

static uint64_t word_of(uint64_t frame, unsigned word)
{
	return (frame << 16 | word) * 0x9e3779b97f4a7c15ull;
}

static void write_words(const struct exo_pages *block)
{
	uint64_t *words = block->address;

	for (unsigned i = 0; i < TAKEN * WORDS; i++)
		words[i] = word_of(block->frame + i / WORDS, i % WORDS);
}

/* Reads what a loss says was saved of a frame, and compares. */
static int compare(const struct exo_loss *loss, const struct exo_pages *back)
{
	volatile struct exo_disk_done *done = (void *)((char *)back->address + EXO_PAGE_SIZE);
	const uint64_t *words = back->address;
	struct exo_disk_request request = {.extent = *exo_start_cap(EXO_USE_DISK),
	                                   .sector = loss->sector,
	                                   .frame = back->frame,
	                                   .count = EXO_PAGE_SIZE / 512,
	                                   .done = (back->frame + 1) << EXO_PAGE_SHIFT};

	if (!loss->saved || exo_disk(&request) < 0)
		return 4;
	while (!done->done)
		exo_wait(exo_tsc() + exo_time_ticks(1000000));
	for (unsigned i = 0; i < WORDS && done->result == 0; i++) {
		if (words[i] != word_of(loss->first, i))
			return 5;
	}
	return done->result ? 6 : 0;
}

int role_saver(void)
{
	struct exo_pages block, back;
	int result = exo_pages_alloc(&back, 2) < 0 ? 7 : lose(&block, write_words);

	for (unsigned i = 0; i < TAKEN && result == 0; i++)
		result = compare((const void *)&exo_account()->losses[i], &back);
	return result ? result : 46;
}

/* ---- Trials ---- */

static struct exo_env_status status;

static bool look(const struct exo_child *child)
{
	status.env = child->cap;
	return exo_env_status(&status) == 0;
}

static int ask(const struct exo_child *child, uint64_t count, uint64_t within_ns)
{
	struct exo_repossess block = {.authority = *exo_start_cap(EXO_USE_FRAMES),
	                              .env = child->id,
	                              .kind = EXO_KIND_FRAME,
	                              .first = EXO_UNITS_ANY,
	                              .count = count,
	                              .deadline = exo_tsc() + exo_time_ticks(within_ns)};

	return exo_repossess(&block);
}

/* Starts a child, waits until it is ready, asks, and waits until that is settled. */
static bool take_with(struct exo_child *child, const char *role, trial_furnish *furnish,
                      uint64_t within_ns, uint64_t *before)
{
	uint64_t limit = exo_tsc() + exo_time_ticks(LIMIT_NS), settled = 0;

	if (!trial_child_with(child, role, 0, 2, 256, furnish))
		return false;
	if (!look(child))
		return false;
	*before = trial_child_frames + POOL + READY;
	while (status.account.frames < *before && exo_tsc() < limit) {
		exo_wait(exo_tsc() + exo_time_ticks(2000000));
		look(child);
	}
	if (ask(child, TAKEN, within_ns) < 0)
		return false;
	while (!settled && exo_tsc() < limit)
		settled = (uint64_t)exo_wait(exo_tsc() + exo_time_ticks(2000000)) & EXO_EVENT_TAKEN;
	return settled && look(child);
}

static bool take_from(struct exo_child *child, const char *role, uint64_t *before)
{
	return take_with(child, role, NULL, DEADLINE_NS, before);
}

static void finish(struct exo_child *child)
{
	exo_env_end(&child->cap);
	trial_end(child);
}

void trial_giving_in_time(void)
{
	struct exo_child child;
	uint64_t before;

	TRIAL(take_with(&child, "giver", NULL, PATIENCE_NS, &before));
	TRIAL(status.account.frames == before - TAKEN);
	TRIAL(status.account.n_losses == 0);
	finish(&child);
}

void trial_lying(void)
{
	struct exo_child child;
	uint64_t before;

	TRIAL(take_from(&child, "liar", &before));
	TRIAL(status.account.frames <= before - TAKEN);
	TRIAL(status.account.n_losses == TAKEN);
	finish(&child);
}

void trial_being_late(void)
{
	struct exo_child child;
	uint64_t before;

	TRIAL(take_from(&child, "late", &before));
	/* On a crowded host it may have ended before this looks. */
	TRIAL(status.state > EXO_ENV_RUNNING || status.account.frames == before - TAKEN);
	TRIAL(trial_end(&child) == 42);
}

void trial_refusing(void)
{
	struct exo_child child;
	uint64_t before;

	TRIAL(take_from(&child, "refuser", &before));
	TRIAL(status.account.frames == before - TAKEN);
	TRIAL(status.account.n_losses == TAKEN);
	finish(&child);
}

static bool give_extent(struct exo_child *child)
{
	return exo_child_extent(child, 8, SECTORS) >= 0;
}

void trial_saving(void)
{
	struct exo_child child;
	uint64_t before;

	if (exo_info()->disk_sectors == 0)
		return;
	TRIAL(take_with(&child, "saver", give_extent, DEADLINE_NS, &before));
	TRIAL(trial_end(&child) == 46);
}

void trial_choosing(void)
{
	struct exo_child child;
	uint64_t before;

	TRIAL(take_from(&child, "chooser", &before));
	TRIAL(trial_end(&child) == 43);
}
