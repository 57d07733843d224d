/* SPDX-License-Identifier: BSD-2-Clause */
/* The creator waits for this word before it starts the next environment. */
#include <stddef.h>

#include <libexo/mailbox.h>
#include <libexo/printf.h>

#include "serve.h"

void echo_ready(const char *what)
{
	struct exo_mailbox_end end;

	exo_printf("ready: %s\n", what);
	if (exo_mailbox_open(&end) == 0)
		exo_mailbox_send(&end, EXO_CHANNEL_HELLO, NULL, 0);
}
