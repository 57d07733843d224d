/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of exo/host share. */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <stdbool.h>

#include <exo/layout.h>
#include <host/host.h>

/* Whether this core's timer has passed; then it is off. */
bool host_timer_fires(void);

#endif
