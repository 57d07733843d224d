/* SPDX-License-Identifier: BSD-2-Clause */
/* RTCP from anybody. */
#include "../server/rtcp.h"

static void on_block(void *context, const struct rtcp_block *block)
{
	*(uint64_t *)context += block->ssrc + (uint32_t)block->lost + block->jitter;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t sum = 0;

	(void)rtcp_read(data, size, on_block, &sum);
	return 0;
}
