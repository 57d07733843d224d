/* SPDX-License-Identifier: BSD-2-Clause */
#include <libexo/ext.h>
#include <libexo/lib.h>
#include <libexo/printf.h>

#include <static/front.h>

#include "download.h"
#include "front_object.h"

static struct exo_ext ext;
static bool there;
static struct static_front front;
static uint64_t until; /* of the rules that the handler has */

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

static void say_failed(const char *what, int result)
{
	exo_printf("no handler in the kernel: %s: %s%s%s\n", what, exo_error_text(result),
	           ext.error[0] == '\0' ? "" : ": ", ext.error);
}

void download_open(const struct exo_net *net, const struct static_stack *stack)
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
	return until;
}

void download_add(struct stats *stats)
{
	struct front_counts counts;

	if (!there ||
	    exo_ext_lookup(&ext, ".bss.counts", &only, sizeof only, &counts, sizeof counts) < 0)
		return;
	stats->connections += counts.answered;
	stats->requests += counts.answered;
	stats->bytes += counts.bytes;
	stats->retransmits += counts.again;
	stats->segments_out +=
	        counts.asked + counts.answered + counts.again + counts.ended + counts.replied;
	stats->segments_in += counts.asked + counts.answered + counts.again + counts.ended +
	                      counts.replied + counts.taken;
}
