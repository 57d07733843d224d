/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report as a page: verdict, the bindings' counts, their times, and where all comes from.
 */
#include <string.h>

#include "../report/page.h"
#include "../report/plot.h"
#include "../report/quantity.h"
#include "report.h"

enum { QUANTILES = 5 };

/* Shares of which one value in `inverse` is greater. */
static const double inverses[QUANTILES] = {2, 10, 100, 1000, 10000};

static const char *label_time(char *buffer, size_t size, double ns)
{
	return quantity_show_time(buffer, size, ns);
}

static const char *label_quantile(char *buffer, size_t size, double inverse)
{
	snprintf(buffer, size, "%.6g %%", 100 * (1 - 1 / inverse));
	return buffer;
}

static void put_verdict(FILE *out, const struct bindings *bindings,
                        const struct session_result *result, unsigned verdict)
{
	double seconds = result->seconds > 0 ? result->seconds : 1e-9;
	char text[1024], rate[48];

	snprintf(text, sizeof(text),
	         "%llu of the trace's %llu frames went into the machine at %s; the fate of %llu is "
	         "known. %s",
	         (unsigned long long)result->sent, (unsigned long long)result->frames,
	         quantity_show(rate, sizeof(rate), (double)result->settled / seconds, "pps"),
	         (unsigned long long)result->settled,
	         verdict ? "Not all counts agree with libpcap and with the total order of bindings."
	                 : "What each binding matched agrees with libpcap, and what each got with "
	                   "the total order of bindings.");
	page_verdict(out, text, !verdict, true);
}

static void put_count(FILE *out, uint64_t got, uint64_t wanted)
{
	if (got == wanted)
		fprintf(out, "<td>%llu</td>", (unsigned long long)got);
	else
		fprintf(out, "<td><strong>%llu (should be %llu)</strong></td>",
		        (unsigned long long)got, (unsigned long long)wanted);
}

static void put_time(FILE *out, const struct replay_latency *latency, uint64_t ns)
{
	char text[48];

	fprintf(out, "<td>%s</td>",
	        latency->count ? quantity_show_time(text, sizeof(text), (double)ns) : "");
}

static void put_binding(FILE *out, const struct binding *binding)
{
	const struct replay_result *got = &binding->result;

	fputs("<tr><td>", out);
	page_text(out, binding->name);
	if (!binding->reported || got->status) {
		fputs("</td><td colspan=\"7\">", out);
		page_text(out, binding->reported ? got->error : "did not report");
	} else {
		fputs("</td>", out);
		put_count(out, got->matched_packets, binding->matched.packets);
		put_count(out, got->delivered_packets, binding->delivered.packets);
		put_count(out, got->delivered_bytes, binding->delivered.bytes);
		put_count(out, got->dropped_no_buffer + got->dropped_ring_full, 0);
		put_time(out, &got->latency, got->latency.p50);
		put_time(out, &got->latency, got->latency.p99);
		put_time(out, &got->latency, got->latency.max);
		fputs("<td><code>", out);
		page_text(out, binding->text[0] ? binding->text : "(every frame)");
		fputs("</code>", out);
	}
	fputs("</td></tr>\n", out);
}

static void put_bindings(FILE *out, const struct bindings *bindings)
{
	struct replay_port port = report_port(bindings);

	fputs("<h2>Bindings</h2><table><tr><th>name</th><th>matched</th><th>delivered</th>"
	      "<th>bytes</th><th>dropped</th><th>50 %</th><th>99 %</th><th>most</th><th>filter</th>"
	      "</tr>\n",
	      out);
	for (size_t i = 0; i < bindings->n; i++)
		put_binding(out, &bindings->all[i]);
	fputs("<tr><td>(nobody's)</td>", out);
	put_count(out, port.unmatched, bindings->unmatched.packets);
	fputs("<td colspan=\"7\"></td></tr></table>\n", out);
}

static void latency_points(const struct replay_latency *latency,
                           struct plot_point points[QUANTILES])
{
	const uint64_t values[QUANTILES] = {latency->p50, latency->p90, latency->p99, latency->p999,
	                                    latency->max};

	for (int i = 0; i < QUANTILES; i++)
		points[i] = (struct plot_point){inverses[i], (double)values[i]};
}

/* One curve for each binding that got anything; three colours in turn, names in their titles. */
static void put_times(FILE *out, const struct bindings *bindings)
{
	static const char *const css[] = {"a", "b", "c"};
	struct plot plot = {
	        .out = out,
	        .title = "From arrival to delivery, by percentile",
	        .x = {"percentile", inverses[0], inverses[QUANTILES - 1], true, label_quantile},
	        .y = {"time", 1e18, 1, true, label_time}};
	struct plot_point points[QUANTILES];
	bool any = false;

	for (size_t i = 0; i < bindings->n; i++) {
		const struct replay_latency *latency = &bindings->all[i].result.latency;
		if (!latency->count)
			continue;
		any = true;
		if ((double)latency->p50 < plot.y.low)
			plot.y.low = latency->p50 ? (double)latency->p50 : 1;
		if ((double)latency->max > plot.y.high)
			plot.y.high = (double)latency->max;
	}
	if (!any)
		return;
	plot_begin(&plot);
	for (size_t i = 0; i < bindings->n; i++) {
		if (!bindings->all[i].result.latency.count)
			continue;
		latency_points(&bindings->all[i].result.latency, points);
		plot_line(&plot, points, QUANTILES, css[i % 3], bindings->all[i].name);
	}
	plot_end(&plot);
}

static void put_left_out(FILE *out, const struct session_result *result)
{
	for (int fate = 1; fate < TRACE_FATES; fate++) {
		const struct left_out *left_out = &result->left_out[fate];
		if (!left_out->n)
			continue;
		fprintf(out, "<tr><td>left out</td><td>%llu: %s (records",
		        (unsigned long long)left_out->n, trace_fate_text((enum trace_fate)fate));
		for (uint64_t i = 0; i < left_out->n && i < SESSION_LEFT_OUT_MAX; i++)
			fprintf(out, " %llu", (unsigned long long)left_out->numbers[i]);
		fputs(left_out->n > SESSION_LEFT_OUT_MAX ? " …)</td></tr>\n" : ")</td></tr>\n",
		      out);
	}
}

static void put_provenance(FILE *out, const char *trace, const struct session_result *result)
{
	fputs("<h2>Where this comes from</h2><table>\n", out);
	page_row(out, "machine", result->machine);
	page_row(out, "version", SLUICE_VERSION);
	page_row(out, "trace", trace);
	page_row(out, "frames", result->link_note);
	page_row(out, "damaged", result->damaged ? result->note : "");
	put_left_out(out, result);
	fputs("</table>\n", out);
}

void report_page(FILE *out, const char *trace, const struct bindings *bindings,
                 const struct session_result *result, unsigned verdict)
{
	page_begin(out);
	put_verdict(out, bindings, result, verdict);
	put_bindings(out, bindings);
	put_times(out, bindings);
	put_provenance(out, trace, result);
	page_end(out, "Times run from a frame's arrival in the driver to its delivery into the "
	              "environment, by the machine's own clock.");
}
