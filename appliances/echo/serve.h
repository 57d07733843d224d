/* SPDX-License-Identifier: BSD-2-Clause */
/* What the echo appliance's environments have in common: opening, saying so, serving. */
#ifndef ECHO_SERVE_H
#define ECHO_SERVE_H

#include <stdint.h>

/* Tells the creator that this environment is bound and ready (EXO_CHANNEL_HELLO in its mailbox),
 * where there is somebody to tell. */
void echo_ready(void);

#endif
