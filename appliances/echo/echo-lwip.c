/* SPDX-License-Identifier: BSD-2-Clause */
/* UDP echo (RFC 862) on lwIP, for an address that is its alone: lwIP answers ARP and ICMP there as
 * it does anywhere. */
#include <libexo/printf.h>

#include <lwip/udp.h>
#include <lwip_exo.h>

#include "serve.h"

enum { ECHO_PORT = 7 };

/* See echo-udp.c: two echo services must not talk to each other. */
static bool may_loop(u16_t port)
{
	return port == ECHO_PORT || port == 13 || port == 17 || port == 19;
}

static void echo(void *context, struct udp_pcb *pcb, struct pbuf *packet, const ip_addr_t *from,
                 u16_t port)
{
	if (!may_loop(port))
		udp_sendto(pcb, packet, from, port);
	pbuf_free(packet);
}

int exo_main(void)
{
	static struct lwip_exo port;
	struct udp_pcb *pcb;

	if (lwip_exo_open(&port, NULL) < 0) {
		exo_printf("%s\n", port.error);
		return 1;
	}
	pcb = udp_new();
	if (pcb == NULL || udp_bind(pcb, &port.netif.ip_addr, ECHO_PORT) != ERR_OK) {
		exo_printf("cannot bind port %u\n", ECHO_PORT);
		return 1;
	}
	udp_recv(pcb, echo, NULL);
	echo_ready("UDP port 7, by lwIP");
	lwip_exo_serve(&port);
}
