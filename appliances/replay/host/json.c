/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The report as JSON (RFC 8259): one object, keys as in the table.
 */
#include <string.h>

#include "report.h"

/* A text as a JSON string. Bytes that are no UTF-8 become U+FFFD, for a trace's name may hold any.
 */
static void put_string(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
		bool good = *p < 0x80 || (*p >= 0xc2 && *p < 0xf5);
		for (size_t i = 1; good && i <= more; i++)
			good = (p[i] & 0xc0) == 0x80;
		if (!good)
			fputs("\\ufffd", out);
		else if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p < 0x20)
			fprintf(out, "\\u%04x", *p);
		else
			fwrite(p, 1, 1 + more, out);
		p += good ? 1 + more : 1;
	}
	fputc('"', out);
}

static void put_key_string(FILE *out, const char *key, const char *text)
{
	fprintf(out, "\"%s\": ", key);
	put_string(out, text);
}

static void put_count(FILE *out, const char *key, uint64_t packets, uint64_t bytes)
{
	fprintf(out, "\"%s\": {\"packets\": %llu, \"bytes\": %llu}", key,
	        (unsigned long long)packets, (unsigned long long)bytes);
}

static void put_number(FILE *out, const char *key, uint64_t value)
{
	fprintf(out, "\"%s\": %llu", key, (unsigned long long)value);
}

static void put_left_out(FILE *out, const struct session_result *result)
{
	static const char *const keys[TRACE_FATES] = {"", "too_short", "too_long", "unusable"};
	fputs("\"left_out\": {", out);
	for (int fate = 1; fate < TRACE_FATES; fate++) {
		const struct left_out *left_out = &result->left_out[fate];
		fprintf(out, "%s\"%s\": {\"frames\": %llu, \"numbers\": [", fate > 1 ? ", " : "",
		        keys[fate], (unsigned long long)left_out->n);
		for (uint64_t i = 0; i < left_out->n && i < SESSION_LEFT_OUT_MAX; i++)
			fprintf(out, "%s%llu", i ? ", " : "",
			        (unsigned long long)left_out->numbers[i]);
		fputs("]}", out);
	}
	fputs("}", out);
}

static void put_latency(FILE *out, const struct replay_latency *latency)
{
	fprintf(out,
	        "\"latency_ns\": {\"emulated\": true, \"count\": %llu, \"min\": %llu, \"p50\": "
	        "%llu, "
	        "\"p90\": %llu, \"p99\": %llu, \"p999\": %llu, \"max\": %llu}",
	        (unsigned long long)latency->count, (unsigned long long)latency->min,
	        (unsigned long long)latency->p50, (unsigned long long)latency->p90,
	        (unsigned long long)latency->p99, (unsigned long long)latency->p999,
	        (unsigned long long)latency->max);
}

static void put_binding(FILE *out, const struct binding *binding)
{
	const struct replay_result *got = &binding->result;
	fputs("    {", out);
	put_key_string(out, "name", binding->name);
	fputs(", ", out);
	put_key_string(out, "filter", binding->text);
	fprintf(out, ", \"reported\": %s, ", binding->reported ? "true" : "false");
	put_key_string(out, "error", got->error);
	fputs(",\n     ", out);
	put_count(out, "matched", got->matched_packets, got->matched_bytes);
	fputs(", ", out);
	put_count(out, "libpcap", binding->matched.packets, binding->matched.bytes);
	fputs(",\n     ", out);
	put_count(out, "delivered", got->delivered_packets, got->delivered_bytes);
	fputs(", ", out);
	put_count(out, "order", binding->delivered.packets, binding->delivered.bytes);
	fputs(",\n     ", out);
	put_count(out, "read", got->read_packets, got->read_bytes);
	fputs(", ", out);
	put_number(out, "dropped_no_buffer", got->dropped_no_buffer);
	fputs(", ", out);
	put_number(out, "dropped_ring_full", got->dropped_ring_full);
	fputs(", ", out);
	put_number(out, "declined", got->declined_packets);
	fputs(",\n     ", out);
	put_latency(out, &got->latency);
	fputs("}", out);
}

static void put_port(FILE *out, const struct bindings *bindings)
{
	struct replay_port port = report_port(bindings);
	fprintf(out,
	        "  \"port\": {\"received\": %llu, \"unmatched\": %llu, \"unmatched_order\": %llu, "
	        "\"nic\": %llu, \"nic_errors\": %llu, \"malformed\": %llu, \"tap_lost\": %llu},\n",
	        (unsigned long long)port.received_packets, (unsigned long long)port.unmatched,
	        (unsigned long long)bindings->unmatched.packets, (unsigned long long)port.nic,
	        (unsigned long long)port.nic_errors, (unsigned long long)port.malformed,
	        (unsigned long long)port.tap_lost);
}

void report_json(FILE *out, const char *trace, const struct bindings *bindings,
                 const struct session_result *result, unsigned verdict)
{
	double seconds = result->seconds > 0 ? result->seconds : 1e-9;
	fputs("{\n  ", out);
	put_key_string(out, "trace", trace);
	fputs(", ", out);
	put_key_string(out, "machine", result->machine);
	fputs(",\n  ", out);
	put_key_string(out, "link", result->link_note);
	fprintf(out,
	        ", \"frames\": %llu, \"sent\": %llu, \"sent_bytes\": %llu, \"settled\": %llu, "
	        "\"snapped\": %llu, \"padded\": %llu,\n  ",
	        (unsigned long long)result->frames, (unsigned long long)result->sent,
	        (unsigned long long)result->sent_bytes, (unsigned long long)result->settled,
	        (unsigned long long)result->snapped, (unsigned long long)result->padded);
	put_left_out(out, result);
	fprintf(out, ",\n  \"damaged\": %s, ", result->damaged ? "true" : "false");
	put_key_string(out, "note", result->note);
	fprintf(out, ",\n  \"seconds\": %.6f, \"packets_per_second\": %.1f,\n", result->seconds,
	        (double)result->settled / seconds);
	put_port(out, bindings);
	fputs("  \"bindings\": [\n", out);
	for (size_t i = 0; i < bindings->n; i++) {
		put_binding(out, &bindings->all[i]);
		fputs(i + 1 < bindings->n ? ",\n" : "\n", out);
	}
	fprintf(out, "  ],\n  \"agree\": %s\n}\n", verdict ? "false" : "true");
}
