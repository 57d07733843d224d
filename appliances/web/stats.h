/* SPDX-License-Identifier: BSD-2-Clause */
/* A page that tells people what a stack has carried. */
#ifndef WEB_STATS_H
#define WEB_STATS_H

#include <http/resource.h>

struct stats {
	const char *stack;
	uint64_t connections, open, requests, bytes;
	uint64_t segments_in, segments_out, retransmits;
};

/* Writes the page, as exo_snprintf does. → its bytes. */
int stats_write(char *to, size_t size, const struct stats *stats);
/* Whether the request is for the page: /stats. */
bool stats_wanted(const struct http_request *request);
/* The page, as it is now; it renews itself every two seconds. NULL: too many are still being sent.
 */
const struct http_resource *stats_page(const struct stats *stats);

#endif
