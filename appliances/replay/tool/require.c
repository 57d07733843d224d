/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requirements.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../report/quantity.h"
#include "require.h"
#include "results.h"

static const char *const times[] = {
        "min",           "mean",     "p50",      "p90",           "p95",           "p99",
        "p999",          "p9999",    "max",      "corrected_p50", "corrected_p99", "corrected_p999",
        "corrected_max", "late_p50", "late_p99", "late_p999",     "late_max",      NULL};
static const char *const counts[] = {"pps",       "wire_bps", "sent",       "returned",
                                     "lost",      "loss",     "duplicates", "reordered",
                                     "ambiguous", "foreign",  NULL};

static bool among(const char *const *names, const char *name)
{
	for (; *names; names++)
		if (!strcmp(*names, name))
			return true;
	return false;
}

/* A plain number, one with k, M, G, or a percentage. */
static bool parse_number(const char *text, double *value)
{
	char *end;
	uint64_t count;

	*value = strtod(text, &end);
	if (end != text && !strcmp(end, "%")) {
		*value /= 100;
		return *value >= 0;
	}
	if (end != text && !*end)
		return *value >= 0;
	if (!quantity_count(text, &count))
		return false;
	*value = (double)count;
	return true;
}

const char *require_parse(struct requirement *requirement, const char *text)
{
	size_t name = strcspn(text, "<>=");
	size_t relation = strspn(text + name, "<>=");
	const char *bound = text + name + relation;
	uint64_t ns;

	if (!name || name >= REQUIRE_NAME || !relation || relation > 2)
		return "is not FIGURE<VALUE (or <=, =, >=, >)";
	*requirement = (struct requirement){.text = text};
	memcpy(requirement->name, text, name);
	memcpy(requirement->relation, text + name, relation);
	if (!strstr("< <= = >= >", requirement->relation))
		return "has a relation that is none of <, <=, =, >=, >";
	if (among(times, requirement->name)) {
		if (!quantity_time(bound, &ns))
			return "has no time behind its relation (50us, 2ms, …)";
		requirement->bound = (double)ns;
		return NULL;
	}
	if (!among(counts, requirement->name))
		return "names no figure; known are min, mean, p50, p90, p95, p99, p999, p9999, "
		       "max, "
		       "these with corrected_ or late_ in front, pps, wire_bps, sent, returned, "
		       "lost, loss, duplicates, reordered, ambiguous, foreign";
	return parse_number(bound, &requirement->bound) ? NULL
	                                                : "has no number behind its relation";
}

static bool holds(const struct requirement *requirement, double value)
{
	const char *relation = requirement->relation;

	if (isnan(value))
		return false;
	if (strchr(relation, '=') && value == requirement->bound)
		return true;
	if (relation[0] == '<')
		return value < requirement->bound;
	return relation[0] == '>' && value > requirement->bound;
}

/* Nothing came back: quantiles of nothing satisfy nobody. */
static double measured(const cJSON *document, const struct requirement *requirement)
{
	if (among(times, requirement->name) && strncmp(requirement->name, "late_", 5) != 0 &&
	    results_figure(document, "returned") == 0)
		return NAN;
	return results_figure(document, requirement->name);
}

bool require_judge(cJSON *document, const struct requirement *requirements, unsigned n)
{
	cJSON *list = cJSON_AddArrayToObject(document, "requirements");
	bool all = true;

	for (unsigned i = 0; i < n; i++) {
		cJSON *object = cJSON_CreateObject();
		double value = measured(document, &requirements[i]);
		bool held = holds(&requirements[i], value);
		(void)cJSON_AddStringToObject(object, "text", requirements[i].text);
		cJSON_AddItemToObject(object, "measured",
		                      isnan(value) ? cJSON_CreateNull()
		                                   : cJSON_CreateNumber(value));
		(void)cJSON_AddStringToObject(object, "unit",
		                              among(times, requirements[i].name) ? "ns" : "");
		(void)cJSON_AddBoolToObject(object, "held", held);
		cJSON_AddItemToArray(list, object);
		all &= held;
	}
	return all;
}
