/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table for people.
 */
#include <stdlib.h>
#include <string.h>

#include "report.h"

static const char banner[] =
        "Times are those of an emulated machine. They are not the latency of hardware.\n";

/* "1,234,567" in one of a few static buffers, enough for one line of the table. */
static const char *grouped(uint64_t value)
{
	static char texts[16][28];
	static unsigned next;
	char digits[24], *text = texts[next++ % 16];
	int n = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)value);
	char *to = text;
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = 0;
	return text;
}

/* A time with three digits that count. */
static const char *time_text(uint64_t ns)
{
	static char texts[4][24];
	static unsigned next;
	char *text = texts[next++ % 4];
	if (ns < 10000)
		snprintf(text, 24, "%.2f us", (double)ns / 1e3);
	else if (ns < 10000000)
		snprintf(text, 24, "%.0f us", (double)ns / 1e3);
	else
		snprintf(text, 24, "%.0f ms", (double)ns / 1e6);
	return text;
}

static void print_left_out(FILE *out, const struct session_result *result)
{
	for (int fate = 1; fate < TRACE_FATES; fate++) {
		const struct left_out *left_out = &result->left_out[fate];
		if (!left_out->n)
			continue;
		fprintf(out, "left out of all counts, %s: %s frame%s, number",
		        trace_fate_text(fate), grouped(left_out->n), left_out->n == 1 ? "" : "s");
		uint64_t shown =
		        left_out->n < SESSION_LEFT_OUT_MAX ? left_out->n : SESSION_LEFT_OUT_MAX;
		for (uint64_t i = 0; i < shown; i++)
			fprintf(out, " %llu", (unsigned long long)left_out->numbers[i]);
		fputs(shown < left_out->n ? " ...\n" : "\n", out);
	}
}

static void print_trace(FILE *out, const char *trace, const struct session_result *result)
{
	fprintf(out, "%s: %s frames; %s sent, %s bytes (%s)\n", trace, grouped(result->frames),
	        grouped(result->sent), grouped(result->sent_bytes), result->link_note);
	print_left_out(out, result);
	if (result->snapped)
		fprintf(out,
		        "%s frames were captured in part and sent so: `len` means what was "
		        "captured\n",
		        grouped(result->snapped));
	if (result->padded)
		fprintf(out, "%s short frames got the zeros that this NIC model adds\n",
		        grouped(result->padded));
	if (result->damaged)
		fprintf(out, "the trace is damaged %s\n", result->note);
}

static int widest_name(const struct bindings *bindings)
{
	int width = 9;
	for (size_t i = 0; i < bindings->n; i++)
		if ((int)strlen(bindings->all[i].name) > width)
			width = (int)strlen(bindings->all[i].name);
	return width;
}

static const char *mark(uint64_t got, uint64_t wanted)
{
	return got == wanted ? "" : "!";
}

static void print_binding(FILE *out, const struct binding *binding, int width)
{
	const struct replay_result *got = &binding->result;
	if (!binding->reported || got->status) {
		fprintf(out, "%-*s  %s\n", width, binding->name,
		        binding->reported ? got->error : "did not report");
		return;
	}
	fprintf(out, "%-*s %10s%-1s %13s%-1s %10s%-1s %13s%-1s %8s", width, binding->name,
	        grouped(got->matched_packets), mark(got->matched_packets, binding->matched.packets),
	        grouped(got->matched_bytes), mark(got->matched_bytes, binding->matched.bytes),
	        grouped(got->delivered_packets),
	        mark(got->delivered_packets, binding->delivered.packets),
	        grouped(got->delivered_bytes), mark(got->delivered_bytes, binding->delivered.bytes),
	        grouped(got->dropped_no_buffer + got->dropped_ring_full));
	if (got->latency.count)
		fprintf(out, " %9s %9s %9s", time_text(got->latency.p50),
		        time_text(got->latency.p99), time_text(got->latency.max));
	else
		fprintf(out, " %9s %9s %9s", "-", "-", "-");
	fprintf(out, "  %s\n", binding->text[0] ? binding->text : "(every frame)");
}

static void print_difference(FILE *out, const char *name, const char *what, const char *judge,
                             uint64_t got, uint64_t wanted, uint64_t got_bytes,
                             uint64_t wanted_bytes)
{
	if (got == wanted && got_bytes == wanted_bytes)
		return;
	fprintf(out, "DIFFERS: %s: %s %s packets, %s bytes; %s says %s, %s bytes\n", name, what,
	        grouped(got), grouped(got_bytes), judge, grouped(wanted), grouped(wanted_bytes));
}

static void print_differences(FILE *out, const struct bindings *bindings)
{
	for (size_t i = 0; i < bindings->n; i++) {
		const struct binding *b = &bindings->all[i];
		if (!b->reported || b->result.status) {
			fprintf(out, "REFUSED: %s: %s\n", b->name,
			        b->reported ? b->result.error : "did not report");
			continue;
		}
		print_difference(out, b->name, "matched", "libpcap", b->result.matched_packets,
		                 b->matched.packets, b->result.matched_bytes, b->matched.bytes);
		print_difference(out, b->name, "delivered", "the order",
		                 b->result.delivered_packets, b->delivered.packets,
		                 b->result.delivered_bytes, b->delivered.bytes);
		if (b->result.read_packets != b->result.delivered_packets || b->result.cut_packets)
			fprintf(out, "LOST: %s: read %s of %s packets delivered, %s of them cut\n",
			        b->name, grouped(b->result.read_packets),
			        grouped(b->result.delivered_packets),
			        grouped(b->result.cut_packets));
	}
}

static void print_drops(FILE *out, const struct bindings *bindings, const struct replay_port *port)
{
	uint64_t no_buffer = 0, ring_full = 0, declined = 0;
	for (size_t i = 0; i < bindings->n; i++) {
		no_buffer += bindings->all[i].result.dropped_no_buffer;
		ring_full += bindings->all[i].result.dropped_ring_full;
		declined += bindings->all[i].result.declined_packets;
	}
	fprintf(out,
	        "dropped: %s no buffer in the NIC, %s damaged, %s malformed, %s no buffer in a "
	        "ring, "
	        "%s ring full, %s copies for taps\n",
	        grouped(port->nic), grouped(port->nic_errors), grouped(port->malformed),
	        grouped(no_buffer), grouped(ring_full), grouped(port->tap_lost));
	fprintf(out, "declined by a program behind its flow and passed on: %s\n",
	        grouped(declined));
}

static void print_speed(FILE *out, const struct session_result *result)
{
	double seconds = result->seconds > 0 ? result->seconds : 1e-9;
	fprintf(out, "%s of %s frames settled in %.3f s: %s packets/s, %.1f Mbit/s\n",
	        grouped(result->settled), grouped(result->sent), result->seconds,
	        grouped((uint64_t)((double)result->settled / seconds)),
	        (double)result->sent_bytes * 8 / seconds / 1e6);
	fputs(banner, out);
}

void report_table(FILE *out, const char *trace, const struct bindings *bindings,
                  const struct session_result *result, unsigned verdict)
{
	struct replay_port port = report_port(bindings);
	int width = widest_name(bindings);
	print_trace(out, trace, result);
	fprintf(out, "\n%-*s %11s %14s %11s %14s %8s %9s %9s %9s  %s\n", width, "binding",
	        "matched ", "bytes ", "delivered ", "bytes ", "dropped", "p50", "p99", "max",
	        "filter");
	for (size_t i = 0; i < bindings->n; i++)
		print_binding(out, &bindings->all[i], width);
	fprintf(out, "%-*s %10s%-1s\n\n", width, "unmatched", grouped(port.unmatched),
	        mark(port.unmatched, bindings->unmatched.packets));
	print_drops(out, bindings, &port);
	print_speed(out, result);
	print_differences(out, bindings);
	print_difference(out, "unmatched", "nobody's", "the order", port.unmatched,
	                 bindings->unmatched.packets, 0, 0);
	if (result->settled != result->sent)
		fprintf(out, "LOST: %s frames never settled\n",
		        grouped(result->sent - result->settled));
	if (verdict & VERDICT_ENGINE)
		fputs("DIFFERS: a flow does not hold where its expression accepts\n", out);
	fputs(verdict ? "NOT ALL AGREES\n"
	              : "all counts agree: matched with libpcap, delivered with the total order\n",
	      out);
}
