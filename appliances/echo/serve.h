/* SPDX-License-Identifier: BSD-2-Clause */
/* What the echo appliance's environments have in common: opening, saying so, serving. */
#ifndef ECHO_SERVE_H
#define ECHO_SERVE_H

/* Says that this environment is bound and ready: on the console, and to its creator
 * (EXO_CHANNEL_HELLO in its mailbox) where there is somebody to tell. */
void echo_ready(const char *what);

#endif
