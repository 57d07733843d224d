/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Captures what its taps bring (capture.h). Arguments:
 *
 *     file=NAME    to a file of the host, through the host channel
 *     port=N       to readers that connect to this TCP port
 *     snap=BYTES   kept of each packet: 2048 (default), 4096 … 16384
 *     ring=N       packets that may wait, a power of two (default 1024)
 */
#include <exo/error.h>
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include "capture.h"

#define STATISTICS_NS 1000000000ull

enum { BURST = 32, SNAP = 2048, RING_SIZE = 1024 };

static uint64_t statistics_at;

/* What stands behind `name=` among the arguments; NULL: it is not there. */
static const char *argument(const char *name)
{
	size_t size = strlen(name);

	for (unsigned i = 1; exo_start_arg(i) != NULL; i++)
		if (strncmp(exo_start_arg(i), name, size) == 0)
			return exo_start_arg(i) + size;
	return NULL;
}

static uint32_t number(const char *name, uint32_t otherwise)
{
	const char *text = argument(name);
	uint32_t value = 0;

	if (text == NULL)
		return otherwise;
	for (; *text >= '0' && *text <= '9' && value < 1000000; text++)
		value = value * 10 + (uint32_t)(*text - '0');
	return value;
}

static uint32_t snap(void)
{
	uint32_t wanted = number("snap=", SNAP), bytes = SNAP;

	while (bytes < wanted && bytes < CAPTURE_SNAP_MAX)
		bytes *= 2;
	return bytes;
}

static int open_outlets(void)
{
	const char *name = argument("file=");
	uint32_t port = number("port=", 0);
	int result;

	if (name == NULL && port == 0) {
		exo_printf("capture: neither file= nor port= says where to\n");
		return -EXO_EINVAL;
	}
	if (name != NULL && (result = file_open(name)) < 0) {
		exo_printf("capture: no host channel for %s: %s\n", name, exo_error_text(result));
		return result;
	}
	return port == 0 ? 0 : serve_open((uint16_t)port);
}

static uint32_t take(void)
{
	static struct exo_rx_frame frames[BURST];
	uint32_t n = 0;

	for (; file_ready() && n < BURST && exo_rx_burst(&taps.rx, frames, 1) == 1; n++) {
		struct interface *interface = taps_interface(frames);

		if (interface != NULL) {
			interface->packets++;
			if (file_is_open())
				(void)outlet_packet(file_outlet(), interface, frames);
			serve_packet(interface, frames);
		}
		exo_rx_release(&taps.rx, frames, 1);
	}
	return n;
}

static void tell_statistics(uint64_t now)
{
	if (now < statistics_at)
		return;
	statistics_at = now + STATISTICS_NS;
	if (file_is_open())
		outlet_statistics(file_outlet());
	serve_statistics();
}

/* Until something arrives, a block can be handed on, or statistics are due. */
static void wait(bool unsent)
{
	uint64_t due = serve_due();

	due = statistics_at < due ? statistics_at : due;
	if (unsent && exo_time_now_ns() + EXO_MAILBOX_LOOK_NS < due)
		due = exo_time_now_ns() + EXO_MAILBOX_LOOK_NS;
	exo_wait(exo_info()->tsc_boot + exo_time_ticks(due) + 1);
}

/* What has arrived is in the file, and the last counts. */
static void finish(void)
{
	while (take() > 0)
		while (!file_ready() && file_run())
			exo_time_sleep_ns(EXO_MAILBOX_LOOK_NS);
	outlet_statistics(file_outlet());
	file_close();
}

int exo_main(void)
{
	if (taps_open(number("ring=", RING_SIZE), snap()) < 0 || open_outlets() < 0)
		return 1;
	exo_printf("capture: %u bindings\n", taps.n_bindings);
	for (;;) {
		uint32_t n = take();
		bool unsent;

		tell_statistics(exo_time_now_ns());
		unsent = file_run();
		if (file_is_open() && file_stop_wanted())
			finish();
		n += serve_run(); /* last: what was written leaves before there is a wait */
		if (n == 0)
			wait(unsent);
	}
}
