/* SPDX-License-Identifier: BSD-2-Clause */
/* The ash appliance: what its handlers' maps and arenas are to hold. */
#ifndef ASH_ASH_H
#define ASH_ASH_H

#include <libexo/ext.h>

/* Frames that the arenas of a handler need. */
uint32_t ash_arena_frames(const char *handler);
/* Fills its maps before it is bound. 0, or a negative enum exo_error. */
int ash_prepare(const char *handler, struct exo_ext *ext);

#endif
