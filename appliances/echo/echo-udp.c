/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * UDP echo (RFC 862) on libos-udp. The address belongs to several environments; this one has only
 * port 7 of it. It resolves nobody: an answer goes to the neighbour that the question came from, in
 * the same buffer.
 */
#include <libexo/printf.h>
#include <udp/exo.h>
#include <udp/socket.h>

#include "serve.h"

enum { ECHO_PORT = 7 };

/* Two echo services would send each other the same datagram for ever (CERT CA-1996-01): what comes
 * from a port of the old small services is not answered. */
static bool may_loop(uint16_t port)
{
	return port == ECHO_PORT || port == 13 || port == 17 || port == 19;
}

static void echo(struct udp_socket *socket, struct udp_datagram *datagram)
{
	if (!may_loop(datagram->from.port))
		(void)udp_socket_reply(socket, datagram, datagram->size);
}

int exo_main(void)
{
	static struct udp_exo driver;
	static struct udp_socket socket = {.receive = echo, .local.port = ECHO_PORT};
	struct udp_exo_options options = udp_exo_options_default();
	int result;

	options.config.roles = UDP_ROLE_LEARN;
	result = udp_exo_open(&driver, &options);
	if (result < 0) {
		exo_printf("%s\n", driver.error);
		return 1;
	}
	if (udp_socket_open(driver.stack, &socket) != 0) {
		exo_printf("port %u is taken\n", ECHO_PORT);
		return 1;
	}
	echo_ready("UDP port 7");
	udp_exo_serve(&driver);
}
