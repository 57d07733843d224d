/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Random kernel calls, as exo/core/fuzz makes them on the host, from inside an environment:
 * plausible blocks with keys of its own in them, now and then damaged, and arguments out of
 * thin air.
 */
#ifndef TESTS_WILD_H
#define TESTS_WILD_H

#include <stdint.h>

struct wild {
	uint64_t random; /* state of the generator; not 0 */
	uint64_t accepted, refused;
};

uint64_t wild_number(struct wild *wild);
/* One call. It may end the caller, or let it sleep. */
void wild_call(struct wild *wild);

#endif
