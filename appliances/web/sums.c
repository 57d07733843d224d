/* SPDX-License-Identifier: BSD-2-Clause */
/* A two-byte sum for each 64 bytes of a file, and for each segment of a longer one: a
 * twenty-eighth of what the files take. */
#include <libexo/memory.h>
#include <tcp/conn.h>
#include <udp/checksum.h>

#include "content.h"
#include "sums.h"

enum {
	SEGMENT_MIN = 512, /* bytes: of smaller segments no sums are kept, */
	CUT_MIN = 4096,    /* nor of content that is not much longer */
};

/* Of one file: the content, then cuts, then sums. */
static uint64_t bytes_for_cuts(const struct http_resource *file)
{
	return file->size < CUT_MIN
	               ? 0
	               : sizeof(struct tcp_cuts) + file->size / SEGMENT_MIN * sizeof(uint16_t);
}

static uint64_t bytes_for(const struct http_resource *file)
{
	uint64_t size = sizeof(struct tcp_content) + bytes_for_cuts(file) +
	                udp_sums_count(file->size) * sizeof(uint16_t);

	return (size + _Alignof(struct tcp_content) - 1) &
	       ~(uint64_t)(_Alignof(struct tcp_content) - 1);
}

static void add_up(struct http_resource *file, uint8_t *at)
{
	struct tcp_content *content = (struct tcp_content *)(void *)at;
	struct tcp_cuts *cuts = (struct tcp_cuts *)(void *)(content + 1);
	uint16_t *sums = (uint16_t *)(void *)((uint8_t *)cuts + bytes_for_cuts(file));

	udp_sums_make(sums, file->data, file->size);
	*content = (struct tcp_content){.data = file->data, .size = file->size, .sums = sums};
	if (bytes_for_cuts(file) > 0) {
		content->cuts = cuts;
		cuts->max = file->size / SEGMENT_MIN;
	}
	file->content = content;
}

int sums_open(void)
{
	struct http_resource *file;
	struct exo_pages pages;
	uint64_t size = 0;
	uint8_t *at;
	int result;

	for (unsigned i = 0; (file = content_file(i)) != NULL; i++)
		size += bytes_for(file);
	if (size == 0)
		return 0;
	result = exo_pages_alloc(&pages, exo_pages_for(size));
	if (result < 0)
		return result;
	at = pages.address;
	for (unsigned i = 0; (file = content_file(i)) != NULL; at += bytes_for(file), i++)
		add_up(file, at);
	return 0;
}
