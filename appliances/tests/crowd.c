/* SPDX-License-Identifier: BSD-2-Clause */
/* Many bindings, for ci/bench datapath: as many UDP ports of the address as the argument says, from
 * 10,000 on, each a binding of its own to one ring that nobody reads. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>

enum { FIRST = 10000, UDP = 17 };

static uint32_t number(const char *text)
{
	uint32_t n = 0;

	while (text != NULL && *text >= '0' && *text <= '9')
		n = n * 10 + (uint32_t)(*text++ - '0');
	return n;
}

static int bind_port(const struct exo_cap *space, const struct exo_cap *ring, const uint8_t *to,
                     uint16_t port)
{
	struct flt_conjunction flow;
	struct exo_bind bind = {.space = *space,
	                        .n_conjunctions = 1,
	                        .conjunctions = (uintptr_t)&flow,
	                        .n_rings = 1,
	                        .rings = (uintptr_t)ring};

	exo_flow_any(&flow);
	exo_flow_ipv4_to(&flow, UDP, to, port);
	return exo_bind(&bind);
}

int exo_main(void)
{
	const struct exo_start_cap *space = exo_start_find(EXO_USE_FLOW, NULL);
	const struct exo_start_address *address = exo_start_address(0);
	uint32_t n = number(exo_start_arg(1));
	struct exo_rx rx;
	int result = space == NULL || address == NULL
	                     ? -1
	                     : exo_rx_open(&rx, 8, EXO_BUFFER_BYTES, exo_start_page()->core);

	for (uint32_t i = 0; i < n && result == 0; i++)
		result = bind_port(&space->cap, &rx.ring.cap, address->address,
		                   (uint16_t)(FIRST + i));
	if (result == 0)
		exo_printf("crowd: %u bindings\n", n);
	else
		exo_printf("crowd: failed: %s\n", exo_error_text(result));
	for (;;)
		exo_wait(0);
}
