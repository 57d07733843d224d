/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers and units.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantity.h"

struct unit {
	const char *text;
	double factor;
};

/* A number that is not negative, then one of the units (the empty one where it is listed). */
static bool parse(const char *text, const struct unit *units, double limit, double *value)
{
	char *end;
	double number = strtod(text, &end);

	if (end == text || !(text[0] == '.' || (text[0] >= '0' && text[0] <= '9')))
		return false;
	end += *end == ' ';
	for (; units->text; units++)
		if (!strcmp(end, units->text))
			break;
	*value = units->text ? number * units->factor : -1;
	return units->text && isfinite(*value) && *value <= limit;
}

bool quantity_time(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {{"", 1e9},   {"s", 1e9},    {"ns", 1},    {"us", 1e3},
	                                    {"ms", 1e6}, {"min", 60e9}, {"h", 36e11}, {NULL, 0}};
	double value;

	if (!parse(text, units, 1e18, &value))
		return false;
	*ns = (uint64_t)llround(value);
	return true;
}

bool quantity_count(const char *text, uint64_t *count)
{
	static const struct unit units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {NULL, 0}};
	double value;

	if (!parse(text, units, 1e18, &value) || value != floor(value))
		return false;
	*count = (uint64_t)value;
	return true;
}

bool quantity_size(const char *text, uint64_t *bytes)
{
	static const struct unit units[] = {
	        {"", 1}, {"K", 1024.0}, {"M", 1048576.0}, {"G", 1073741824.0}, {NULL, 0}};
	double value;

	if (!parse(text, units, 1e18, &value))
		return false;
	*bytes = (uint64_t)value;
	return true;
}

static bool set(struct schedule *schedule, enum schedule_kind kind, double rate)
{
	schedule->kind = kind;
	schedule->rate = schedule->speed = (uint64_t)llround(rate);
	return schedule->rate > 0;
}

bool quantity_rate(const char *text, struct schedule *schedule)
{
	static const struct unit speed[] = {{"x", 1000}, {NULL, 0}};
	static const struct unit packets[] = {
	        {"pps", 1e3}, {"kpps", 1e6}, {"Mpps", 1e9}, {NULL, 0}};
	static const struct unit bits[] = {
	        {"bit/s", 1}, {"kbit/s", 1e3}, {"Mbit/s", 1e6}, {"Gbit/s", 1e9}, {NULL, 0}};
	double value;

	if (!strcmp(text, "top"))
		return set(schedule, SCHEDULE_TOP, 1);
	if (!strcmp(text, "original"))
		return set(schedule, SCHEDULE_ORIGINAL, 1000);
	if (parse(text, speed, 1e12, &value))
		return set(schedule, SCHEDULE_ORIGINAL, value);
	if (parse(text, packets, 1e15, &value))
		return set(schedule, SCHEDULE_PACKETS, value);
	return parse(text, bits, 1e15, &value) && set(schedule, SCHEDULE_BITS, value);
}

const char *quantity_show_time(char *buffer, size_t size, double ns)
{
	static const struct unit units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	unsigned i = 0;

	while (i < 3 && fabs(ns) >= 1000 * units[i].factor)
		i++;
	snprintf(buffer, size, "%.3g %s", ns / units[i].factor, units[i].text);
	return buffer;
}

const char *quantity_show(char *buffer, size_t size, double value, const char *unit)
{
	static const struct unit units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}};
	unsigned i = 0;

	while (i < 3 && fabs(value) >= 1000 * units[i].factor)
		i++;
	snprintf(buffer, size, "%.4g %s%s", value / units[i].factor, units[i].text, unit);
	return buffer;
}
