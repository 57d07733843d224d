/* SPDX-License-Identifier: BSD-2-Clause */
/* Always runnable: computes until its slot ends, and in the next one. */
#include <libexo/lib.h>

int exo_main(void)
{
	for (volatile unsigned long n = 0;; n++)
		continue;
}
