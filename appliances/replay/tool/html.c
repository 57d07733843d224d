/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `send` measured, as a page.
 */
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "html.h"
#include "../report/page.h"
#include "../report/plot.h"
#include "../report/quantity.h"
#include "results.h"

static const cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static double number(const cJSON *object, const char *key)
{
	const cJSON *item = get(object, key);

	return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

static const char *string(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(get(object, key));

	return text ? text : "";
}

static const char *label_time(char *buffer, size_t size, double ns)
{
	return quantity_show_time(buffer, size, ns);
}

static const char *label_seconds(char *buffer, size_t size, double seconds)
{
	snprintf(buffer, size, "%.4g s", seconds);
	return buffer;
}

static const char *label_count(char *buffer, size_t size, double value)
{
	return quantity_show(buffer, size, value, "");
}

static const char *label_quantile(char *buffer, size_t size, double inverse)
{
	snprintf(buffer, size, "%.6g %%", 100 * (1 - 1 / inverse));
	return buffer;
}

/* The text's end moves; nothing is written beyond the buffer. */
static void append(char *text, size_t size, const char *format, ...)
{
	size_t used = strlen(text);
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text + used, size - used, format, arguments);
	va_end(arguments);
}

static void say_sent(char *text, size_t size, const cJSON *document)
{
	char pps[48], bits[48];

	append(text, size, "%.0f frames were sent at %s (%s on the wire)",
	       results_figure(document, "sent"),
	       quantity_show(pps, sizeof(pps), results_figure(document, "pps"), "pps"),
	       quantity_show(bits, sizeof(bits), results_figure(document, "wire_bps"), "bit/s"));
	append(text, size, ", each within %s of its time at the 99th percentile",
	       quantity_show_time(pps, sizeof(pps), results_figure(document, "late_p99")));
}

static void say_returned(char *text, size_t size, const cJSON *document)
{
	char p50[48], p99[48], max[48];
	double returned = results_figure(document, "returned");
	double lost = results_figure(document, "lost");

	if (returned == 0) {
		append(text, size, ". None came back.");
		return;
	}
	append(text, size, ". %.0f came back; %.0f were lost (%.4g %%)", returned, lost,
	       100 * results_figure(document, "loss"));
	append(text, size,
	       ". The round trip took %s at the median, %s at the 99th percentile and %s at most.",
	       quantity_show_time(p50, sizeof(p50), results_figure(document, "p50")),
	       quantity_show_time(p99, sizeof(p99), results_figure(document, "p99")),
	       quantity_show_time(max, sizeof(max), results_figure(document, "max")));
	const cJSON *floor = get(get(document, "floor"), "latency_ns");
	if (floor)
		append(text, size, " Of that the measuring loop itself takes %s at the median.",
		       quantity_show_time(p50, sizeof(p50), number(floor, "p50")));
}

/* What did not go as it should, whoever's fault it was. */
static void say_odd(char *text, size_t size, const cJSON *run)
{
	if (number(run, "too_long") > 0)
		append(text, size,
		       " %.0f frames were left out: longer than the port sends (the first: record "
		       "%.0f).",
		       number(run, "too_long"), number(run, "too_long_first"));
	if (number(run, "unsent") > 0)
		append(text, size, " %.0f frames were due and the port took them no more.",
		       number(run, "unsent"));
	if (number(run, "crowded") > 0)
		append(text, size,
		       " %.0f frames were given up before their time-out: more were under way than "
		       "--window remembers.",
		       number(run, "crowded"));
	if (get(run, "error"))
		append(text, size, " A run ended early: %s.", string(run, "error"));
}

/* The port counts over all runs. */
static void say_dropped(char *text, size_t size, const cJSON *runs)
{
	const cJSON *last = cJSON_GetArrayItem(runs, cJSON_GetArraySize(runs) - 1);
	double dropped = number(get(last, "port"), "send_errors");

	if (dropped > 0)
		append(text, size,
		       " %.0f frames that were sent went nowhere: the port dropped them.", dropped);
}

static void say_requirements(char *text, size_t size, const cJSON *document)
{
	const cJSON *list = get(document, "requirements"), *each;
	int missed = 0, n = cJSON_GetArraySize(list);

	cJSON_ArrayForEach(each, list) missed += !cJSON_IsTrue(get(each, "held"));
	if (n && !missed)
		append(text, size, " All that was required held.");
	else if (missed)
		append(text, size, " %d of %d requirements did not hold.", missed, n);
}

static bool listens(const cJSON *document)
{
	return cJSON_IsTrue(get(get(document, "options"), "listen"));
}

void html_verdict(char *text, size_t size, const cJSON *document)
{
	const cJSON *run;

	text[0] = 0;
	say_sent(text, size, document);
	if (listens(document))
		say_returned(text, size, document);
	else
		append(text, size, ". What came back was not listened to.");
	cJSON_ArrayForEach(run, get(document, "runs")) say_odd(text, size, run);
	say_dropped(text, size, get(document, "runs"));
	if (cJSON_IsTrue(get(document, "interrupted")))
		append(text, size, " It was interrupted.");
	say_requirements(text, size, document);
}

static bool all_held(const cJSON *document)
{
	const cJSON *each;

	cJSON_ArrayForEach(each, get(document, "requirements"))
	{
		if (!cJSON_IsTrue(get(each, "held")))
			return false;
	}
	return true;
}

static void put_verdict(FILE *out, const cJSON *document)
{
	char text[2048];

	html_verdict(text, sizeof(text), document);
	page_verdict(out, text, all_held(document),
	             cJSON_IsTrue(get(get(document, "provenance"), "emulated")));
}

static size_t bucket_points(const cJSON *histogram, struct plot_point **points)
{
	const cJSON *buckets = get(histogram, "buckets"), *pair;
	size_t n = 0;

	*points = calloc((size_t)cJSON_GetArraySize(buckets) + 1, sizeof(**points));
	if (!*points)
		return 0;
	cJSON_ArrayForEach(pair, buckets)
	{
		const cJSON *edge = cJSON_GetArrayItem(pair, 0),
		            *count = cJSON_GetArrayItem(pair, 1);
		if (cJSON_IsNumber(edge) && cJSON_IsNumber(count))
			(*points)[n++] = (struct plot_point){edge->valuedouble, count->valuedouble};
	}
	return n;
}

static double highest(const struct plot_point *points, size_t n)
{
	double high = 0;

	for (size_t i = 0; i < n; i++)
		high = fmax(high, points[i].y);
	return high;
}

/* Where the bucket begins whose greatest value is `edge` (engine/histogram.h). */
static double bucket_begin(double edge)
{
	return edge < HISTOGRAM_STEPS ? edge : edge + 1 - exp2(floor(log2(edge))) / HISTOGRAM_STEPS;
}

/* Buckets as bars: each from its beginning to its end, with nothing where nothing was. At most
 * twice as many points, in memory of their own. */
static size_t bar_points(const struct plot_point *buckets, size_t n, struct plot_point **bars)
{
	size_t used = 0;

	*bars = calloc(2 * n + 1, sizeof(**bars));
	for (size_t i = 0; *bars && i < n; i++) {
		double end = buckets[i].x + 1;
		(*bars)[used++] = (struct plot_point){bucket_begin(buckets[i].x), buckets[i].y};
		if (i + 1 < n && bucket_begin(buckets[i + 1].x) > end)
			(*bars)[used++] = (struct plot_point){end, 0};
	}
	return used;
}

static void put_histogram(FILE *out, const cJSON *run)
{
	struct plot_point *points, *bars = NULL;
	size_t n = bucket_points(get(run, "latency_ns"), &points);
	size_t bars_n = bar_points(points, n, &bars);

	if (n && bars) {
		struct plot plot = {
		        .out = out,
		        .title = "How often each round-trip time occurred",
		        .x = {"round-trip time", points[0].x * 0.9, points[n - 1].x, true,
		              label_time},
		        .y = {"frames", 0, highest(points, n), false, label_count},
		};
		plot_begin(&plot);
		plot_bars(&plot, bars, bars_n, points[n - 1].x + 1, "a");
		plot_end(&plot);
	}
	free(points);
	free(bars);
}

/* Counts become the inverse of the share that is greater, values the ordinate. */
static void to_percentiles(struct plot_point *points, size_t n)
{
	double total = 0, seen = 0;

	for (size_t i = 0; i < n; i++)
		total += points[i].y;
	for (size_t i = 0; i < n; i++) {
		double value = points[i].x;
		seen += points[i].y;
		points[i].x = total / fmax(total - seen, 0.5);
		points[i].y = fmax(value, 1);
	}
}

static void put_percentiles(FILE *out, const cJSON *run, const char *title, const char *const *keys,
                            const char *const *names, unsigned n_keys)
{
	struct plot plot = {.out = out,
	                    .title = title,
	                    .x = {"percentile", 1, 10, true, label_quantile},
	                    .y = {"time", 1e18, 1, true, label_time}};
	struct plot_point *points[3] = {0};
	size_t n[3] = {0};
	static const char *const css[3] = {"a", "b", "c"};

	for (unsigned i = 0; i < n_keys; i++) {
		n[i] = bucket_points(get(run, keys[i]), &points[i]);
		to_percentiles(points[i], n[i]);
		for (size_t k = 0; k < n[i]; k++)
			plot.y.low = fmin(plot.y.low, points[i][k].y);
		if (n[i]) {
			plot.x.high = fmax(plot.x.high, points[i][n[i] - 1].x);
			plot.y.high = fmax(plot.y.high, points[i][n[i] - 1].y);
		}
	}
	if (n[0]) {
		plot_begin(&plot);
		for (unsigned i = 0; i < n_keys; i++)
			plot_line(&plot, points[i], n[i], css[i], names[i]);
		plot_end(&plot);
		fputs("<p class=\"key\">", out);
		for (unsigned i = 0; i < n_keys; i++)
			fprintf(out, "<span class=\"%s\">&#9644; %s</span>", css[i], names[i]);
		fputs("</p>\n", out);
	}
	for (unsigned i = 0; i < n_keys; i++)
		free(points[i]);
}

enum { SENT, SENT_BYTES, RETURNED, RETURNED_BYTES, LOST, LATENCY_MEAN, LATENCY_MAX, LATE_MAX };

static size_t series_points(const cJSON *series, int column, double per_slot,
                            struct plot_point **points)
{
	const cJSON *rows = get(series, "rows"), *row;
	double width = number(series, "width_ns") / 1e9;
	size_t n = 0;

	*points = calloc((size_t)cJSON_GetArraySize(rows) + 1, sizeof(**points));
	if (!*points)
		return 0;
	cJSON_ArrayForEach(row, rows)
	{
		const cJSON *cell = cJSON_GetArrayItem(row, column);
		(*points)[n] = (struct plot_point){
		        (double)n * width, cJSON_IsNumber(cell) ? cell->valuedouble / per_slot : 0};
		n++;
	}
	return n;
}

static void put_over_time(FILE *out, const cJSON *run, bool listened)
{
	const cJSON *series = get(run, "series");
	double width = number(series, "width_ns") / 1e9;
	struct plot_point *sent, *returned, *lost;
	size_t n = series_points(series, SENT, width, &sent);

	(void)series_points(series, RETURNED, width, &returned);
	(void)series_points(series, LOST, width, &lost);
	if (n && returned && lost) {
		struct plot plot = {.out = out,
		                    .title = "Frames a second over time, by their departure",
		                    .x = {"time", 0, (double)n * width, false, label_seconds},
		                    .y = {"frames a second", 0,
		                          fmax(highest(sent, n), highest(returned, n)), false,
		                          label_count}};
		plot_begin(&plot);
		if (listened)
			plot_bars(&plot, lost, n, (double)n * width, "c");
		plot_line(&plot, sent, n, "a", "sent");
		if (listened)
			plot_line(&plot, returned, n, "b", "returned");
		plot_end(&plot);
		fputs("<p class=\"key\"><span class=\"a\">&#9644; sent</span>", out);
		if (listened)
			fputs("<span class=\"b\">&#9644; returned</span><span "
			      "class=\"c\">&#9632; lost</span>",
			      out);
		fputs("</p>\n", out);
	}
	free(sent);
	free(returned);
	free(lost);
}

static void put_latency_over_time(FILE *out, const cJSON *run)
{
	const cJSON *series = get(run, "series");
	double width = number(series, "width_ns") / 1e9;
	struct plot_point *mean, *most;
	size_t n = series_points(series, LATENCY_MEAN, 1, &mean);

	(void)series_points(series, LATENCY_MAX, 1, &most);
	if (n && most && highest(most, n) > 0) {
		struct plot plot = {
		        .out = out,
		        .title = "Round-trip time over time",
		        .x = {"time", 0, (double)n * width, false, label_seconds},
		        .y = {"round-trip time", 0, highest(most, n), false, label_time}};
		plot_begin(&plot);
		plot_line(&plot, most, n, "b", "greatest");
		plot_line(&plot, mean, n, "a", "mean");
		plot_end(&plot);
		fputs("<p class=\"key\"><span class=\"a\">&#9644; mean</span><span "
		      "class=\"b\">&#9644; greatest</span></p>\n",
		      out);
	}
	free(mean);
	free(most);
}

static void put_cell_time(FILE *out, double ns)
{
	char text[48];

	fprintf(out, "<td>%s</td>", quantity_show_time(text, sizeof(text), ns));
}

static void put_quantile_row(FILE *out, const char *name, const cJSON *quantiles)
{
	static const char *const keys[] = {"min", "mean", "p50",   "p90",
	                                   "p99", "p999", "p9999", "max"};

	fputs("<tr><td>", out);
	page_text(out, name);
	fprintf(out, "</td><td>%.0f</td>", number(quantiles, "count"));
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		put_cell_time(out, number(quantiles, keys[i]));
	fputs("</tr>\n", out);
}

static void put_times(FILE *out, const cJSON *document, const cJSON *run)
{
	fputs("<h2>Times</h2><table><tr><th></th><th>frames</th><th>least</th><th>mean</th>"
	      "<th>50 %</th><th>90 %</th><th>99 %</th><th>99.9 %</th><th>99.99 %</th>"
	      "<th>most</th></tr>\n",
	      out);
	if (listens(document)) {
		put_quantile_row(out, "round trip, from departure", get(run, "latency_ns"));
		put_quantile_row(out, "round trip, from when it was due", get(run, "corrected_ns"));
	}
	put_quantile_row(out, "departure behind its time", get(run, "late_ns"));
	if (get(document, "floor"))
		put_quantile_row(out, "the measuring loop itself",
		                 get(get(document, "floor"), "latency_ns"));
	fputs("</table>\n", out);
}

static void put_bindings(FILE *out, const cJSON *run)
{
	const cJSON *list = get(run, "bindings"), *each;

	if (cJSON_GetArraySize(list) < 2)
		return;
	fputs("<h2>Bindings and flows</h2><table><tr><th>name</th><th>sent</th><th>returned</th>"
	      "<th>lost</th><th>50 %</th><th>99 %</th><th>most</th></tr>\n",
	      out);
	cJSON_ArrayForEach(each, list)
	{
		fputs("<tr><td>", out);
		page_text(out, string(each, "name"));
		fprintf(out, "</td><td>%.0f</td><td>%.0f</td><td>%.0f</td>", number(each, "sent"),
		        number(each, "returned"), number(each, "lost"));
		put_cell_time(out, number(get(each, "latency_ns"), "p50"));
		put_cell_time(out, number(get(each, "latency_ns"), "p99"));
		put_cell_time(out, number(get(each, "latency_ns"), "max"));
		fputs("</tr>\n", out);
	}
	fputs("</table>\n", out);
}

static void put_requirements(FILE *out, const cJSON *document)
{
	const cJSON *list = get(document, "requirements"), *each;

	if (!cJSON_GetArraySize(list))
		return;
	fputs("<h2>Requirements</h2><table><tr><th>required</th><th>measured</th><th></th></tr>\n",
	      out);
	cJSON_ArrayForEach(each, list)
	{
		fputs("<tr><td>", out);
		page_text(out, string(each, "text"));
		fputs("</td>", out);
		if (!cJSON_IsNumber(get(each, "measured")))
			fputs("<td>not measured</td>", out);
		else if (*string(each, "unit"))
			put_cell_time(out, number(each, "measured"));
		else
			fprintf(out, "<td>%.6g</td>", number(each, "measured"));
		fprintf(out, "<td>%s</td></tr>\n",
		        cJSON_IsTrue(get(each, "held")) ? "held" : "did not hold");
	}
	fputs("</table>\n", out);
}

static void put_figure(FILE *out, const cJSON *figure, const char *key)
{
	char text[48];

	fprintf(out, "<td>%s",
	        results_show(text, sizeof(text), figure->string, number(figure, key)));
}

static void put_summary(FILE *out, const cJSON *document)
{
	const cJSON *each;
	const int runs = cJSON_GetArraySize(get(document, "runs"));
	char text[48];

	fprintf(out,
	        "<h2>Figures over %d run%s</h2><table><tr><th>figure</th><th>median</th>"
	        "<th>least</th><th>most</th><th>mean, 95 %%</th></tr>\n",
	        runs, runs == 1 ? "" : "s");
	cJSON_ArrayForEach(each, get(document, "summary"))
	{
		if (!listens(document) && results_needs_return(each->string))
			continue;
		fprintf(out, "<tr><td>%s</td>", each->string);
		put_figure(out, each, "median");
		put_figure(out, each, "min");
		put_figure(out, each, "max");
		put_figure(out, each, "mean");
		if (get(each, "half_width_95"))
			fprintf(out, " &plusmn; %s",
			        results_show(text, sizeof(text), each->string,
			                     number(each, "half_width_95")));
		fputs("</td></tr>\n", out);
	}
	fputs("</table>\n", out);
}

static void put_odd(FILE *out, const char *name, const cJSON *odd, const char *why)
{
	const cJSON *record, *numbers = get(odd, "numbers");

	if (number(odd, "frames") == 0)
		return;
	fprintf(out, "<tr><td>%s</td><td>%.0f: ", name, number(odd, "frames"));
	page_text(out, why);
	fputs(" (records", out);
	cJSON_ArrayForEach(record, numbers) fprintf(out, " %.0f", record->valuedouble);
	fprintf(out, "%s)</td></tr>\n",
	        number(odd, "frames") > cJSON_GetArraySize(numbers) ? " …" : "");
}

static void put_oddities(FILE *out, const cJSON *trace)
{
	const cJSON *each;

	cJSON_ArrayForEach(each, get(trace, "left_out"))
	        put_odd(out, "left out", each, string(each, "reason"));
	put_odd(out, "snapped", get(trace, "snapped"), "the capture did not keep their ends");
	put_odd(out, "out of order", get(trace, "disordered"), "older than one before them");
}

static void put_provenance(FILE *out, const cJSON *document)
{
	const cJSON *provenance = get(document, "provenance"), *trace = get(document, "trace");
	const cJSON *machine = get(provenance, "machine"), *word;

	fputs("<h2>Where this comes from</h2><table>\n<tr><td>command</td><td><code>", out);
	cJSON_ArrayForEach(word, get(provenance, "arguments"))
	{
		page_text(out, word->valuestring);
		fputc(' ', out);
	}
	fputs("</code></td></tr>\n", out);
	page_row(out, "date", string(provenance, "date"));
	page_row(out, "version", string(provenance, "version"));
	page_row(out, "port", string(provenance, "port"));
	page_row(out, "driver", string(provenance, "driver"));
	page_row(out, "arrivals timed by", string(provenance, "arrivals_by"));
	page_row(out, "sender's priority", string(provenance, "priority"));
	page_row(out, "processor", string(machine, "processor"));
	page_row(out, "computer", string(machine, "vendor"));
	page_row(out, "kernel", string(machine, "kernel"));
	page_row(out, "clock", string(machine, "clock"));
	page_row(out, "trace", string(trace, "name"));
	page_row(out, "SHA-256", string(trace, "sha256"));
	page_row(out, "frames", string(trace, "link"));
	page_row(out, "damaged", string(trace, "damaged"));
	put_oddities(out, trace);
	fputs("</table>\n", out);
}

void html_report(FILE *out, const cJSON *document)
{
	static const char *const latency[] = {"latency_ns", "corrected_ns"};
	static const char *const latency_names[] = {"from departure", "from when it was due"};
	static const char *const late[] = {"late_ns"};
	static const char *const late_names[] = {"departure behind its time"};
	const cJSON *run = cJSON_GetArrayItem(get(document, "runs"), 0);

	page_begin(out);
	put_verdict(out, document);
	put_requirements(out, document);
	put_histogram(out, run);
	put_percentiles(out, run, "Round-trip time by percentile", latency, latency_names, 2);
	put_over_time(out, run, listens(document));
	put_latency_over_time(out, run);
	put_percentiles(out, run, "Departure behind its time, by percentile", late, late_names, 1);
	put_times(out, document, run);
	put_bindings(out, run);
	put_summary(out, document);
	put_provenance(out, document);
	page_end(out,
	         "Times are those of one clock, this computer's; arrivals are timed as said above. "
	         "Plots show the first run.");
}
