/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The information pages (exo/info.h): made once at start, mapped read-only into every space. The
 * tables follow struct exo_info on pages of their own: ports and slots, then the free map, which is
 * the ledger's own. Where the map is longer than the area, frame_end says how far it goes.
 */
#ifndef CORE_INFO_H
#define CORE_INFO_H

#include "machine.h"

/* After ledger_init. */
void info_init(void);
/* Maps them into a new space. 0 or -EXO_ENOMEM. */
int info_map(struct machine_space *space);
/* Refreshes what is not kept up to date as it happens; on one core, some ten times a second. */
void info_update(void);

#endif
