/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a manifest can say of an address that the machine learns only when it starts: $addr, $net,
 * $group and $mac in expressions. They are compiled with stand-ins, several complete sets of
 * plausible values; in each set the address lies in its network, as it will in truth. No byte of a
 * stand-in is zero, and no two sets share one at the same place (but where all groups are alike),
 * so that a constant of a compiled filter tells by its value where it came from.
 */
#ifndef BOOT_SYMBOLS_H
#define BOOT_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

#include "model.h"

enum { STANDINS = 3 };

/* Where in the symbols' bytes a constant came from. */
struct origin {
	uint16_t symbol; /* enum exo_manifest_symbol */
	uint16_t byte;   /* first byte of the symbol */
	uint16_t width;  /* bytes: 1, 2 or 4 */
	bool mask;       /* of the network's mask, not of its value */
};

/* The expression with the symbols replaced by set number `set`: a new text. An unknown symbol is
 * refused. */
char *symbols_fill(struct place place, const char *text, int family, int set);

/*
 * Whether constant a of a filter compiled with set 0 and b of the same with set 1 came from one
 * symbol. width: that of the field, or 0 where it is not known.
 */
bool symbols_find(int family, unsigned width, uint32_t a, uint32_t b, struct origin *origin);

/* The value that the origin has in a set. */
uint32_t symbols_value(int family, const struct origin *origin, int set);

#endif
