/* SPDX-License-Identifier: BSD-2-Clause */
/* Randomness for secrets: capabilities' key, canaries, environments' seeds. */
#ifndef X86_RANDOM_H
#define X86_RANDOM_H

/* Draws the seed: from RDSEED or RDRAND where the CPU has them, and from the jitter of reading a
 * slow device against the TSC in any case. */
void random_init(void);

#endif
