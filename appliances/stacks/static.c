/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages by libos-tcp/static: every answer is made at the start, and TCP is only how it leaves.
 * Its counters are a page like the others, of fixed size, made anew at most twice a second.
 */
#include <libexo/call.h>
#include <libexo/lib.h>
#include <libexo/mailbox.h>
#include <libexo/net.h>
#include <libexo/printf.h>
#include <libexo/start.h>
#include <libexo/time.h>

#include <http/resource.h>
#include <static/stack.h>

#include "download.h"

#define STATS_PERIOD_NS 500000000ull

enum {
	STATIC_PORT = 8082,
	BURST = 32,
	STATS_BYTES = 1024,
	NAME_MAX = 72,
	TX_SIZE = 2048,     /* descriptors: two for a segment with text */
	HEADERS_SIZE = 128, /* room for one frame's headers, within a page */
};

_Static_assert((int)STATIC_HEADERS_MAX <= (int)HEADERS_SIZE, "headers fit");

static struct exo_net net;
static struct exo_ring tx;
static struct exo_pages headers; /* HEADERS_SIZE for each descriptor of the ring */
static struct exo_pages content; /* the site's */
static uint32_t queued, room;    /* descriptors written, not published; free, as seen last */
static bool unheard;             /* the doorbell is to be rung for what was published */
static struct static_site site;
static struct static_stack *stack;
static uint64_t no_buffer; /* frames that were not sent: TCP sends them again */
static char stats_text[STATS_BYTES];
static uint16_t nic_port;

static int complain(const char *what)
{
	exo_printf("static: %s\n", what);
	return 1;
}

/*
 * ---- Out ----
 *
 * Headers are written where the descriptor has its own place for them, and the text leaves from the
 * site: the kernel copies both. Nothing is reported but what goes wrong, and a place is free again
 * when its descriptor is.
 */

static void put(uint32_t n, struct exo_pages *pages, const uint8_t *at, uint32_t size, bool more)
{
	struct exo_desc *desc = exo_ring_slot(&tx, n);

	desc->address = exo_pages_physical(pages, at);
	desc->length = size;
	desc->flags = more ? EXO_DESC_MORE : 0;
	desc->port = nic_port;
}

static void output(void *context, const struct static_frame *frame)
{
	uint32_t n = frame->payload_size > 0 ? 2 : 1;
	uint8_t *place;

	if (room < queued + n)
		room = exo_ring_room(&tx);
	if (room < queued + n) {
		no_buffer++;
		return;
	}
	place = (uint8_t *)headers.address +
	        (size_t)((tx.request_head + queued) % TX_SIZE) * HEADERS_SIZE;
	memcpy(place, frame->headers, frame->headers_size);
	put(queued, &headers, place, frame->headers_size, n > 1);
	if (n > 1)
		put(queued + 1, &content, frame->payload, frame->payload_size, false);
	queued += n;
}

static void flush(void)
{
	uint32_t failed = exo_ring_there(&tx);

	if (failed > 0) {
		no_buffer += failed;
		exo_ring_taken(&tx, failed);
	}
	if (queued == 0)
		return;
	exo_ring_publish(&tx, queued);
	room -= queued;
	queued = 0;
	unheard = true;
}

/* The kernel hears of it; or with the call that sleeps. */
static void tell(void)
{
	if (unheard)
		exo_ring_doorbell(&tx);
	unheard = false;
}

static void rest(uint64_t deadline)
{
	if (unheard)
		exo_ring_wait(&tx, deadline);
	else
		exo_wait(deadline);
	unheard = false;
}

static int open_sender(void)
{
	int result = exo_ring_open(&tx, EXO_RING_TRANSMIT, EXO_RING_COPY, TX_SIZE,
	                           exo_sender_core(), &net.flow->cap);

	return result < 0
	               ? result
	               : exo_pages_alloc(&headers, exo_pages_for((uint64_t)TX_SIZE * HEADERS_SIZE));
}

/* ---- Content ---- */

static void write_stats(void)
{
	const struct static_counters *count = static_stack_counters(stack);
	struct stats stats = {.stack = "libos-tcp/static",
	                      .connections = count->opened,
	                      .open = static_stack_connections(stack),
	                      .requests = count->requests,
	                      .bytes = count->bytes,
	                      .segments_in = count->frames_in,
	                      .segments_out = count->frames_out,
	                      .retransmits = count->retransmitted};
	int size;

	download_add(&stats);
	size = stats_write(stats_text, sizeof stats_text, &stats);
	if (size < STATS_BYTES)
		memset(stats_text + size, '\n', (size_t)(STATS_BYTES - size));
	static_site_replace(&site, "/stats", stats_text, sizeof stats_text);
}

static uint64_t stats_written, stats_told; /* when (ns); the requests that were counted by then */

/* The counters' page is made anew, unless something of it may be on its way to the kernel. */
static void renew_stats(uint64_t now)
{
	if (exo_ring_room(&tx) != TX_SIZE)
		return;
	stats_written = now;
	stats_told = static_stack_counters(stack)->requests;
	write_stats();
}

/* Renews it where it is old and of other requests. → ns: when that will be; UINT64_MAX: it is not.
 */
static uint64_t refresh_stats(uint64_t now)
{
	if (static_stack_counters(stack)->requests == stats_told)
		return UINT64_MAX;
	if (now - stats_written < STATS_PERIOD_NS)
		return stats_written + STATS_PERIOD_NS;
	renew_stats(now);
	return UINT64_MAX;
}

/* Each file, the counters, and the way to `index.html` that ends with a slash. */
static uint32_t list_files(struct static_file *files, char (*names)[NAME_MAX])
{
	const struct exo_start *start = exo_start_page();
	uint32_t n = start->n_files < EXO_START_FILES_MAX ? start->n_files : EXO_START_FILES_MAX;
	uint32_t used = 0;

	files[used++] = (struct static_file){"/stats", "text/html; charset=utf-8", stats_text,
	                                     sizeof stats_text};
	for (uint32_t i = 0; i < n; i++) {
		const struct exo_start_file *file = &start->files[i];
		size_t size = strnlen(file->name, sizeof file->name);

		names[i][0] = '/';
		memcpy(names[i] + 1, file->name, size);
		names[i][size + 1] = 0;
		files[used++] =
		        (struct static_file){names[i], http_type_of(names[i], size + 1),
		                             (const void *)file->address, (uint32_t)file->size};
		if (strcmp(names[i], "/index.html") == 0) {
			files[used] = files[used - 1];
			files[used++].path = "/";
		}
	}
	return used;
}

static int open_site(void)
{
	static struct static_file files[EXO_START_FILES_MAX + 2];
	static char names[EXO_START_FILES_MAX][NAME_MAX];
	uint32_t n = list_files(files, names);
	size_t size = static_site_bytes(files, n);

	if (size == 0 || exo_pages_alloc(&content, exo_pages_for(size)) < 0)
		return -1;
	return static_site_open(&site, files, n, content.address, size);
}

/* ---- Life ---- */

static int open_stack(void)
{
	const struct exo_start_address *address = exo_start_address(0);
	struct static_config config = static_config_default();
	struct exo_pages pages;
	size_t size;

	if (address == NULL || address->family != 4)
		return -1;
	nic_port = address->port;
	config.port = STATIC_PORT;
	config.mtu = address->mtu;
	memcpy(config.mac, address->mac, sizeof config.mac);
	memcpy(config.address, address->address, sizeof config.address);
	memcpy(config.secret, exo_start_page()->seed, sizeof config.secret);
	size = static_stack_bytes(&config);
	if (size == 0 || exo_pages_alloc(&pages, exo_pages_for(size)) < 0)
		return -1;
	stack = static_stack_open(pages.address, size, &config, &site, output, NULL,
	                          exo_time_now_ns());
	return stack == NULL ? -1 : 0;
}

/* A frame, where it lies; only its last part tells that one was longer than a buffer. */
static void take(const struct exo_desc *desc, const uint8_t *data)
{
	const uint16_t unfit = EXO_DESC_CUT | EXO_DESC_MORE | EXO_DESC_SUM_BAD;
	static bool inside;
	bool goes_on = inside;

	inside = (desc->flags & EXO_DESC_MORE) != 0;
	if (!goes_on && desc->status == 0 && (desc->flags & unfit) == 0)
		static_stack_input(stack, data, desc->length,
		                   (desc->flags & EXO_DESC_L4_SUM_OK) != 0);
}

/* Frames of a burst share one look at the clock. Each one's buffer goes straight back. */
static uint32_t poll(void)
{
	struct exo_ring *ring = &net.rx.ring;
	uint32_t n = exo_ring_there(ring), filled = 0;

	if (n > BURST)
		n = BURST;
	if (n > 0) {
		uint64_t now = exo_time_now_ns();

		static_stack_clock(stack, now);
		if (now - stats_written >= STATS_PERIOD_NS) /* who comes may ask for it */
			renew_stats(now);
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct exo_desc *desc = exo_ring_response(ring, i);
		struct exo_desc *fill = exo_ring_slot(ring, filled);
		uint8_t *data =
		        (uint8_t *)net.rx.buffers.address + desc->cookie * net.rx.buffer_bytes;

		if (desc->cookie >= ring->size || desc->length > net.rx.buffer_bytes)
			continue;
		take(desc, data);
		fill->address = exo_pages_physical(&net.rx.buffers, data);
		fill->length = net.rx.buffer_bytes;
		fill->cookie = desc->cookie;
		filled++;
	}
	exo_ring_taken(ring, n);
	exo_ring_publish(ring, filled);
	flush();
	return n;
}

static _Noreturn void serve(void)
{
	for (;;) {
		uint64_t now, due, other;

		/* What comes from now on wakes us. */
		if (poll() == BURST) {
			tell();
			continue;
		}
		now = exo_time_now_ns();
		other = download_run(stack, now);
		due = static_stack_run(stack, now);
		flush();
		due = other < due ? other : due;
		other = refresh_stats(now);
		due = other < due ? other : due;
		rest(due == UINT64_MAX ? 0 : exo_info()->tsc_boot + exo_time_ticks(due));
	}
}

int exo_main(void)
{
	struct exo_mailbox_end mailbox;

	if (exo_net_open(&net, &(struct exo_net_options){.no_transmit = true}) < 0)
		return complain(net.error);
	if (open_sender() < 0)
		return complain("no transmit ring");
	memset(stats_text, '\n', sizeof stats_text);
	if (open_site() != 0)
		return complain("the files make no site");
	if (open_stack() != 0)
		return complain("no IPv4 address, or no memory");
	download_open(&net, stack);
	write_stats();
	exo_printf("ready: %u answers on port %u, by libos-tcp/static\n", site.n, STATIC_PORT);
	if (exo_mailbox_open(&mailbox) == 0)
		exo_mailbox_send(&mailbox, EXO_CHANNEL_HELLO, NULL, 0);
	serve();
}
