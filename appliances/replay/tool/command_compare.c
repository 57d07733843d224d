/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `sluice-replay compare`: two documents side by side. A difference is called one where the
 * intervals of 95 % confidence do not overlap.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "results.h"

static const char usage[] =
        "usage: sluice-replay compare A.json B.json [-j]\n"
        "\n"
        "Prints the figures of two results side by side, with the intervals that hold their means\n"
        "with 95 % confidence (where a result has three runs or more: --repeat 3) and B's change\n"
        "against A: it differs where the intervals don't overlap. With -j times are in "
        "nanoseconds.\n";

enum { FILE_MAX = 256 << 20 };

static char *read_all(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = NULL;
	size_t used = 0, room = 0, got;

	if (!file)
		return NULL;
	do {
		if (room - used < 65536) {
			room += room + 131072;
			char *larger = room > FILE_MAX ? NULL : realloc(text, room);
			if (!larger) {
				errno = EFBIG;
				break;
			}
			text = larger;
		}
		got = fread(text + used, 1, room - used - 1, file);
		used += got;
	} while (got);
	(void)fclose(file);
	if (text)
		text[used] = 0;
	return text;
}

static cJSON *read_document(const char *path)
{
	char *text = read_all(path);
	cJSON *document = text ? cJSON_Parse(text) : NULL;

	if (!text)
		(void)command_complain(0, "%s: %s", path, strerror(errno));
	else if (!cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(document, "summary"))) {
		(void)command_complain(0, "%s is no result of sluice-replay send", path);
		cJSON_Delete(document);
		document = NULL;
	}
	free(text);
	return document;
}

struct figure {
	double value, half_width; /* NAN: not known */
};

static struct figure figure_of(const cJSON *item)
{
	const cJSON *mean = cJSON_GetObjectItemCaseSensitive(item, "mean");
	const cJSON *half = cJSON_GetObjectItemCaseSensitive(item, "half_width_95");

	return (struct figure){cJSON_IsNumber(mean) ? mean->valuedouble : NAN,
	                       cJSON_IsNumber(half) ? half->valuedouble : NAN};
}

static const char *judge(const struct figure *a, const struct figure *b)
{
	if (isnan(a->half_width) || isnan(b->half_width))
		return "";
	return fabs(a->value - b->value) > a->half_width + b->half_width ? "differs" : "same";
}

static void put_figure(const struct figure *figure, const char *name)
{
	char text[64], value[24], half[24];

	(void)results_show(value, sizeof(value), name, figure->value);
	if (isnan(figure->value))
		snprintf(text, sizeof(text), "-");
	else if (isnan(figure->half_width))
		snprintf(text, sizeof(text), "%s", value);
	else
		snprintf(text, sizeof(text), "%s +- %s", value,
		         results_show(half, sizeof(half), name, figure->half_width));
	printf("  %24s", text);
}

static void put_line(const char *name, const struct figure *a, const struct figure *b)
{
	printf("%-16s", name);
	put_figure(a, name);
	put_figure(b, name);
	if (isnan(a->value) || isnan(b->value) || (a->value == 0 && b->value == 0))
		printf("  %10s", "");
	else if (a->value != 0)
		printf("  %+8.2f %%", 100 * (b->value - a->value) / a->value);
	else
		printf("  %10s", "new");
	printf("  %s\n", judge(a, b));
}

static void put_json(cJSON *list, const char *name, const struct figure *a, const struct figure *b)
{
	cJSON *object = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(object, "figure", name);
	(void)cJSON_AddNumberToObject(object, "a", a->value);
	(void)cJSON_AddNumberToObject(object, "b", b->value);
	(void)cJSON_AddNumberToObject(object, "a_half_width_95", a->half_width);
	(void)cJSON_AddNumberToObject(object, "b_half_width_95", b->half_width);
	(void)cJSON_AddStringToObject(object, "verdict", judge(a, b));
	cJSON_AddItemToArray(list, object);
}

static void compare(const cJSON *a, const cJSON *b, bool json)
{
	const cJSON *summary = cJSON_GetObjectItemCaseSensitive(a, "summary"), *item;
	const cJSON *other = cJSON_GetObjectItemCaseSensitive(b, "summary");
	cJSON *list = cJSON_CreateArray();

	if (!json)
		printf("%-16s  %24s  %24s  %10s\n", "figure", "A", "B", "change");
	cJSON_ArrayForEach(item, summary)
	{
		struct figure left = figure_of(item);
		struct figure right =
		        figure_of(cJSON_GetObjectItemCaseSensitive(other, item->string));
		if (json)
			put_json(list, item->string, &left, &right);
		else
			put_line(item->string, &left, &right);
	}
	if (json)
		command_put_json(stdout, list);
	cJSON_Delete(list);
}

int command_compare(int argc, char **argv, const struct command_line *line)
{
	struct common_words common = {0};
	int plain = command_words(argc, argv, NULL, 0, &common, usage);

	if (plain < 0)
		return plain == COMMAND_HELPED ? STATUS_GOOD : STATUS_USAGE;
	if (plain != 2)
		return command_complain(STATUS_USAGE, "two results are needed; try compare --help");
	cJSON *a = read_document(argv[1]), *b = read_document(argv[2]);
	if (a && b)
		compare(a, b, common.json);
	int status = a && b ? STATUS_GOOD : STATUS_BROKEN;
	cJSON_Delete(a);
	cJSON_Delete(b);
	return status;
}
