/* SPDX-License-Identifier: BSD-2-Clause */
/* The host environment of an address that several stacks share: ARP, ICMP echo, and a reset for
 * ports where nobody listens. */
#include <libexo/mailbox.h>
#include <libexo/printf.h>
#include <tcp/exo.h>

int exo_main(void)
{
	static struct tcp_exo net;
	struct tcp_exo_options options = tcp_exo_options_default();
	struct exo_mailbox_end end;

	options.udp.ring_size = 64;
	options.tcp = tcp_config_default();
	options.tcp.connections = options.tcp.actives = options.tcp.requests = 1;
	options.tcp.time_waits = options.tcp.listeners = options.tcp.chunks = 1;
	options.tcp.records = options.tcp.arrivals = options.tcp.blocks = 1;
	if (tcp_exo_open(&net, &options) < 0) {
		exo_printf("%s\n", net.driver.error);
		return 1;
	}
	exo_printf("ready: ARP, ICMP echo, resets\n");
	if (exo_mailbox_open(&end) == 0)
		exo_mailbox_send(&end, EXO_CHANNEL_HELLO, NULL, 0);
	tcp_exo_serve(&net);
}
