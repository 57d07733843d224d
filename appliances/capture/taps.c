/* SPDX-License-Identifier: BSD-2-Clause */
/* The taps: bindings, one ring for all of them, and what is known of each. */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#include "capture.h"

struct taps taps;

static struct exo_pages counters;
static const struct exo_start_bind *binds[CAPTURE_BINDINGS_MAX];
static struct exo_cap bindings[CAPTURE_BINDINGS_MAX];

static const struct exo_binding_counters *counters_of(unsigned binding)
{
	return (const struct exo_binding_counters *)counters.address + binding;
}

static int bind_one(const struct exo_start_bind *bind)
{
	char error[EXO_NET_ERROR_MAX] = "";
	unsigned i = taps.n_bindings;
	int result = -EXO_E2BIG;

	if (i < CAPTURE_BINDINGS_MAX && bind->space < EXO_START_CAPS_MAX)
		result = exo_net_bind(
		        bind, &exo_start_page()->caps[bind->space].cap, &taps.rx.ring.cap, 1,
		        exo_pages_physical(&counters, counters_of(i)), &bindings[i], error);
	if (result < 0) {
		exo_printf("capture: %.23s: %s%s%s\n", bind->name, exo_error_text(result),
		           error[0] == '\0' ? "" : ": ", error);
		return result;
	}
	binds[taps.n_bindings++] = bind;
	return 0;
}

/* The interface is in the file even where nothing ever arrives. */
static void expect(unsigned binding, uint16_t port)
{
	if (taps.n_interfaces < CAPTURE_INTERFACES_MAX)
		taps.interfaces[taps.n_interfaces++] =
		        (struct interface){.binding = binding, .port = port};
}

int taps_open(uint32_t ring_size, uint32_t snap)
{
	const struct exo_start_address *address = exo_start_address(0);
	uint32_t core = exo_start_page()->core;
	unsigned n;
	const struct exo_start_bind *list = exo_start_binds(&n);
	int result = exo_pages_alloc(&counters, 1);

	if (result == 0)
		result = exo_rx_open(&taps.rx, ring_size, snap, core);
	if (result < 0)
		exo_printf("capture: no memory for a ring of %u frames\n", ring_size);
	for (unsigned i = 0; i < n && result == 0; i++)
		if ((list[i].flags & EXO_BIND_TAP) != 0 && (list[i].flags & EXO_BIND_COUNT) == 0)
			result = bind_one(&list[i]);
	for (unsigned i = 0; i < taps.n_bindings; i++)
		expect(i, address == NULL ? 0 : address->port);
	if (result == 0 && taps.n_bindings == 0) {
		exo_printf("capture: the manifest gives it no flow with tap = true\n");
		return -EXO_ENOENT;
	}
	return result;
}

/* What was sent to a group left by the port, and came in besides: the former is in the file. */
static bool is_again(unsigned binding, const struct exo_rx_frame *frame)
{
	return (binds[binding]->flags & EXO_BIND_SENT) != 0 &&
	       (frame->flags & EXO_DESC_LOCAL) != 0 && (frame->data[0] & 1) != 0;
}

struct interface *taps_interface(const struct exo_rx_frame *frame)
{
	unsigned binding = 0;

	while (binding < taps.n_bindings && (uint32_t)bindings[binding].first != frame->binding)
		binding++;
	if (binding == taps.n_bindings) {
		taps.homeless++;
		return NULL;
	}
	if (is_again(binding, frame))
		return NULL;
	for (unsigned i = 0; i < taps.n_interfaces; i++)
		if (taps.interfaces[i].binding == binding && taps.interfaces[i].port == frame->port)
			return &taps.interfaces[i];
	if (taps.n_interfaces == CAPTURE_INTERFACES_MAX) {
		taps.homeless++;
		return NULL;
	}
	expect(binding, frame->port);
	return &taps.interfaces[taps.n_interfaces - 1];
}

/* The kernel counts a binding's losses, not on which port: its first interface has them. */
static bool is_first(const struct interface *interface)
{
	const struct interface *first = taps.interfaces;

	while (first->binding != interface->binding)
		first++;
	return first == interface;
}

void taps_count(const struct interface *interface, struct pcapng_statistics *statistics)
{
	const struct exo_binding_counters *count = counters_of(interface->binding);
	const struct exo_port_info *port = exo_port_info(interface->port);

	statistics->delivered = interface->packets;
	statistics->dropped_here =
	        is_first(interface) ? count->dropped_no_buffer + count->dropped_ring_full : 0;
	statistics->received = statistics->delivered + statistics->dropped_here;
	statistics->dropped_below =
	        port == NULL ? 0 : port->drops.nic + port->drops.pool + port->drops.nic_errors;
}

void taps_describe(const struct interface *interface, struct pcapng_interface *description)
{
	static char name[CAPTURE_TEXT_MAX], comment[CAPTURE_TEXT_MAX], text[CAPTURE_TEXT_MAX],
	        filter[CAPTURE_TEXT_MAX];
	const struct exo_start_bind *bind = binds[interface->binding];
	const struct exo_port_info *port = exo_port_info(interface->port);

	exo_snprintf(name, sizeof(name), "port%u/%.23s", interface->port, bind->name);
	exo_snprintf(comment, sizeof(comment), "binding %.23s", bind->name);
	exo_snprintf(text, sizeof(text), "Sluice, port %u", interface->port);
	exo_text_copy(filter, sizeof(bind->text), bind->text);
	*description = (struct pcapng_interface){.name = name,
	                                         .description = text,
	                                         .comment = comment,
	                                         .filter = filter,
	                                         .snap = taps.rx.buffer_bytes};
	if (port == NULL)
		return;
	exo_snprintf(text, sizeof(text), "Sluice, port %u at %.31s", interface->port, port->bus);
	description->hardware = port->driver;
	description->mac = port->mac;
	if (port->link_mbps > 1) /* 1: up, at a speed that nobody knows */
		description->bits_per_second = (uint64_t)port->link_mbps * 1000000;
}
