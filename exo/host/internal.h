/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of exo/host share. */
#ifndef HOST_INTERNAL_H
#define HOST_INTERNAL_H

#include <stdbool.h>

#include <exo/layout.h>
#include <host/host.h>

/* Whether this core's timer has passed; then it is off. */
bool host_timer_fires(void);

/* Disk and screen of a new machine; host_devices_init with an empty configuration frees them. */
void host_devices_init(const struct host_config *config);

#endif
