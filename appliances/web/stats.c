/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages in a few buffers, each taken until its bytes were acknowledged. */
#include <libexo/lib.h>
#include <libexo/printf.h>

#include "stats.h"

enum { PAGES = 16, PAGE_BYTES = 1536 };

static struct page {
	bool taken;
	struct http_resource resource;
	char text[PAGE_BYTES];
} pages[PAGES];

bool stats_wanted(const struct http_request *request)
{
	return request->path_size == 6 && memcmp(request->path, "/stats", 6) == 0;
}

static void release(void *context, const void *data, uint32_t size)
{
	((struct page *)context)->taken = false;
}

int stats_write(char *to, size_t size, const struct stats *stats)
{
	return exo_snprintf(
	        to, size,
	        "<!doctype html><meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"2\">"
	        "<title>%s</title><style>body{font:1rem/1.4 system-ui,sans-serif;margin:0;"
	        "color:#223}h2{color:#06c;margin:.2em 0}td{padding:0 1em 0 0}"
	        "td+td{text-align:right;font-variant-numeric:tabular-nums}</style><h2>%s</"
	        "h2><table>"
	        "<tr><td>requests<td>%lu<tr><td>connections<td>%lu<tr><td>of them open<td>%lu"
	        "<tr><td>bytes<td>%lu<tr><td>segments in<td>%lu<tr><td>segments out<td>%lu"
	        "<tr><td>sent again<td>%lu</table>\n",
	        stats->stack, stats->stack, stats->requests, stats->connections, stats->open,
	        stats->bytes, stats->segments_in, stats->segments_out, stats->retransmits);
}

const struct http_resource *stats_page(const struct stats *stats)
{
	struct page *page = pages;
	int size;

	while (page->taken && page < &pages[PAGES - 1])
		page++;
	if (page->taken)
		return NULL;
	size = stats_write(page->text, sizeof page->text, stats);
	page->taken = true;
	page->resource = (struct http_resource){
	        .data = page->text,
	        .size = size < PAGE_BYTES ? (uint32_t)size : PAGE_BYTES - 1,
	        .type = "text/html; charset=utf-8",
	        .caching = "no-store",
	        .release = release,
	        .context = page,
	};
	return &page->resource;
}
