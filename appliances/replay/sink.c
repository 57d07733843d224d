/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One binding of a replay. It binds what its start page lists (a flow with a ring, and a counting
 * tap of the same name), takes every frame out of the ring at once, notes how long it waited there,
 * and gives the buffer back. When it is told to stop it says what it saw. See README.md for the
 * conversation.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>
#include <replay/protocol.h>

#include "engine/histogram.h"

enum {
	BURST = 64,
	RING_SIZE_MAX = 4096, /* four windows: more would only cost memory */
	RING_SIZE_MIN = 64,
	BUFFER_SMALL = 2048,
	BUFFER_LARGE = 16384,
};

_Static_assert((int)RING_SIZE_MAX > (int)REPLAY_WINDOW, "a whole window fits into the ring");
_Static_assert(sizeof(struct replay_result) <= EXO_MAILBOX_BODY_MAX, "a result is one message");

struct sink {
	struct exo_mailbox_end mailbox;
	bool has_mailbox;
	bool stopped;
	unsigned port;
	uint32_t buffer_bytes;
	struct exo_rx rx;
	struct exo_pages counters; /* of the binding, then of the tap */
	struct exo_cap binding, tap;
	const char *name;
	int status;
	char error[EXO_NET_ERROR_MAX];
	uint64_t read_packets, read_bytes;
	struct histogram histogram;
};

enum { COUNTERS_BINDING = 0, COUNTERS_TAP = 1 };

static const struct exo_binding_counters *counters(const struct sink *sink, unsigned which)
{
	return (const struct exo_binding_counters *)sink->counters.address + which;
}

/* ---- Arguments ---- */

/* The number behind `name=` among the arguments. */
static uint32_t argument(const char *name, uint32_t otherwise)
{
	size_t length = strlen(name);
	const char *at;

	for (unsigned i = 1; (at = exo_start_arg(i)) != NULL; i++) {
		uint32_t value = 0;

		if (strncmp(at, name, length) != 0 || at[length] != '=')
			continue;
		for (at += length + 1; *at >= '0' && *at <= '9' && value < 100000; at++)
			value = value * 10 + (uint32_t)(*at - '0');
		return value;
	}
	return otherwise;
}

/* As deep as a quarter of the environment's frames allows. */
static uint32_t ring_size(uint32_t buffer_bytes)
{
	uint64_t bytes = exo_account()->frames_max / 4 * EXO_PAGE_SIZE;
	uint32_t size = RING_SIZE_MAX;

	while (size > RING_SIZE_MIN && (uint64_t)size * buffer_bytes > bytes)
		size /= 2;
	return size;
}

/* ---- Binding ---- */

/* The tap has a space of its own, of the same name. */
static const struct exo_cap *space_of(const struct exo_start_bind *bind)
{
	return bind->space < EXO_START_CAPS_MAX ? &exo_start_page()->caps[bind->space].cap : NULL;
}

static int bind_one(struct sink *sink, const struct exo_start_bind *bind)
{
	bool tap = (bind->flags & EXO_BIND_COUNT) != 0;
	const struct exo_cap *space = space_of(bind);
	uint64_t at = exo_pages_physical(&sink->counters,
	                                 counters(sink, tap ? COUNTERS_TAP : COUNTERS_BINDING));

	if (!tap)
		sink->name = bind->name;
	if (space == NULL) {
		exo_text_copy(sink->error, sizeof sink->error, "no flow space for it");
		return -EXO_ENOENT;
	}
	return exo_net_bind(bind, space, &sink->rx.ring.cap, tap ? 0 : 1, at,
	                    tap ? &sink->tap : &sink->binding, sink->error);
}

/* The tap comes first, and the ring only when it counts: what is delivered was always matched. */
static int bind_all(struct sink *sink)
{
	unsigned n;
	const struct exo_start_bind *binds = exo_start_binds(&n);
	int result = 0;

	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < n && result == 0; i++)
			if (((binds[i].flags & EXO_BIND_COUNT) == 0) == (pass == 1))
				result = bind_one(sink, &binds[i]);
	if (result == 0 && sink->name == NULL) {
		exo_text_copy(sink->error, sizeof sink->error, "the start page lists no binding");
		return -EXO_ENOENT;
	}
	return result;
}

static int open_sink(struct sink *sink)
{
	int result;

	sink->port = argument("port", 0);
	sink->buffer_bytes = argument("frame", 0) > BUFFER_SMALL ? BUFFER_LARGE : BUFFER_SMALL;
	result = exo_pages_alloc(&sink->counters, 1);
	if (result == 0)
		result = exo_rx_open(&sink->rx, ring_size(sink->buffer_bytes), sink->buffer_bytes,
		                     exo_start_page()->core);
	if (result < 0) {
		exo_text_copy(sink->error, sizeof sink->error, "no memory for the ring");
		return result;
	}
	return bind_all(sink);
}

/* ---- Receiving ---- */

static void note(struct sink *sink, const struct exo_rx_frame *frame)
{
	uint64_t now = exo_tsc();

	sink->read_packets++;
	sink->read_bytes += frame->length;
	/* Cores' counters may differ by a little: nothing arrives before it came. */
	histogram_add(&sink->histogram,
	              now > frame->timestamp ? exo_time_ns(now - frame->timestamp) : 0);
}

static uint32_t drain(struct sink *sink)
{
	static struct exo_rx_frame frames[BURST];
	uint32_t n = exo_rx_burst(&sink->rx, frames, BURST);

	for (uint32_t i = 0; i < n; i++)
		note(sink, &frames[i]);
	exo_rx_release(&sink->rx, frames, n);
	return n;
}

/* ---- The conversation ---- */

static void send(struct sink *sink, uint32_t type, const void *body, uint32_t size)
{
	if (!sink->has_mailbox)
		return;
	/* The creator is slow at most; meanwhile frames are still taken. */
	while (exo_mailbox_send(&sink->mailbox, type, body, size) == -EXO_EAGAIN)
		if (sink->status != 0 || drain(sink) == 0)
			exo_wait(exo_tsc() + exo_time_ticks(EXO_MAILBOX_LOOK_NS));
}

static void progress(struct sink *sink)
{
	const struct exo_binding_counters *binding = counters(sink, COUNTERS_BINDING);

	if (sink->has_mailbox && sink->status == 0)
		exo_mailbox_set_progress(&sink->mailbox, sink->read_packets +
		                                                 binding->dropped_no_buffer +
		                                                 binding->dropped_ring_full);
}

static void describe_port(const struct sink *sink, struct replay_port *port)
{
	const struct exo_port_info *info = exo_port_info(sink->port);

	if (info == NULL)
		return;
	port->received_packets = info->rx_packets;
	port->received_bytes = info->rx_bytes;
	port->nic = info->drops.nic + info->drops.pool;
	port->nic_errors = info->drops.nic_errors;
	port->unmatched = info->drops.unmatched;
	port->malformed = info->drops.malformed;
	port->tap_lost = info->drops.tap_lost;
}

static void describe(const struct sink *sink, struct replay_result *result)
{
	const struct exo_binding_counters *binding, *tap;

	memset(result, 0, sizeof *result);
	result->magic = REPLAY_RESULT_MAGIC;
	result->version = REPLAY_VERSION;
	result->size = sizeof *result;
	exo_text_copy(result->name, sizeof result->name,
	              sink->name != NULL ? sink->name : exo_start_page()->name);
	result->status = sink->status;
	exo_text_copy(result->error, sizeof result->error, sink->error);
	describe_port(sink, &result->port);
	if (sink->status != 0)
		return;
	binding = counters(sink, COUNTERS_BINDING);
	tap = counters(sink, COUNTERS_TAP);
	result->binding = sink->binding.first;
	result->matched_packets = tap->matched_packets;
	result->matched_bytes = tap->matched_bytes;
	result->delivered_packets = binding->delivered_packets;
	result->delivered_bytes = binding->delivered_bytes;
	result->dropped_no_buffer = binding->dropped_no_buffer;
	result->dropped_ring_full = binding->dropped_ring_full;
	result->declined_packets = binding->declined_packets;
	result->read_packets = sink->read_packets;
	result->read_bytes = sink->read_bytes;
	result->cut_packets = sink->rx.cut;
	histogram_report(&sink->histogram, &result->latency);
}

static void stop(struct sink *sink)
{
	static struct replay_result result;

	if (sink->stopped)
		return;
	sink->stopped = true;
	while (sink->status == 0 && drain(sink) > 0)
		;
	describe(sink, &result);
	send(sink, EXO_CHANNEL_RESULT, &result, sizeof result);
	send(sink, EXO_CHANNEL_DONE, &sink->status, sizeof sink->status);
}

static void listen(struct sink *sink)
{
	static uint8_t body[EXO_MAILBOX_BODY_MAX];
	uint32_t type;

	while (sink->has_mailbox && exo_mailbox_receive(&sink->mailbox, &type, body) >= 0)
		if (type == EXO_CHANNEL_STOP)
			stop(sink);
}

int exo_main(void)
{
	static struct sink sink;
	uint32_t n = 0;

	sink.has_mailbox = exo_mailbox_open(&sink.mailbox) == 0;
	sink.status = open_sink(&sink);
	if (sink.status != 0)
		exo_printf("%s: %s: %s\n", exo_start_page()->name, sink.error,
		           exo_error_text(sink.status));
	send(&sink, EXO_CHANNEL_HELLO, NULL, 0);
	for (;;) {
		if (sink.status == 0)
			n = drain(&sink);
		progress(&sink);
		listen(&sink);
		if (n == 0)
			exo_wait(exo_tsc() + exo_time_ticks(EXO_MAILBOX_LOOK_NS));
	}
}
