/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Opening a flow space: rings, counters and the bindings that the start page lists.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>

#define DEFAULT_SIZE 256

_Static_assert(EXO_NET_BINDINGS_MAX * sizeof(struct exo_binding_counters) <= EXO_PAGE_SIZE,
               "all counters fit in one page");

int exo_net_bind(const struct exo_start_bind *bind, const struct exo_cap *space,
                 const struct exo_cap *rings, unsigned n_rings, uint64_t counters,
                 struct exo_cap *out, char *error)
{
	struct exo_bind block = {
	        .space = *space,
	        .flags = bind->flags & (uint32_t) ~(EXO_START_STANDBY | EXO_START_FUNCTION),
	        .priority = bind->priority,
	        .n_conjunctions = bind->n_conjunctions,
	        .program_kind = bind->program_kind,
	        .conjunctions = bind->conjunctions,
	        .program = bind->program,
	        .program_size = bind->program_size,
	        .n_rings = n_rings,
	        .rings = (uintptr_t)rings,
	        .counters = counters,
	        .error = (uintptr_t)error,
	        .error_size = error == NULL ? 0 : EXO_NET_ERROR_MAX,
	};
	int result = exo_bind(&block);

	if (result == 0)
		*out = block.out;
	return result;
}

/* Says in net->error what was being done; keeps a reason that the kernel wrote there. */
static int failed(struct exo_net *net, const char *what, int result)
{
	char reason[EXO_NET_ERROR_MAX];

	exo_text_copy(reason, sizeof(reason), net->error);
	exo_snprintf(net->error, sizeof(net->error), "flow %s: %s: %s%s%s",
	             net->flow == NULL ? "(none)" : net->flow->name, what, exo_error_text(result),
	             reason[0] == '\0' ? "" : ": ", reason);
	exo_net_close(net);
	return result;
}

static int bind_all(struct exo_net *net)
{
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n);

	for (unsigned i = 0; i < n; i++) {
		bool counts = (binds[i].flags & EXO_BIND_COUNT) != 0;
		const struct exo_cap *space = &exo_start_page()->caps[binds[i].space].cap;
		int result;

		if (strncmp(binds[i].name, net->flow->name, sizeof(binds[i].name)) != 0 ||
		    (binds[i].flags & EXO_START_STANDBY) != 0 || net->rx.queue)
			continue;
		if (net->n_bindings == EXO_NET_BINDINGS_MAX)
			return failed(net, "too many bindings", -EXO_E2BIG);
		if (binds[i].space >= EXO_START_CAPS_MAX)
			return failed(net, "its space is not on the start page", -EXO_EINVAL);
		result = exo_net_bind(
		        &binds[i], space, &net->rx.ring.cap, counts ? 0 : 1,
		        exo_pages_physical(&net->counter_page, &net->counters[net->n_bindings]),
		        &net->bindings[net->n_bindings], net->error);
		if (result < 0)
			return failed(net, binds[i].text, result);
		net->binds[net->n_bindings++] = &binds[i];
	}
	return 0;
}

/* Slots of the NIC function that the flow is all of; 0: it is of another sort. */
static uint32_t slots_of(const struct exo_start_cap *flow)
{
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n);

	for (unsigned i = 0; i < n; i++) {
		const struct exo_port_info *port = exo_port_info(binds[i].port);

		if ((binds[i].flags & EXO_START_FUNCTION) != 0 && port != NULL &&
		    &exo_start_page()->caps[binds[i].space] == flow)
			return port->slots;
	}
	return 0;
}

static int open_receiver(struct exo_net *net, const struct exo_net_options *options, uint32_t bytes)
{
	uint32_t core = exo_start_page()->core, slots = slots_of(net->flow);
	uint32_t size = options->rx_size != 0 ? options->rx_size : DEFAULT_SIZE;

	if (slots != 0)
		return exo_rx_open_queue(&net->rx, slots, core, &net->flow->cap);
	if (options->exchange_least != 0)
		return exo_rx_open_exchange(&net->rx, size, options->exchange_least, core);
	return exo_rx_open(&net->rx, size, bytes, core);
}

int exo_net_open(struct exo_net *net, const struct exo_net_options *options)
{
	static const struct exo_net_options defaults;
	uint32_t bytes;
	int result;

	memset(net, 0, sizeof(*net));
	if (options == NULL)
		options = &defaults;
	bytes = options->buffer_bytes != 0 ? options->buffer_bytes : EXO_BUFFER_BYTES;
	net->flow = exo_start_find(EXO_USE_FLOW, options->flow);
	if (net->flow == NULL)
		return failed(net, "not granted", -EXO_ENOENT);
	result = exo_pages_alloc(&net->counter_page, 1);
	if (result < 0)
		return failed(net, "counters", result);
	net->counters = net->counter_page.address;
	result = open_receiver(net, options, bytes);
	if (result < 0)
		return failed(net, "receive ring", result);
	if (!options->no_transmit) {
		result = exo_tx_open(&net->tx,
		                     options->tx_size != 0 ? options->tx_size : DEFAULT_SIZE, bytes,
		                     exo_sender_core(), &net->flow->cap);
		if (result < 0)
			return failed(net, "transmit ring", result);
	}
	return bind_all(net);
}

void exo_net_close(struct exo_net *net)
{
	while (net->n_bindings > 0)
		exo_unbind(&net->bindings[--net->n_bindings]);
	exo_rx_close(&net->rx);
	exo_tx_close(&net->tx);
	exo_pages_free(&net->counter_page);
}
