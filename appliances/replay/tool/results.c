/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From counters to the document.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "../report/quantity.h"
#include "results.h"

static void add(cJSON *object, const char *key, double value)
{
	(void)cJSON_AddNumberToObject(object, key, value);
}

/* Quantiles that are given, in parts of 10,000, and their keys. */
static const struct {
	const char *key;
	uint32_t per_10000;
} quantiles[] = {{"p50", 5000}, {"p90", 9000},  {"p95", 9500},
                 {"p99", 9900}, {"p999", 9990}, {"p9999", 9999}};

cJSON *results_quantiles(const struct histogram *histogram)
{
	cJSON *object = cJSON_CreateObject();
	double count = (double)histogram->count;

	add(object, "count", count);
	add(object, "min", (double)histogram->min);
	add(object, "mean", count > 0 ? (double)histogram->sum / count : 0);
	for (unsigned i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		add(object, quantiles[i].key,
		    (double)histogram_quantile(histogram, quantiles[i].per_10000));
	add(object, "max", (double)histogram->max);
	return object;
}

/* Pairs of a bucket's greatest value and its count; empty ones are left out. */
static cJSON *buckets(const struct histogram *histogram)
{
	cJSON *array = cJSON_CreateArray();

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		if (!histogram->buckets[i])
			continue;
		const double pair[2] = {(double)histogram_edge(i), (double)histogram->buckets[i]};
		cJSON_AddItemToArray(array, cJSON_CreateDoubleArray(pair, 2));
	}
	return array;
}

static void add_histogram(cJSON *run, const char *key, const struct histogram *histogram)
{
	cJSON *object = results_quantiles(histogram);

	cJSON_AddItemToObject(object, "buckets", buckets(histogram));
	cJSON_AddItemToObject(run, key, object);
}

static const char *const columns[] = {"sent", "sent_bytes",      "returned",       "returned_bytes",
                                      "lost", "latency_mean_ns", "latency_max_ns", "late_max_ns"};

enum { COLUMNS = sizeof(columns) / sizeof(columns[0]) };

static cJSON *series(const struct series *series)
{
	cJSON *object = cJSON_CreateObject(), *rows = cJSON_CreateArray();

	add(object, "width_ns", (double)series->width_ns);
	cJSON_AddItemToObject(object, "columns", cJSON_CreateStringArray(columns, COLUMNS));
	for (uint32_t i = 0; i < series->used; i++) {
		const struct series_slot *slot = &series->slots[i];
		double mean =
		        slot->returned ? (double)slot->latency_sum / (double)slot->returned : 0;
		const double row[COLUMNS] = {
		        (double)slot->sent,        (double)slot->sent_bytes,
		        (double)slot->returned,    (double)slot->returned_bytes,
		        (double)slot->lost,        mean,
		        (double)slot->latency_max, (double)slot->error_max};
		cJSON_AddItemToArray(rows, cJSON_CreateDoubleArray(row, COLUMNS));
	}
	cJSON_AddItemToObject(object, "rows", rows);
	return object;
}

static cJSON *tag(const struct sender_tag *tag, const char *name)
{
	cJSON *object = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(object, "name", name);
	add(object, "sent", (double)tag->sent);
	add(object, "sent_bytes", (double)tag->sent_bytes);
	add(object, "returned", (double)tag->returned);
	add(object, "returned_bytes", (double)tag->returned_bytes);
	add(object, "lost", (double)tag->lost);
	cJSON_AddItemToObject(object, "latency_ns", results_quantiles(&tag->latency));
	return object;
}

static double rate(uint64_t count, uint64_t frames, uint64_t span_ns)
{
	/* n frames span n - 1 gaps. */
	return frames > 1 && span_ns ? (double)count * 1e9 / (double)span_ns *
	                                       ((double)frames - 1) / (double)frames
	                             : 0;
}

static void add_counts(cJSON *run, const struct sender_tally *tally)
{
	add(run, "sent", (double)tally->sent);
	add(run, "sent_bytes", (double)tally->sent_bytes);
	add(run, "signed", (double)tally->signed_frames);
	add(run, "returned", (double)tally->returned);
	add(run, "returned_bytes", (double)tally->returned_bytes);
	add(run, "lost", (double)tally->lost);
	add(run, "duplicates", (double)tally->duplicates);
	add(run, "reordered", (double)tally->reordered);
	add(run, "ambiguous", (double)tally->ambiguous);
	add(run, "foreign", (double)tally->foreign);
	add(run, "too_long", (double)tally->too_long);
	add(run, "too_long_first", (double)tally->too_long_first);
	add(run, "unsent", (double)tally->unsent);
	add(run, "crowded", (double)tally->crowded);
	add(run, "starved", (double)tally->starved);
	add(run, "port_full", (double)tally->full);
	add(run, "seconds", (double)tally->span_ns / 1e9);
	add(run, "loss", tally->sent ? (double)tally->lost / (double)tally->sent : 0);
	add(run, "pps", rate(tally->sent, tally->sent, tally->span_ns));
	add(run, "wire_bps",
	    8 * rate(tally->sent_bytes + tally->sent * PORT_WIRE_OVERHEAD, tally->sent,
	             tally->span_ns));
}

static void add_statistics(cJSON *run, const struct port_statistics *statistics)
{
	cJSON *object = cJSON_AddObjectToObject(run, "port");

	add(object, "sent", (double)statistics->sent);
	add(object, "received", (double)statistics->received);
	add(object, "receive_missed", (double)statistics->receive_missed);
	add(object, "receive_errors", (double)statistics->receive_errors);
	add(object, "send_errors", (double)statistics->send_errors);
	add(object, "too_long", (double)statistics->too_long);
}

cJSON *results_run(const struct sender_tally *tally, const struct port_statistics *statistics,
                   const char *const *tags, unsigned tags_n, const char *error)
{
	cJSON *run = cJSON_CreateObject();

	if (error)
		(void)cJSON_AddStringToObject(run, "error", error);
	add_counts(run, tally);
	add_statistics(run, statistics);
	add_histogram(run, "latency_ns", &tally->latency);
	add_histogram(run, "corrected_ns", &tally->corrected);
	add_histogram(run, "late_ns", &tally->late);
	cJSON_AddItemToObject(run, "series", series(&tally->series));
	cJSON *list = cJSON_AddArrayToObject(run, "bindings");
	for (unsigned i = 0; i < tags_n; i++)
		cJSON_AddItemToArray(list, tag(&tally->tags[i], tags[i]));
	return run;
}

static cJSON *odd(const struct trace_odd *odd)
{
	cJSON *object = cJSON_CreateObject();

	add(object, "frames", (double)odd->n);
	cJSON *numbers = cJSON_AddArrayToObject(object, "numbers");
	for (uint64_t i = 0; i < odd->n && i < TRACE_SOURCE_NUMBERS; i++)
		cJSON_AddItemToArray(numbers, cJSON_CreateNumber((double)odd->numbers[i]));
	return object;
}

static void add_left_out(cJSON *trace, const struct trace_account *account)
{
	cJSON *list = cJSON_AddArrayToObject(trace, "left_out");

	for (int fate = 1; fate < TRACE_FATES; fate++) {
		cJSON *object = odd(&account->left_out[fate]);
		(void)cJSON_AddStringToObject(object, "reason", trace_fate_text(fate));
		cJSON_AddItemToArray(list, object);
	}
}

cJSON *results_trace(const struct trace_account *account)
{
	cJSON *trace = cJSON_CreateObject();

	(void)cJSON_AddStringToObject(trace, "name", account->name);
	(void)cJSON_AddStringToObject(trace, "sha256", account->digest);
	(void)cJSON_AddStringToObject(trace, "link", account->note);
	(void)cJSON_AddBoolToObject(trace, "streamed", account->streamed);
	add(trace, "records", (double)account->records);
	add(trace, "frames", (double)account->frames);
	add(trace, "bytes", (double)account->bytes);
	add(trace, "longest", account->longest);
	cJSON_AddItemToObject(trace, "snapped", odd(&account->snapped));
	cJSON_AddItemToObject(trace, "disordered", odd(&account->disordered));
	add(trace, "seconds", (double)(account->last_ns - account->first_ns) / 1e9);
	if (account->damaged)
		(void)cJSON_AddStringToObject(trace, "damaged", account->damage);
	add_left_out(trace, account);
	return trace;
}

/* The first line of a file that begins with a key, behind ": "; empty where there is none. */
static void file_word(const char *path, const char *key, char *value, size_t size)
{
	char line[512];
	FILE *file = fopen(path, "re");

	value[0] = 0;
	while (file && !value[0] && fgets(line, sizeof(line), file)) {
		if (strncmp(line, key, strlen(key)) != 0)
			continue;
		const char *colon = strchr(line, ':');
		snprintf(value, size, "%.*s", (int)strcspn(colon ? colon + 2 : line, "\n"),
		         colon ? colon + 2 : line);
	}
	if (file)
		(void)fclose(file);
}

static void add_machine(cJSON *provenance)
{
	struct utsname name = {0};
	char cpu[256], clock[64], flags[512];

	(void)uname(&name);
	file_word("/proc/cpuinfo", "model name", cpu, sizeof(cpu));
	file_word("/sys/devices/system/clocksource/clocksource0/current_clocksource", "", clock,
	          sizeof(clock));
	file_word("/sys/class/dmi/id/sys_vendor", "", flags, sizeof(flags));
	cJSON *machine = cJSON_AddObjectToObject(provenance, "machine");
	(void)cJSON_AddStringToObject(machine, "processor", cpu);
	(void)cJSON_AddStringToObject(machine, "vendor", flags);
	(void)cJSON_AddStringToObject(machine, "kernel", name.release);
	(void)cJSON_AddStringToObject(machine, "clock", clock);
	add(machine, "cores", (double)sysconf(_SC_NPROCESSORS_ONLN));
}

cJSON *results_provenance(int argc, char **argv, const struct results_port *port)
{
	cJSON *provenance = cJSON_CreateObject();
	time_t now = time(NULL);
	char date[32] = "";
	struct tm parts;

	if (gmtime_r(&now, &parts))
		(void)strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", &parts);
	(void)cJSON_AddStringToObject(provenance, "version", SLUICE_VERSION);
	(void)cJSON_AddStringToObject(provenance, "date", date);
	cJSON_AddItemToObject(provenance, "arguments",
	                      cJSON_CreateStringArray((const char *const *)argv, argc));
	(void)cJSON_AddStringToObject(provenance, "port", port->name);
	(void)cJSON_AddStringToObject(provenance, "driver", port->driver);
	(void)cJSON_AddStringToObject(provenance, "arrivals_by", port->stamps);
	(void)cJSON_AddStringToObject(provenance, "priority", port->priority);
	add_machine(provenance);
	return provenance;
}

/* Figures that are summarised: a name, and where in a run they stand. */
static const struct {
	const char *name, *object, *key;
} figures[] = {
        {"pps", NULL, "pps"},
        {"wire_bps", NULL, "wire_bps"},
        {"sent", NULL, "sent"},
        {"returned", NULL, "returned"},
        {"lost", NULL, "lost"},
        {"loss", NULL, "loss"},
        {"duplicates", NULL, "duplicates"},
        {"reordered", NULL, "reordered"},
        {"ambiguous", NULL, "ambiguous"},
        {"foreign", NULL, "foreign"},
        {"min", "latency_ns", "min"},
        {"mean", "latency_ns", "mean"},
        {"p50", "latency_ns", "p50"},
        {"p90", "latency_ns", "p90"},
        {"p95", "latency_ns", "p95"},
        {"p99", "latency_ns", "p99"},
        {"p999", "latency_ns", "p999"},
        {"p9999", "latency_ns", "p9999"},
        {"max", "latency_ns", "max"},
        {"corrected_p50", "corrected_ns", "p50"},
        {"corrected_p99", "corrected_ns", "p99"},
        {"corrected_p999", "corrected_ns", "p999"},
        {"corrected_max", "corrected_ns", "max"},
        {"late_p50", "late_ns", "p50"},
        {"late_p99", "late_ns", "p99"},
        {"late_p999", "late_ns", "p999"},
        {"late_max", "late_ns", "max"},
};

static bool is_time(const char *name)
{
	for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++)
		if (!strcmp(name, figures[i].name))
			return figures[i].object != NULL;
	return false;
}

const char *results_show(char *buffer, size_t size, const char *name, double value)
{
	if (is_time(name))
		return quantity_show_time(buffer, size, value);
	if (!strcmp(name, "pps") || !strcmp(name, "wire_bps"))
		return quantity_show(buffer, size, value, "");
	snprintf(buffer, size, "%.6g", value);
	return buffer;
}

bool results_needs_return(const char *name)
{
	return strcmp(name, "pps") != 0 && strcmp(name, "wire_bps") != 0 &&
	       strcmp(name, "sent") != 0 && strncmp(name, "late_", 5) != 0;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Student's t for 95 %, two-sided, n - 1 degrees of freedom. */
static double student_t(int n)
{
	static const double t[] = {0,     0,     12.71, 4.303, 3.182, 2.776, 2.571,
	                           2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
	                           2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093};
	int last = (int)(sizeof(t) / sizeof(t[0])) - 1;

	return n <= last ? t[n] : 2.0;
}

static cJSON *statistics_of(double *values, int n)
{
	cJSON *object = cJSON_CreateObject();
	double sum = 0, squares = 0, mean;

	qsort(values, (size_t)n, sizeof(*values), by_value);
	for (int i = 0; i < n; i++)
		sum += values[i];
	mean = sum / n;
	for (int i = 0; i < n; i++)
		squares += (values[i] - mean) * (values[i] - mean);
	add(object, "median", n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2);
	add(object, "min", values[0]);
	add(object, "max", values[n - 1]);
	add(object, "mean", mean);
	if (n >= 3)
		add(object, "half_width_95", student_t(n) * sqrt(squares / (n - 1) / n));
	return object;
}

static double figure_of(const cJSON *run, unsigned i)
{
	const cJSON *object =
	        figures[i].object ? cJSON_GetObjectItemCaseSensitive(run, figures[i].object) : run;
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, figures[i].key);

	return cJSON_IsNumber(value) ? value->valuedouble : 0;
}

void results_summarise(cJSON *document)
{
	const cJSON *runs = cJSON_GetObjectItemCaseSensitive(document, "runs"), *run;
	int n = cJSON_GetArraySize(runs);
	double *values = calloc((size_t)n + 1, sizeof(*values));
	cJSON *summary = cJSON_AddObjectToObject(document, "summary");

	for (unsigned i = 0; values && n && i < sizeof(figures) / sizeof(figures[0]); i++) {
		int at = 0;
		cJSON_ArrayForEach(run, runs) values[at++] = figure_of(run, i);
		cJSON_AddItemToObject(summary, figures[i].name, statistics_of(values, n));
	}
	free(values);
}

double results_figure(const cJSON *document, const char *name)
{
	const cJSON *summary = cJSON_GetObjectItemCaseSensitive(document, "summary");
	const cJSON *figure = cJSON_GetObjectItemCaseSensitive(summary, name);
	const cJSON *median = cJSON_GetObjectItemCaseSensitive(figure, "median");

	return cJSON_IsNumber(median) ? median->valuedouble : NAN;
}
