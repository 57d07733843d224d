/* SPDX-License-Identifier: BSD-2-Clause */
/* An environment that ends as soon as it runs. */
#include <libexo/lib.h>

int exo_main(void)
{
	return 0;
}
