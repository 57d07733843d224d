/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The address's host environment: it answers ARP and ICMP echo for an address that it shares with
 * others, and refuses what nobody bound: resets for TCP, "unreachable" for the rest.
 */
#include <libexo/printf.h>
#include <udp/exo.h>

#include "serve.h"

int exo_main(void)
{
	static struct udp_exo driver;
	struct udp_exo_options options = udp_exo_options_default();
	int result = udp_exo_open(&driver, &options);

	if (result < 0) {
		exo_printf("%s\n", driver.error);
		return 1;
	}
	echo_ready("ARP and ICMP echo");
	udp_exo_serve(&driver);
}
