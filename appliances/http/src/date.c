/* SPDX-License-Identifier: BSD-2-Clause */
/* The calendar is counted from 1 March, so that the leap day ends a year. */
#include <http/date.h>

#include "internal.h"

enum {
	DAY = 86400,
	ERA_DAYS = 146097 /* of 400 years */,
	EPOCH_DAYS = 719468 /* since 1 March 0 */
};

static const char day_names[] = "SunMonTueWedThuFriSat";
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
/* A digit for each #, anything for each *. */
static const char shape[] = "***, ## *** #### ##:##:## GMT";

_Static_assert(sizeof shape - 1 == HTTP_DATE_SIZE, "as long as it says");

static void put(char *to, uint64_t value, unsigned digits)
{
	while (digits-- > 0) {
		to[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

void http_date_format(uint64_t seconds, char *to)
{
	uint64_t days = seconds / DAY + EPOCH_DAYS, time = seconds % DAY;
	uint64_t era = days / ERA_DAYS, of_era = days % ERA_DAYS;
	uint64_t year_of_era =
	        (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
	uint64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	uint64_t month = (5 * of_year + 2) / 153; /* March is 0 */
	uint64_t year = era * 400 + year_of_era + (month >= 10);

	memcpy(to, shape, HTTP_DATE_SIZE);
	memcpy(to, day_names + (days + 3) % 7 * 3, 3); /* 1 March 0 was a Wednesday */
	put(to + 5, of_year - (153 * month + 2) / 5 + 1, 2);
	memcpy(to + 8, month_names + (month < 10 ? month + 2 : month - 10) * 3, 3);
	put(to + 12, year, 4);
	put(to + 17, time / 3600, 2);
	put(to + 20, time / 60 % 60, 2);
	put(to + 23, time % 60, 2);
}

static uint64_t number(const char *at, unsigned digits)
{
	uint64_t value = 0;

	while (digits-- > 0)
		value = value * 10 + (uint64_t)(*at++ - '0');
	return value;
}

static bool has_shape(const char *text, const char *form)
{
	for (unsigned i = 0; form[i] != '\0'; i++)
		if (form[i] == '#' ? !is_class((uint8_t)text[i], CHAR_DIGIT)
		                   : form[i] != '*' && text[i] != form[i])
			return false;
	return true;
}

/* asctime's: "Sun Nov  6 08:49:37 1994". */
static bool from_asctime(const char *text, char *to)
{
	if (!has_shape(text, "*** *** *# ##:##:## ####"))
		return false;
	memcpy(to + 5, text + 8, 2);
	if (to[5] == ' ')
		to[5] = '0';
	memcpy(to + 8, text + 4, 3);
	memcpy(to + 12, text + 20, 4);
	memcpy(to + 17, text + 11, 8);
	return has_shape(to, shape);
}

/* RFC 850's: "Sunday, 06-Nov-94 08:49:37 GMT", behind the day's name. */
static bool from_850(const char *text, char *to)
{
	if (!has_shape(text, ", ##-***-## ##:##:## GMT"))
		return false;
	memcpy(to + 5, text + 2, 2);
	memcpy(to + 8, text + 5, 3);
	put(to + 12, text[9] < '7' ? 20 : 19, 2);
	memcpy(to + 14, text + 9, 2);
	memcpy(to + 17, text + 12, 8);
	return true;
}

/* Writes it in the preferred form, but for the day's name. */
static bool prefer(struct http_text text, char *to)
{
	enum { OLD_SIZE = 24, NAME_LEAST = 6, NAME_MOST = 9 };

	memcpy(to, shape, HTTP_DATE_SIZE);
	if (text.size == OLD_SIZE)
		return from_asctime(text.data, to);
	if (text.size == HTTP_DATE_SIZE && has_shape(text.data, shape)) {
		memcpy(to, text.data, HTTP_DATE_SIZE);
		return true;
	}
	return text.size >= OLD_SIZE + NAME_LEAST && text.size <= OLD_SIZE + NAME_MOST &&
	       from_850(text.data + text.size - OLD_SIZE, to);
}

/* 0 … 11; 12: none. */
static unsigned month_of(const char *at)
{
	unsigned month = 0;

	while (month < 12 && memcmp(month_names + month * (size_t)3, at, 3) != 0)
		month++;
	return month;
}

bool http_date_parse(struct http_text text, uint64_t *seconds)
{
	uint64_t day, month, year, time;
	char at[HTTP_DATE_SIZE], back[HTTP_DATE_SIZE];

	if (!prefer(text, at))
		return false;
	day = number(at + 5, 2);
	month = month_of(at + 8);
	year = number(at + 12, 4);
	if (month == 12 || year < 1970)
		return false;
	year -= month < 2;
	month = month < 2 ? month + 10 : month - 2;
	time = number(at + 17, 2) * 3600 + number(at + 20, 2) * 60 + number(at + 23, 2);
	day += year / 400 * ERA_DAYS + year % 400 * 365 + year % 400 / 4 - year % 400 / 100 +
	       (153 * month + 2) / 5 - 1;
	if (day < EPOCH_DAYS)
		return false;
	*seconds = (day - EPOCH_DAYS) * DAY + time;
	/* What is not written so itself (30 February, 25 o'clock) is no date. */
	http_date_format(*seconds, back);
	return memcmp(back + 5, at + 5, HTTP_DATE_SIZE - 5) == 0;
}
