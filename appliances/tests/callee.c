/* SPDX-License-Identifier: BSD-2-Clause */
/* An environment that answers protected control transfers, for ci/bench primitives. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/upcall.h>

static uint64_t serve(uint32_t caller, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	return a + 1;
}

int exo_main(void)
{
	exo_remote_serve(serve);
	for (;;)
		exo_wait(0);
}
