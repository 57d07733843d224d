/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Results in others' formats: HdrHistogram's percentile distribution, and CSV.
 */
#include <math.h>

#include "results.h"

static const double US = 1000; /* ns */

static void hgrm_line(FILE *out, double value_ns, double seen, double count)
{
	double part = seen / count;

	fprintf(out, "%12.3f %2.12f %10.0f", value_ns / US, part, seen);
	if (part < 1)
		fprintf(out, " %14.2f", 1 / (1 - part));
	fputc('\n', out);
}

static double deviation(const struct histogram *histogram, double mean)
{
	double squares = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		double off = (double)histogram_edge(i) - mean;
		squares += off * off * (double)histogram->buckets[i];
	}
	return sqrt(squares / (double)histogram->count);
}

void results_hgrm(FILE *out, const struct histogram *histogram)
{
	double count = (double)histogram->count, seen = 0;
	unsigned used = 0;

	fprintf(out, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
	        "1/(1-Percentile)");
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!histogram->buckets[i])
			continue;
		double edge = (double)histogram_edge(i);
		seen += (double)histogram->buckets[i];
		used++;
		hgrm_line(out, edge < (double)histogram->max ? edge : (double)histogram->max, seen,
		          count);
	}
	double mean = count > 0 ? (double)histogram->sum / count : 0;
	fprintf(out, "#[Mean    = %12.3f, StdDeviation   = %12.3f]\n", mean / US,
	        count > 0 ? deviation(histogram, mean) / US : 0);
	fprintf(out, "#[Max     = %12.3f, Total count    = %12.0f]\n", (double)histogram->max / US,
	        count);
	fprintf(out, "#[Buckets = %12u, SubBuckets     = %12u]\n", used, HISTOGRAM_STEPS);
}

static void csv_row(FILE *out, int run, double seconds, const cJSON *row)
{
	const cJSON *cell;

	fprintf(out, "%d,%.6f", run, seconds);
	cJSON_ArrayForEach(cell, row) fprintf(out, ",%.17g", cell->valuedouble);
	fputc('\n', out);
}

void results_csv(FILE *out, const cJSON *document)
{
	const cJSON *runs = cJSON_GetObjectItemCaseSensitive(document, "runs"), *run, *item;
	int number = 0;

	cJSON_ArrayForEach(run, runs)
	{
		const cJSON *series = cJSON_GetObjectItemCaseSensitive(run, "series");
		const cJSON *width = cJSON_GetObjectItemCaseSensitive(series, "width_ns");
		double at = 0;
		if (number++ == 0) {
			fputs("run,seconds", out);
			cJSON_ArrayForEach(item,
			                   cJSON_GetObjectItemCaseSensitive(series, "columns"))
			        fprintf(out, ",%s", item->valuestring);
			fputc('\n', out);
		}
		cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(series, "rows"))
		{
			csv_row(out, number, at / 1e9, item);
			at += width->valuedouble;
		}
	}
}
