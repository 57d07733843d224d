/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Trials of visible revocation with units that have a name: extents, rectangles of the screen,
 * rings. A child has one of them and is asked for it; it gives it back in time, or tries too late,
 * or says that it did and keeps it, or does not answer at all.
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
	DEADLINE_NS = 100000000,
	PATIENCE_NS =
	        1900000000, /* until who gives would lose: longer than a crowded host stalls */
	LIMIT_NS = 20000000000,
	RING_SIZE = 64,
	GAVE = 47,
	LOST = 48,
};

/* What parent and child both see. */
struct board {
	uint64_t kind, way; /* enum exo_kind, enum way */
	struct exo_cap key; /* the parent's, to a ring of the child's */
	volatile uint64_t ready;
};

enum way { GIVES, LATE, LIES, REFUSES, WAYS };

/* ---- The child ---- */

static struct exo_cap unit;
static uint32_t kind;
static volatile bool gave;

static int let_go(void)
{
	if (kind == EXO_KIND_EXTENT)
		return exo_extent_free(&unit);
	return kind == EXO_KIND_SCREEN ? exo_screen_free(&unit) : exo_ring_destroy(&unit);
}

static bool give(struct exo_pe *pe, void *arg)
{
	gave = pe->upcall.args[0] == kind && pe->upcall.args[1] == unit.first && let_go() == 0;
	return gave;
}

static bool lie(struct exo_pe *pe, void *arg)
{
	return true;
}

/* A receive ring, and a key to it for the parent. */
static int make_ring(struct board *board)
{
	static struct exo_pages memory;
	struct exo_ring_create ring = {.kind = EXO_RING_RECEIVE, .size = RING_SIZE};
	struct exo_grant grant = {
	        .to = exo_account()->parent, .rights = EXO_RIGHT_FREE, .count = 1};

	if (exo_pages_alloc(&memory, exo_pages_for(exo_ring_bytes(RING_SIZE))) < 0)
		return 1;
	ring.first_frame = memory.frame;
	if (exo_ring_create(&ring) < 0)
		return 2;
	unit = grant.cap = ring.out;
	grant.first = ring.out.first;
	if (exo_grant(&grant) < 0)
		return 3;
	board->key = grant.out;
	return 0;
}

static int take_unit(struct board *board)
{
	const struct exo_cap *key =
	        exo_start_cap(kind == EXO_KIND_EXTENT ? EXO_USE_DISK : EXO_USE_SCREEN);

	if (kind == EXO_KIND_RING)
		return make_ring(board);
	if (key == NULL)
		return 4;
	unit = *key;
	return 0;
}

/* It may be settled before this looks: by the handler, or, on a machine that stood still, by force.
 */
static bool asked(void)
{
	const volatile struct exo_account *account = exo_account();

	return account->repossession.by != 0 || gave || account->n_losses != 0;
}

int role_keeper(void)
{
	struct board *board = (struct board *)(uintptr_t)exo_start_page()->mailbox;
	int result;

	kind = (uint32_t)board->kind;
	result = take_unit(board);
	if (result)
		return result;
	if (board->way == GIVES)
		exo_upcall_handle(EXO_UPCALL_REVOKE, give, NULL);
	else if (board->way == LIES)
		exo_upcall_handle(EXO_UPCALL_REVOKE, lie, NULL);
	board->ready = 1;
	while (board->way == REFUSES)
		__asm__ volatile("pause");
	while (!asked())
		exo_wait(exo_tsc() + exo_time_ticks(1000000));
	while (exo_account()->repossession.by != 0)
		exo_wait(exo_tsc() + exo_time_ticks(1000000));
	if (board->way == GIVES)
		return exo_account()->n_losses == 0 ? GAVE : 5;
	/* Its key is worth nothing now, and it can read what it lost. */
	if (let_go() == 0)
		return 6;
	return exo_account()->n_losses == 1 && exo_account()->losses[0].kind == kind &&
	                       exo_account()->losses[0].first == unit.first
	               ? LOST
	               : 7;
}

/* ---- Trials ---- */

static struct exo_pages page;

static struct board *board_of(void)
{
	return page.address;
}

static bool furnish(struct exo_child *child)
{
	const struct exo_rect rect = {.x = 8, .y = 8, .width = 16, .height = 16};

	if (board_of()->kind == EXO_KIND_EXTENT && exo_child_extent(child, 64, 16) < 0)
		return false;
	if (board_of()->kind == EXO_KIND_SCREEN && exo_child_screen(child, &rect) < 0)
		return false;
	return exo_child_share(child, &page, &child->start->mailbox) >= 0;
}

/* How many units of the kind an environment owns, by the ledger, and the last one's name. */
static uint64_t owned(uint32_t id, uint64_t *name)
{
	static struct exo_ledger_entry entries[64];
	struct exo_listing listing = {.machine = *exo_start_cap(EXO_USE_MACHINE),
	                              .kind = (uint32_t)board_of()->kind,
	                              .room = 64,
	                              .entries = (uintptr_t)entries};
	uint64_t n = 0;

	if (exo_ledger(&listing) < 0)
		return UINT64_MAX;
	for (unsigned i = 0; i < listing.n; i++) {
		if (entries[i].owner == id) {
			n += entries[i].count;
			*name = entries[i].first;
		}
	}
	return n;
}

static const struct exo_cap *authority(void)
{
	if (board_of()->kind == EXO_KIND_RING)
		return &board_of()->key;
	return exo_start_cap(board_of()->kind == EXO_KIND_EXTENT ? EXO_USE_DISK : EXO_USE_SCREEN);
}

static void try_way(enum exo_kind of, enum way way)
{
	uint64_t limit = exo_tsc() + exo_time_ticks(LIMIT_NS), settled = 0;
	struct exo_repossess block = {.kind = of, .count = 1};
	static const int wanted[] = {GAVE, LOST, LOST, -1000 - EXO_ENV_KILLED};
	struct exo_child child;
	int status;

	*board_of() = (struct board){.kind = of, .way = way};
	TRIAL(trial_child_with(&child, "keeper", 0, 2, 256, furnish));
	while (!board_of()->ready && exo_tsc() < limit)
		exo_wait(exo_tsc() + exo_time_ticks(2000000));
	TRIAL(board_of()->ready && owned(child.id, &block.first) != 0);
	block.authority = *authority();
	block.env = child.id;
	block.deadline = exo_tsc() + exo_time_ticks(way == GIVES ? PATIENCE_NS : DEADLINE_NS);
	TRIAL(exo_repossess(&block) == 0);
	while (!settled && exo_tsc() < limit)
		settled = (uint64_t)exo_wait(exo_tsc() + exo_time_ticks(2000000)) & EXO_EVENT_TAKEN;
	TRIAL(settled && owned(child.id, &block.first) == 0);
	TRIAL(way == GIVES || exo_tsc() >= block.deadline);
	if (way == REFUSES)
		exo_env_end(&child.cap);
	status = trial_end(&child);
	if (status != wanted[way])
		exo_printf("way %d ended with %d\n", (int)way, status);
	TRIAL(status == wanted[way]);
}

static void try_all(enum exo_kind of)
{
	if (page.address == NULL && exo_pages_alloc(&page, 1) < 0) {
		trial_fail(__LINE__, "there is memory");
		return;
	}
	for (enum way way = GIVES; way < WAYS; way++)
		try_way(of, way);
	exo_pages_free(&page);
}

void trial_extents(void)
{
	if (exo_info()->disk_sectors != 0)
		try_all(EXO_KIND_EXTENT);
}

void trial_screens(void)
{
	if (exo_info()->screen_width != 0)
		try_all(EXO_KIND_SCREEN);
}

void trial_rings(void)
{
	try_all(EXO_KIND_RING);
}
