/* SPDX-License-Identifier: BSD-2-Clause */
/* One reader's stream. */
#include <exo/info.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "capture.h"

static uint8_t block[CAPTURE_BLOCK_MAX];

static uint64_t wall_ns(uint64_t tsc)
{
	return exo_info()->wall_boot_ns + exo_time_ns(tsc - exo_info()->tsc_boot);
}

void outlet_open(struct outlet *outlet, bool (*write)(struct outlet *, const void *, uint32_t))
{
	memset(outlet, 0, sizeof(*outlet));
	outlet->write = write;
}

static bool begin_section(struct outlet *outlet)
{
	char system[CAPTURE_TEXT_MAX];
	uint32_t size;

	exo_snprintf(system, sizeof(system), "Sluice %s", exo_info()->version);
	size = pcapng_section(block, sizeof(block), "x86-64", system, "capture " SLUICE_VERSION,
	                      NULL);
	return outlet->write(outlet, block, size);
}

bool outlet_begin(struct outlet *outlet)
{
	if (!outlet->begun)
		outlet->begun = begin_section(outlet);
	while (outlet->begun && outlet->announced < taps.n_interfaces) {
		struct pcapng_interface description;
		uint32_t size;

		taps_describe(&taps.interfaces[outlet->announced], &description);
		size = pcapng_interface(block, sizeof(block), &description);
		if (!outlet->write(outlet, block, size))
			return false;
		outlet->announced++;
	}
	return outlet->begun;
}

bool outlet_packet(struct outlet *outlet, const struct interface *interface,
                   const struct exo_rx_frame *frame)
{
	uint32_t number = (uint32_t)(interface - taps.interfaces), size;
	const struct pcapng_packet packet = {
	        .interface = number,
	        .captured = frame->length,
	        .length = frame->wire_length,
	        .time_ns = wall_ns(frame->timestamp),
	        .data = frame->data,
	        .missed = outlet->missed[number],
	        .direction =
	                frame->flags & (EXO_DESC_LOCAL | EXO_DESC_SENT) ? PCAPNG_OUT : PCAPNG_IN,
	};

	if (!outlet_begin(outlet)) {
		outlet->missed[number]++;
		return false;
	}
	size = pcapng_packet(block, sizeof(block), &packet);
	if (size == 0 || !outlet->write(outlet, block, size)) {
		outlet->missed[number]++;
		return false;
	}
	outlet->missed[number] = 0;
	return true;
}

void outlet_statistics(struct outlet *outlet)
{
	if (!outlet_begin(outlet))
		return;
	for (uint32_t i = 0; i < taps.n_interfaces; i++) {
		struct pcapng_statistics now = {.interface = i,
		                                .time_ns = wall_ns(exo_tsc()),
		                                .start_ns = exo_info()->wall_boot_ns};
		uint64_t all;
		uint32_t size;

		taps_count(&taps.interfaces[i], &now);
		all = now.received + now.dropped_below;
		if (all == outlet->counted[i])
			continue;
		size = pcapng_statistics(block, sizeof(block), &now);
		if (!outlet->write(outlet, block, size))
			return;
		outlet->counted[i] = all;
	}
}
