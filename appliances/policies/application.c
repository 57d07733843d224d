/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second role: an application with a memory manager and a scheduler of its own in the kernel,
 * and a strand (an environment of its own, without slots) that runs when the scheduler says so.
 */
#include <libexo/call.h>
#include <libexo/child.h>
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "policies.h"

enum { PAGES = 32, PASSES = 2, STRAND_FRAMES = 96, BUDGET = 20000, REPORT_AT = 8 };

static const struct policies {
	const char *pager, *scheduler;
} policies[APPLICATIONS] = {{"pager_fifo.o", "slots_share.o"}, {"pager_ahead.o", "slots_demand.o"}};

static const struct bundle *bundle;
static unsigned number; /* which application */
static uint32_t core, network;
static struct exo_ext pager, scheduler;
static struct exo_pages shared; /* with the strand: a counter */

static int open_one(struct exo_ext *ext, const char *name)
{
	const struct bundle_file *file = bundle_find(bundle, name);
	int result = file == NULL
	                     ? -EXO_ENOENT
	                     : exo_ext_open_bytes(ext, name, (const char *)bundle + file->offset,
	                                          file->size, 0);

	if (result == 0)
		result = exo_ext_resolve(ext, core);
	if (result > 0)
		result = exo_ext_resolve(ext, network);
	if (result > 0)
		result = -EXO_ENOENT;
	return result < 0 ? policies_failed(name, result, ext->error) : 0;
}

static uint64_t count_of(const struct exo_ext *ext, const char *map, uint32_t i)
{
	uint64_t value = 0;

	(void)exo_ext_lookup(ext, map, &i, sizeof(i), &value, sizeof(value));
	return value;
}

/* Pages that can be made again: what is not in one is put there. */
static void visit(uint64_t base)
{
	for (unsigned pass = 0; pass < PASSES; pass++) {
		for (uint64_t i = 0; i < PAGES; i++) {
			volatile uint64_t *page = (uint64_t *)(base + i * EXO_PAGE_SIZE);

			if (*page != i + 1)
				*page = i + 1;
		}
	}
}

static int manage_memory(void)
{
	int64_t base = exo_ext_invoke(core, "exo_virt_allocate", 0, PAGES, 0);
	uint64_t id;
	int result = open_one(&pager, policies[number].pager);

	if (result < 0)
		return result;
	if (base < 0)
		return policies_failed("addresses", (int)base, "");
	result = exo_ext_event(&pager, EXO_EXT_NOT_PRESENT, "page_in", NULL, BUDGET, &id);
	if (result < 0)
		return policies_failed("pager", result, pager.error);
	visit((uint64_t)base);
	exo_printf("%u visits to %u pages: %llu faults, %llu frames\n", PAGES * PASSES, PAGES,
	           (unsigned long long)count_of(&pager, "counts", 0),
	           (unsigned long long)count_of(&pager, "counts", 1));
	return 0;
}

static int start_strand(uint32_t *id)
{
	const struct bundle_file *image = bundle_find(bundle, "policies");
	static struct exo_child child;
	uint64_t address;
	char text[20];
	int result = exo_pages_alloc(&shared, 1);

	if (result == 0)
		result = exo_child_create(&child, "strand", STRAND_FRAMES);
	if (result == 0)
		result = exo_child_image(&child, (const char *)bundle + image->offset, image->size);
	if (result == 0)
		result = exo_child_share(&child, &shared, &address);
	if (result == 0) {
		exo_snprintf(text, sizeof(text), "%llx", (unsigned long long)address);
		result = exo_child_argument(&child, "policies");
	}
	if (result == 0)
		result = exo_child_argument(&child, "strand");
	if (result == 0)
		result = exo_child_argument(&child, text);
	if (result == 0)
		result = exo_child_start(&child, exo_start_page()->core);
	*id = child.id;
	return result < 0 ? policies_failed("strand", result, child.error) : 0;
}

static int schedule(uint32_t strand)
{
	const uint64_t words[2] = {strand, number};
	uint64_t id;
	int result = open_one(&scheduler, policies[number].scheduler);

	for (uint32_t i = 0; i < 2 && result == 0; i++)
		result = exo_ext_update(&scheduler, "words", &i, sizeof(i), &words[i],
		                        sizeof(words[i]));
	if (result == 0)
		result = exo_ext_event(&scheduler, EXO_EXT_SLOT_BEGIN, "schedule", NULL, BUDGET,
		                       &id);
	return result < 0 ? policies_failed("scheduler", result, scheduler.error) : 0;
}

/* Says how often the strand has run, now and then. */
static void watch(void)
{
	const volatile uint64_t *ran = shared.address;
	uint64_t said = 0;

	for (;;) {
		exo_yield(0);
		if (*ran / REPORT_AT == said)
			continue;
		said = *ran / REPORT_AT;
		if ((said & (said - 1)) == 0)
			exo_printf("the strand ran %llu times: %llu of %llu slots were given\n",
			           (unsigned long long)*ran,
			           (unsigned long long)count_of(&scheduler, "words", 3),
			           (unsigned long long)count_of(&scheduler, "words", 2));
	}
}

int policies_application(void)
{
	const struct exo_cap *key = exo_start_cap(EXO_USE_EXTENSION);
	uint32_t strand;
	int result;

	bundle = (const struct bundle *)policies_number(2);
	number = (unsigned)policies_number(3) % APPLICATIONS;
	result = key == NULL ? -EXO_EPERM : exo_ext_accept(key, &network);
	if (result == 0)
		result = exo_ext_core(&core);
	if (result < 0)
		return policies_failed("services", result, "");
	if (manage_memory() < 0 || start_strand(&strand) < 0 || schedule(strand) < 0)
		return 1;
	exo_printf("ready\n");
	watch();
	return 0;
}

int policies_strand(void)
{
	volatile uint64_t *ran = (uint64_t *)policies_number(2);

	for (;;) {
		++*ran;
		exo_yield(0);
	}
}
