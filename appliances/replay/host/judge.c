/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Comparing what the machine says with what should be.
 */
#include "report.h"

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

struct replay_port report_port(const struct bindings *bindings)
{
	struct replay_port port = {0};
	/* Counters only grow: the largest is the latest. */
	for (size_t i = 0; i < bindings->n; i++) {
		const struct replay_port *seen = &bindings->all[i].result.port;
		port.received_packets = larger(port.received_packets, seen->received_packets);
		port.received_bytes = larger(port.received_bytes, seen->received_bytes);
		port.nic = larger(port.nic, seen->nic);
		port.nic_errors = larger(port.nic_errors, seen->nic_errors);
		port.unmatched = larger(port.unmatched, seen->unmatched);
		port.malformed = larger(port.malformed, seen->malformed);
		port.tap_lost = larger(port.tap_lost, seen->tap_lost);
	}
	return port;
}

static unsigned judge_binding(const struct binding *binding)
{
	const struct replay_result *got = &binding->result;
	unsigned verdict = 0;
	if (!binding->reported || got->status)
		return VERDICT_REFUSED;
	if (got->matched_packets != binding->matched.packets ||
	    got->matched_bytes != binding->matched.bytes)
		verdict |= VERDICT_MATCHED;
	if (got->delivered_packets != binding->delivered.packets ||
	    got->delivered_bytes != binding->delivered.bytes)
		verdict |= VERDICT_DELIVERED;
	if (got->dropped_no_buffer || got->dropped_ring_full || got->cut_packets ||
	    got->read_packets != got->delivered_packets || got->read_bytes != got->delivered_bytes)
		verdict |= VERDICT_LOST;
	return verdict;
}

unsigned report_judge(const struct bindings *bindings, const struct session_result *result)
{
	struct replay_port port = report_port(bindings);
	unsigned verdict = 0;
	for (size_t i = 0; i < bindings->n; i++)
		verdict |= judge_binding(&bindings->all[i]);
	if (port.unmatched != bindings->unmatched.packets)
		verdict |= VERDICT_UNMATCHED;
	if (result->settled != result->sent || port.nic || port.nic_errors || port.malformed ||
	    port.tap_lost)
		verdict |= VERDICT_LOST;
	if (result->damaged)
		verdict |= VERDICT_DAMAGED;
	if (bindings->flow_misses)
		verdict |= VERDICT_ENGINE;
	return verdict;
}
