/* SPDX-License-Identifier: BSD-2-Clause */
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/time.h>

#include <static/front.h>

#include "download.h"
#include "front_object.h"

static struct exo_ext ext;
static bool there;
static struct static_front front;
static uint64_t until; /* of the rules that the handler has */
static uint64_t aged;  /* when records are made older */
static uint64_t seen;  /* SYNs that the handler had answered then, and */
static unsigned quiet; /* how often there were no new ones */

static const uint32_t only; /* the key of a section's one value */

static int update(const char *section, const void *value, size_t size)
{
	return exo_ext_update(&ext, section, &only, sizeof only, value, (uint32_t)size);
}

static int update_rules(const struct static_stack *stack)
{
	until = static_front_rules(&front, stack);
	return update(".data.rules", &front.rules, sizeof front.rules);
}

static bool look_up(const char *section, void *value, size_t size)
{
	return exo_ext_lookup(&ext, section, &only, sizeof only, value, (uint32_t)size) >= 0;
}

/* ---- The handler's functions ---- */

static int take(void *context, uint64_t peer, struct front_taken *taken)
{
	int64_t result = exo_ext_invoke(ext.ref, "front_take", peer, 0, 0);

	return result == 1 && !look_up(".bss.taken", taken, sizeof *taken) ? 0 : (int)result;
}

static uint64_t age(void *context, uint64_t first, uint64_t *old)
{
	int64_t next = exo_ext_invoke(ext.ref, "front_age", first, 0, 0);

	if (next < 0 || ((next & FRONT_OLD) != 0 && !look_up(".bss.old", old, sizeof *old)))
		return 0;
	return (uint64_t)next;
}

/* Records of those that were there once are gone after so many rounds; then it is of no use. */
static void age_all(struct static_stack *stack)
{
	struct front_counts counts;

	if (!look_up(".bss.counts", &counts, sizeof counts))
		return;
	quiet = counts.asked == seen && counts.kept == counts.left ? quiet + 1 : 0;
	seen = counts.asked;
	if (quiet < FRONT_AGES)
		static_front_age(&front, stack);
}

/* ---- Life ---- */

static void say_failed(const char *what, int result)
{
	exo_printf("no handler in the kernel: %s: %s%s%s\n", what, exo_error_text(result),
	           ext.error[0] == '\0' ? "" : ": ", ext.error);
}

void download_open(const struct exo_net *net, struct static_stack *stack)
{
	uint64_t id;
	int result =
	        exo_ext_open_bytes(&ext, "front", front_object, sizeof front_object, FRONT_PLACES);

	if (result < 0) {
		say_failed("extension", result);
		return;
	}
	front.arena = ext.arena.address;
	result = update_rules(stack);
	if (result >= 0)
		result = exo_ext_handle(&ext, "front", &net->bindings[0], &net->flow->cap,
		                        EXO_HANDLER_BUDGET_MAX, &id);
	if (result < 0) {
		say_failed("handler", result);
		(void)exo_ext_close(&ext);
		return;
	}
	there = true;
	front.take = take;
	front.age = age;
	static_front_attach(&front, stack);
	aged = exo_time_now_ns() + static_front_age_ns(stack);
	exo_printf("short requests are answered in the kernel\n");
}

uint64_t download_run(struct static_stack *stack, uint64_t now)
{
	if (!there)
		return UINT64_MAX;
	if (static_front_learn(&front, stack, "/stats"))
		(void)update(".data.known", front.known, sizeof front.known);
	if (now >= until)
		(void)update_rules(stack);
	if (now >= aged) {
		age_all(stack);
		aged = now + static_front_age_ns(stack);
	}
	return aged < until ? aged : until;
}

void download_add(struct stats *stats)
{
	struct front_counts counts;

	if (!there || !look_up(".bss.counts", &counts, sizeof counts))
		return;
	stats->connections += counts.opened;
	stats->open += counts.kept - counts.left;
	stats->requests += counts.answered;
	stats->bytes += counts.bytes;
	stats->retransmits += counts.again;
	stats->segments_out +=
	        counts.asked + counts.answered + counts.again + counts.ended + counts.replied;
	stats->segments_in += counts.asked + counts.answered + counts.again + counts.ended +
	                      counts.replied + counts.taken;
}
