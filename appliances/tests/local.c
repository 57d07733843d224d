/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Asks a UDP echo service on the same machine: arguments are its address, its port, and our own
 * port. Says how many of its questions were answered; 0 ends it as a failure.
 */
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <udp/exo.h>
#include <udp/socket.h>

#define PATIENCE_NS 5000000000ull
enum { QUESTIONS = 10, EACH_NS = 100000000 };

static unsigned answers;

static void heard(struct udp_socket *socket, struct udp_datagram *datagram)
{
	answers += datagram->size == 5 && memcmp(datagram->data, "local", 5) == 0;
}

static uint16_t number(const char *text)
{
	unsigned value = 0;

	while (*text >= '0' && *text <= '9')
		value = value * 10 + (unsigned)(*text++ - '0');
	return (uint16_t)value;
}

static void ask(struct udp_exo *driver, struct udp_socket *socket)
{
	uint64_t until = exo_time_now_ns() + PATIENCE_NS, next = 0;
	unsigned asked = 0;

	while (answers < QUESTIONS && exo_time_now_ns() < until) {
		if (exo_time_now_ns() >= next && asked < 3 * QUESTIONS) {
			(void)udp_socket_send_copy(socket, "local", 5, NULL);
			asked++;
			next = exo_time_now_ns() + EACH_NS;
		}
		if (udp_exo_poll(driver) == 0)
			udp_exo_wait(driver, EACH_NS);
	}
}

int exo_main(void)
{
	static struct udp_exo driver;
	static struct udp_socket socket = {.receive = heard};
	struct udp_exo_options options = udp_exo_options_default();
	const char *address = exo_start_arg(1), *port = exo_start_arg(2), *own = exo_start_arg(3);

	if (own == NULL || !udp_ip_parse(address, &socket.remote.ip)) {
		exo_printf("local: ADDRESS PORT OWN-PORT\n");
		return 2;
	}
	socket.remote.port = number(port);
	socket.local.port = number(own);
	if (exo_start_find(EXO_USE_FLOW, "shared") != NULL)
		options.config.roles = UDP_ROLE_LEARN;
	if (udp_exo_open(&driver, &options) < 0) {
		exo_printf("%s\n", driver.error);
		return 2;
	}
	if (udp_socket_open(driver.stack, &socket) != 0)
		return 2;
	ask(&driver, &socket);
	exo_printf("%u questions to %s were answered\n", answers, address);
	return answers > 0 ? 0 : 1;
}
